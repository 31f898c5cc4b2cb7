// The divergences D(p', q), class by class: what one class adds to D and to ∂D/∂s. Constant factors (τ²,
// 1/V, …) stand outside, in `factors`.

// One class: its logits after revision, the student's probability and the revised target's.
struct AtClass {
  s: u32,
  t: u32,
  q: f32,
  log_q: f32,
  p: f32,
  log_p: f32,
}

// A divergence on one row. DECOUPLED comes with the label's shares, and its other classes with q and p
// renormalised without the label.
struct Rule {
  code: u32,
  alpha: f32,
  beta: f32,
  q: LabelShare,
  p: LabelShare,
}

// The divergence of right or of wrong rows; decoupled without a label is the forward KL.
fn rule_of(wrong: bool, y: u32) -> Rule {
  var rule: Rule;
  rule.code = select(RIGHT_DIVERGENCE, WRONG_DIVERGENCE, wrong);
  rule.alpha = select(params.right_alpha, params.wrong_alpha, wrong);
  rule.beta = select(params.right_beta, params.wrong_beta, wrong);
  if (rule.code == DECOUPLED && y == NONE) { rule.code = FORWARD_KL; }
  return rule;
}

// Whether the gradient is q (h − Σ q h), so that the mean has to be known first.
fn is_centred(code: u32) -> bool {
  return code >= REVERSE_KL && code <= MSE_PROBS;
}

// β p' + (1−β) q, and its logarithm.
fn mixture(rule: Rule, c: AtClass) -> vec2<f32> {
  let m = rule.beta * c.p + (1.0 - rule.beta) * c.q;
  // Where the products underflow, the logarithm stays finite.
  return vec2<f32>(m, logarithm(max(m, LEAST)));
}

// s − t; 0 where either is masked.
fn logit_difference(c: AtClass) -> f32 {
  return select(value(c.s) - value(c.t), 0.0, c.s == MASKED || c.t == MASKED);
}

// What the class adds to D.
fn divergence_value(rule: Rule, c: AtClass) -> f32 {
  switch (rule.code) {
    case REVERSE_KL: { return kl_term(c.q, c.log_q, c.p, c.log_p); }
    case JENSEN_SHANNON: {
      let m = mixture(rule, c);
      let of_p = kl_term(c.p, c.log_p, m.x, m.y);
      let of_q = kl_term(c.q, c.log_q, m.x, m.y);
      return rule.beta * of_p + (1.0 - rule.beta) * of_q;
    }
    case TOTAL_VARIATION: { return 0.5 * abs(c.p - c.q); }
    case MSE_PROBS: { return (c.q - c.p) * (c.q - c.p); }
    case MSE_LOGITS: {
      let difference = logit_difference(c);
      return difference * difference;
    }
    case DECOUPLED: {
      if (rule.beta == 0.0) { return 0.0; }
      return rule.beta * kl_term(c.p, c.log_p, c.q, c.log_q);
    }
    default: { return kl_term(c.p, c.log_p, c.q, c.log_q); }
  }
}

// h, where the gradient is q (h − Σ q h).
fn slope(rule: Rule, c: AtClass) -> f32 {
  switch (rule.code) {
    case REVERSE_KL: { return c.log_q - c.log_p; }
    case JENSEN_SHANNON: { return (1.0 - rule.beta) * (c.log_q - mixture(rule, c).y); }
    case TOTAL_VARIATION: { return 0.5 * sign(c.q - c.p); }
    default: { return c.q - c.p; }
  }
}

// q h of the class.
fn weighted_slope(rule: Rule, c: AtClass) -> f32 {
  // A masked class has q = 0 and a slope without meaning.
  return select(c.q * slope(rule, c), 0.0, c.q == 0.0);
}

// ∂D/∂z of the class, given `mean` = Σ q h.
fn divergence_gradient(rule: Rule, c: AtClass, mean: f32) -> f32 {
  switch (rule.code) {
    case FORWARD_KL: { return c.q - c.p; }
    case MSE_LOGITS: { return logit_difference(c); }
    case DECOUPLED: {
      let others = select(rule.beta * (c.q - c.p), 0.0, rule.beta == 0.0);
      return others - label_slope(rule) * c.q;
    }
    default: {
      // A masked class has q = 0 and a slope without meaning.
      return select(c.q * (slope(rule, c) - mean), 0.0, c.q == 0.0);
    }
  }
}

// What the label's class adds to D.
fn label_value(rule: Rule, c: AtClass) -> f32 {
  if (rule.code != DECOUPLED) { return divergence_value(rule, c); }
  if (rule.alpha == 0.0) { return 0.0; }
  let q = rule.q;
  let p = rule.p;
  let binary = kl_term(p.p, p.log_p, q.p, q.log_p) + kl_term(p.rest, p.log_rest, q.rest, q.log_rest);
  return rule.alpha * binary;
}

// ∂D/∂z of the label's class.
fn label_gradient(rule: Rule, c: AtClass, mean: f32) -> f32 {
  if (rule.code == DECOUPLED) { return label_slope(rule); }
  return divergence_gradient(rule, c, mean);
}

// Decoupled: α (q_y − p'_y), from whichever parts are small.
fn label_slope(rule: Rule) -> f32 {
  let sure = rule.q.p > 0.5 && rule.p.p > 0.5;
  return rule.alpha * select(rule.q.p - rule.p.p, rule.p.rest - rule.q.rest, sure);
}

// The constant factors of D and of ∂D/∂s.
struct Factors {
  value: f32,
  slope: f32,
}

// At temperature τ.
fn factors(code: u32, tau: f32) -> Factors {
  let v = f32(params.classes);
  if (code == MSE_LOGITS) { return Factors(1.0 / v, 2.0 / v); }
  if (code == MSE_PROBS) { return Factors(1.0 / v, 2.0 / (v * tau)); }
  if (params.temperature_squared != 0u) { return Factors(tau * tau, tau); }
  return Factors(1.0, 1.0 / tau);
}
