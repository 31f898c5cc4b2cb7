// Revise: the teacher's tempered softmax becomes the target p'.

struct Target {
  // The teacher's softmax, after probability shift if that is the revision; of the classes besides the
  // label, β of label revision is part.
  softmax: Softmax,
  label: LabelShare,    // in p'
  label_logit: u32,     // bits of the label's logit in the target
  shifted_class: u32,   // the class to which probability shift gives the label's logit; else NONE
  shifted_logit: u32,   // that logit
  beta: f32,            // of label revision, for the record; 1 elsewhere
  smoothed: f32,        // label smoothing's probability of another class; 0 elsewhere
  log_smoothed: f32,
}

// What revision does to the logits: probability shift is an exchange of two of them. The softmax has
// nothing but its shift yet.
fn exchanged(of_t: Side, wrong: bool) -> Target {
  var p: Target;
  p.label_logit = of_t.label;
  p.shifted_class = NONE;
  p.softmax.shift = shift(of_t);
  p.beta = 1.0;
  if (REVISION == PROBABILITY_SHIFT && wrong) {
    p.label_logit = bitcast<u32>(value_of_key(of_t.top_two.x));
    p.shifted_class = of_t.top;
    p.shifted_logit = of_t.label;
    p.softmax.shift = shift_of(max(of_t.top_two.z, key(of_t.label)), p.label_logit);
  }
  return p;
}

// The bits of the target's logit at a class besides the label's.
fn target_logit(p: Target, class_: u32, t: u32) -> u32 {
  return select(t, p.shifted_logit, class_ == p.shifted_class);
}

// p' from the sum over the other classes' exponentials, and from how many of them are not masked.
fn revise(logits_of: Target, k: f32, others: f32, unmasked: u32, wrong: bool) -> Target {
  var p = logits_of;
  p.softmax = softmax(k, p.softmax.shift, others, p.label_logit);
  p.label = p.softmax.y;
  if (REVISION == LABEL_REVISION && wrong) { return label_revision(p); }
  if (REVISION == LABEL_SMOOTHING && wrong) { return label_smoothing(p, unmasked); }
  return p;
}

// p' = β p + (1−β) e_y, β = η / (p_max − p_y + 1).
fn label_revision(tempered: Target) -> Target {
  var p = tempered;
  let y = p.softmax.y;
  let beta = params.revision_parameter / (confidence(p.softmax) - y.p + 1.0);
  let log_beta = logarithm(beta);
  let at_label = beta * y.p + (1.0 - beta);
  p.label = LabelShare(at_label, logarithm(at_label), beta * y.rest, log_beta + y.log_rest);
  p.softmax.scale *= beta;
  p.softmax.log_norm -= log_beta;
  p.beta = beta;
  return p;
}

// 1−ε at the label, ε/n at each of the n other classes that are not masked.
fn label_smoothing(tempered: Target, unmasked: u32) -> Target {
  var p = tempered;
  let epsilon = params.revision_parameter;
  p.label = LabelShare(1.0 - epsilon, logarithm(1.0 - epsilon), epsilon, logarithm(epsilon));
  p.smoothed = epsilon / f32(unmasked);
  p.log_smoothed = logarithm(p.smoothed);
  return p;
}

// The target without the label's class, renormalised: label revision and probability shift leave it
// as it is, label smoothing makes it uniform.
fn target_without_label(all: Target, unmasked: u32) -> Target {
  var p = all;
  p.softmax = without_label(p.softmax);
  if (p.smoothed > 0.0) {
    p.smoothed = 1.0 / f32(unmasked);
    p.log_smoothed = logarithm(p.smoothed);
  }
  return p;
}

// p' and its logarithm at a class besides the label, from the bits of the target's logit.
fn target_at(p: Target, t: u32) -> vec2<f32> {
  if (REVISION == LABEL_SMOOTHING && p.smoothed > 0.0) {
    return select(vec2<f32>(p.smoothed, p.log_smoothed), vec2<f32>(0.0, LOG_ZERO), t == MASKED);
  }
  return softmax_at(p.softmax, t);
}
