// A row's softmax, with the label's class kept apart from the others.

// The probability of the label's class and of all others together, and their logarithms.
struct LabelShare {
  p: f32,
  log_p: f32,
  rest: f32,
  log_rest: f32,
}

// Functions, because naga 30 takes no constant of a structure beside overrides that size arrays.
fn label_absent() -> LabelShare { return LabelShare(0.0, LOG_ZERO, 1.0, 0.0); }
fn label_alone() -> LabelShare { return LabelShare(1.0, 0.0, 0.0, LOG_ZERO); }

// softmax(k z). The other classes' exponentials are relative to their own maximum (`shift`), so that they
// never vanish beside a label that is far ahead.
struct Softmax {
  shift: f32,
  k: f32,         // the inverse temperature
  others: f32,    // S' = Σ_{c≠y} exp(k (z_c − shift))
  scale: f32,     // turns exp(k (z_c − shift)) into a probability
  log_norm: f32,  // turns k (z_c − shift) into a log-probability
  y: LabelShare,
}

// From S' and the bits of the label's logit; MASKED where there is no label.
fn softmax(k: f32, shift: f32, others: f32, label: u32) -> Softmax {
  if (!(others > 0.0)) { return Softmax(shift, k, 0.0, 0.0, 0.0, label_alone()); }
  let log_others = logarithm(others);
  if (label == MASKED) {
    return Softmax(shift, k, others, 1.0 / others, log_others, label_absent());
  }
  let x = (value(label) - shift) * k;
  let ahead = exponential(-abs(x));
  let u = x - log_others;
  let log_rest = -softplus(u);
  let log_p = -softplus(-u);
  // Both cases divide by S relative to the larger of the label and the other classes.
  if (x > 0.0) {
    let s = others * ahead + 1.0;
    let scale = ahead / s;
    let y = LabelShare(1.0 / s, log_p, others * scale, log_rest);
    return Softmax(shift, k, others, scale, x - log_p, y);
  }
  let s = others + ahead;
  let y = LabelShare(ahead / s, log_p, others / s, log_rest);
  return Softmax(shift, k, others, 1.0 / s, log_others - log_rest, y);
}

// The softmax of the classes besides the label alone.
fn without_label(all: Softmax) -> Softmax {
  if (!(all.others > 0.0)) { return all; }
  return Softmax(all.shift, all.k, all.others, 1.0 / all.others, logarithm(all.others), all.y);
}

// k (z − shift) of a logit's bits; only where it is not masked.
fn exponent(k: f32, shift: f32, bits: u32) -> f32 {
  return (bitcast<f32>(bits) - shift) * k;
}

// exp(k (z − shift)); 0 where the class is masked.
fn shifted_exp(k: f32, shift: f32, bits: u32) -> f32 {
  return select(exponential(exponent(k, shift, bits)), 0.0, bits == MASKED);
}

// The probability and its logarithm at a class besides the label.
fn softmax_at(all: Softmax, bits: u32) -> vec2<f32> {
  let x = exponent(all.k, all.shift, bits);
  return select(
    vec2<f32>(exponential(x) * all.scale, x - all.log_norm), vec2<f32>(0.0, LOG_ZERO), bits == MASKED
  );
}

// The same without the logarithm.
fn probability(all: Softmax, bits: u32) -> f32 {
  return shifted_exp(all.k, all.shift, bits) * all.scale;
}

// The largest probability: exp(k (max_{c≠y} − shift)) = 1.
fn confidence(all: Softmax) -> f32 {
  return max(all.scale, all.y.p);
}

// p_y − max_{c≠y} p_c.
fn margin(all: Softmax) -> f32 {
  return all.y.p - all.scale;
}

// The entropy from Σ_{c≠y} e_c x_c, where x_c = k (z_c − shift) and e_c = exp(x_c).
fn entropy(all: Softmax, weighted: f32) -> f32 {
  let of_label = select(all.y.p * all.y.log_p, 0.0, all.y.p == 0.0);
  return all.log_norm * all.y.rest - all.scale * weighted - of_label;
}
