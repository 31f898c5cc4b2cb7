// Revise: the teacher's tempered softmax becomes the target p'.

struct Target {
  softmax: Softmax,
  label: Share,        // in p'
  label_logit: u32,    // bits of the label's logit in the target
  // The class to which probability shift gives the label's logit, and that logit.
  moved: u32,
  moved_logit: u32,
  shift: f32,
  beta: f32,           // of label revision; 1 elsewhere
  log_beta: f32,
  smoothed: f32,       // label smoothing's probability of another class; 0 elsewhere
  log_smoothed: f32,
}

// What revision does to the logits: probability shift is an exchange of two of them.
fn exchanged(of_t: Side, wrong: bool) -> Target {
  var p: Target;
  p.label_logit = of_t.label;
  p.moved = NONE;
  p.shift = shift(of_t);
  p.beta = 1.0;
  if (REVISION == PROBABILITY_SHIFT && wrong) {
    p.label_logit = bitcast<u32>(value_of_key(of_t.top_two.x));
    p.moved = of_t.top;
    p.moved_logit = of_t.label;
    p.shift = shifted_by(max(of_t.top_two.z, key(of_t.label)), p.label_logit);
  }
  return p;
}

// The bits of the target's logit at a class besides the label's.
fn target_logit(p: Target, class_: u32, t: u32) -> u32 {
  return select(t, p.moved_logit, class_ == p.moved);
}

// p' from the sum over the other classes' exponentials.
fn revise(logits_of: Target, k: f32, others: f32, of_t: Side, wrong: bool) -> Target {
  var p = logits_of;
  p.softmax = softmax(k, p.shift, others, p.label_logit);
  p.label = p.softmax.label;
  if (REVISION == LABEL_REVISION && wrong) {
    // p' = β p + (1−β) e_y, β = η / (p_max − p_y + 1).
    let y = p.softmax.label;
    p.beta = params.revision_parameter / (confidence(p.softmax) - y.p + 1.0);
    p.log_beta = logarithm(p.beta);
    let at_label = p.beta * y.p + (1.0 - p.beta);
    p.label = Share(at_label, logarithm(at_label), p.beta * y.rest, p.log_beta + y.log_rest);
  }
  if (REVISION == LABEL_SMOOTHING && wrong) {
    // 1−ε at the label, ε/n at each of the n other classes that are not masked.
    let epsilon = params.revision_parameter;
    p.label = Share(1.0 - epsilon, logarithm(1.0 - epsilon), epsilon, logarithm(epsilon));
    p.smoothed = epsilon / f32(of_t.unmasked);
    p.log_smoothed = logarithm(p.smoothed);
  }
  return p;
}

// The target without the label's class, renormalised: label revision and probability shift leave it
// as it is, label smoothing makes it uniform.
fn target_without_label(all: Target, of_t: Side) -> Target {
  var p = all;
  p.softmax = without_label(p.softmax);
  p.beta = 1.0;
  p.log_beta = 0.0;
  if (p.smoothed > 0.0) {
    p.smoothed = 1.0 / f32(of_t.unmasked);
    p.log_smoothed = logarithm(p.smoothed);
  }
  return p;
}

// p' and its logarithm at a class besides the label's, from the bits of the target's logit.
fn target_at(p: Target, t: u32) -> vec2<f32> {
  if (REVISION == LABEL_SMOOTHING && p.smoothed > 0.0) {
    return select(vec2<f32>(p.smoothed, p.log_smoothed), vec2<f32>(0.0, LOG_ZERO), t == MASKED);
  }
  let plain = at(p.softmax, t);
  if (REVISION == LABEL_REVISION) {
    return vec2<f32>(plain.x * p.beta, plain.y + p.log_beta);
  }
  return plain;
}

// The largest probability: exp(k (max_{c≠y} − shift)) = 1.
fn confidence(all: Softmax) -> f32 {
  return max(all.scale, all.label.p);
}
