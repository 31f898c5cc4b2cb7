// A row's softmax, with the label's class kept apart from the others.

// The probability of the label's class and of all the others together, and their logarithms.
struct Share {
  p: f32,
  log_p: f32,
  rest: f32,
  log_rest: f32,
}

// Functions, because naga 30 takes no constant of a structure beside overrides that size arrays.
fn absent() -> Share { return Share(0.0, LOG_ZERO, 1.0, 0.0); }
fn alone() -> Share { return Share(1.0, 0.0, 0.0, LOG_ZERO); }

// softmax(k z). The other classes' exponentials are relative to their own maximum (`shift`), so
// that they never vanish beside a label that is far ahead.
struct Softmax {
  shift: f32,
  k: f32,
  others: f32,    // S' = Σ_{c≠y} exp(k (z_c − shift))
  scale: f32,     // turns exp(k (z_c − shift)) into a probability
  log_norm: f32,  // turns k (z_c − shift) into a log-probability
  label: Share,
}

// From S' and the bits of the label's logit; MASKED where there is no label.
fn softmax(k: f32, shift: f32, others: f32, label: u32) -> Softmax {
  if (!(others > 0.0)) { return Softmax(shift, k, 0.0, 0.0, 0.0, alone()); }
  let log_others = logarithm(others);
  if (label == MASKED) { return Softmax(shift, k, others, 1.0 / others, log_others, absent()); }
  let x = (value(label) - shift) * k;
  let ahead = exponential(-abs(x));
  let u = x - log_others;
  let rest_log = -softplus(u);
  let label_log = -softplus(-u);
  // Both cases divide by S relative to the larger of the label and the other classes.
  if (x > 0.0) {
    let s = others * ahead + 1.0;
    let scale = ahead / s;
    let share = Share(1.0 / s, label_log, others * scale, rest_log);
    return Softmax(shift, k, others, scale, x - label_log, share);
  }
  let s = others + ahead;
  let share = Share(ahead / s, label_log, others / s, rest_log);
  return Softmax(shift, k, others, 1.0 / s, log_others - rest_log, share);
}

// The same without the label's class, renormalised.
fn without_label(all: Softmax) -> Softmax {
  if (!(all.others > 0.0)) { return all; }
  return Softmax(
    all.shift, all.k, all.others, 1.0 / all.others, logarithm(all.others), all.label
  );
}

// k (z − shift) of a logit's bits; only where it is not masked.
fn exponent(k: f32, shift: f32, bits: u32) -> f32 {
  return (bitcast<f32>(bits) - shift) * k;
}

// exp(k (z − shift)); 0 where the class is masked.
fn relative(k: f32, shift: f32, bits: u32) -> f32 {
  return select(exponential(exponent(k, shift, bits)), 0.0, bits == MASKED);
}

// How often exp(x/τ) is squared for exp(x); APART where that takes an exponential of its own.
const APART = 3u;

fn squarings_of(tau: f32) -> u32 {
  if (TEMPERATURE == STANDARDISED) { return APART; }
  if (tau == 1.0) { return 0u; }
  if (tau == 2.0) { return 1u; }
  return select(APART, 2u, tau == 4.0);
}

// exp(z − shift) of a logit's bits, from e = exp((z − shift)/τ).
fn raised(squarings: u32, e: f32, shift: f32, bits: u32) -> f32 {
  if (squarings == APART) { return relative(1.0, shift, bits); }
  let once = select(e * e, e, squarings == 0u);
  return select(once, once * once, squarings == 2u);
}

// The probability and its logarithm at a class besides the label's.
fn at(all: Softmax, bits: u32) -> vec2<f32> {
  let x = exponent(all.k, all.shift, bits);
  return select(
    vec2<f32>(exponential(x) * all.scale, x - all.log_norm), vec2<f32>(0.0, LOG_ZERO), bits == MASKED
  );
}

fn probability(all: Softmax, bits: u32) -> f32 {
  return relative(all.k, all.shift, bits) * all.scale;
}
