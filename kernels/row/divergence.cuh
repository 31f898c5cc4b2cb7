// The divergences, class by class: what one class adds to D and to ∂D/∂s. Constant factors (τ², 1/V, …)
// stand outside, in `factors`.
#pragma once
#include "row/target.cuh"

// One class: its logits after revision, the student's probability and the revised target's.
struct AtClass {
  float s, t, q, log_q, p, log_p;
};

// What the rules share. The gradient of CENTRED rules is q_c (h_c − Σ_k q_k h_k) with `slope` as h, so that
// the mean has to be known first.
template <class Rule, bool IS_CENTRED>
struct Divergence {
  static constexpr bool CENTRED = IS_CENTRED;
  DEVICE const Rule& rule() const { return static_cast<const Rule&>(*this); }

  DEVICE float slope(const AtClass&) const { return 0.0f; }
  DEVICE float gradient(const AtClass& c, float mean) const {
    // A masked class has q = 0 and an infinite slope.
    return c.q == 0.0f ? 0.0f : c.q * (rule().slope(c) - mean);
  }
  DEVICE float label_value(const AtClass& c) const { return rule().value(c); }
  DEVICE float label_gradient(const AtClass& c, float mean) const { return rule().gradient(c, mean); }
};

// Σ p' (log p' − log q).
struct ForwardKl : Divergence<ForwardKl, false> {
  DEVICE float value(const AtClass& c) const { return kl_term(c.p, c.log_p, c.q, c.log_q); }
  DEVICE float gradient(const AtClass& c, float) const { return c.q - c.p; }
};

// Σ q (log q − log p').
struct ReverseKl : Divergence<ReverseKl, true> {
  DEVICE float value(const AtClass& c) const { return kl_term(c.q, c.log_q, c.p, c.log_p); }
  DEVICE float slope(const AtClass& c) const { return c.log_q - c.log_p; }
};

// β KL(p'‖m) + (1−β) KL(q‖m), m = βp' + (1−β)q.
struct JensenShannon : Divergence<JensenShannon, true> {
  float beta;
  DEVICE explicit JensenShannon(float beta) : beta(beta) {}

  DEVICE float mixture(const AtClass& c) const { return beta * c.p + (1.0f - beta) * c.q; }
  // Where the products underflow, the logarithm of a class that is there stays finite.
  DEVICE float log_mixture(const AtClass& c) const { return logf(max_of(mixture(c), __int_as_float(1))); }
  DEVICE float value(const AtClass& c) const {
    const float m = mixture(c), log_m = log_mixture(c);
    return beta * kl_term(c.p, c.log_p, m, log_m) + (1.0f - beta) * kl_term(c.q, c.log_q, m, log_m);
  }
  DEVICE float slope(const AtClass& c) const { return (1.0f - beta) * (c.log_q - log_mixture(c)); }
};

// ½ Σ |p' − q|.
struct TotalVariation : Divergence<TotalVariation, true> {
  DEVICE float value(const AtClass& c) const { return 0.5f * fabsf(c.p - c.q); }
  DEVICE float slope(const AtClass& c) const {
    const float difference = c.q - c.p;
    return difference == 0.0f ? 0.0f : difference > 0.0f ? 0.5f : -0.5f;
  }
};

// Σ (q − p')².
struct MseProbs : Divergence<MseProbs, true> {
  DEVICE float value(const AtClass& c) const { return (c.q - c.p) * (c.q - c.p); }
  DEVICE float slope(const AtClass& c) const { return c.q - c.p; }
};

// Σ (s − t)²; a class that either row masks adds nothing here.
struct MseLogits : Divergence<MseLogits, false> {
  DEVICE float value(const AtClass& c) const {
    const float difference = gradient(c, 0.0f);
    return difference * difference;
  }
  DEVICE float gradient(const AtClass& c, float) const {
    return c.s == masked() || c.t == masked() ? 0.0f : c.s - c.t;
  }
};

// α KL(b^t‖b^s) + β KL(p̂‖q̂). The classes besides the label come with q and p renormalised without it.
struct Decoupled : Divergence<Decoupled, false> {
  float alpha, beta;  // β is 0 where one of the rows has no other class
  LabelShare student, target;
  DEVICE Decoupled(float alpha, float beta, const LabelShare& student, const LabelShare& target)
      : alpha(alpha), beta(beta), student(student), target(target) {}

  // α (q_y − p'_y), from the smaller parts of the two.
  DEVICE float label_slope() const {
    const bool sure = student.p > 0.5f && target.p > 0.5f;
    return alpha * (sure ? target.rest - student.rest : student.p - target.p);
  }
  DEVICE float value(const AtClass& c) const {
    return beta == 0.0f ? 0.0f : beta * kl_term(c.p, c.log_p, c.q, c.log_q);
  }
  DEVICE float gradient(const AtClass& c, float) const {
    return (beta == 0.0f ? 0.0f : beta * (c.q - c.p)) - label_slope() * c.q;
  }
  DEVICE float label_value(const AtClass&) const {
    if (alpha == 0.0f) return 0.0f;
    return alpha * (kl_term(target.p, target.log_p, student.p, student.log_p) +
                    kl_term(target.rest, target.log_rest, student.rest, student.log_rest));
  }
  DEVICE float label_gradient(const AtClass&, float) const { return label_slope(); }
};

// The rule that the specification names. CENTRED says only that a mean may be needed.
struct AnyRule {
  static constexpr bool CENTRED = true;
  unsigned kind;
  float alpha, beta;
  LabelShare student, target;

  template <class F>
  DEVICE float dispatch(F f) const {
    switch (kind) {
      case REVERSE_KL: return f(ReverseKl());
      case JENSEN_SHANNON: return f(JensenShannon(beta));
      case TOTAL_VARIATION: return f(TotalVariation());
      case MSE_PROBS: return f(MseProbs());
      case MSE_LOGITS: return f(MseLogits());
      case DECOUPLED: return f(Decoupled(alpha, beta, student, target));
      default: return f(ForwardKl());
    }
  }
  DEVICE float value(const AtClass& c) const {
    return dispatch([&](const auto& rule) { return rule.value(c); });
  }
  DEVICE float slope(const AtClass& c) const {
    return dispatch([&](const auto& rule) { return rule.slope(c); });
  }
  DEVICE float gradient(const AtClass& c, float mean) const {
    return dispatch([&](const auto& rule) { return rule.gradient(c, mean); });
  }
  DEVICE float label_value(const AtClass& c) const {
    return dispatch([&](const auto& rule) { return rule.label_value(c); });
  }
  DEVICE float label_gradient(const AtClass& c, float mean) const {
    return dispatch([&](const auto& rule) { return rule.label_gradient(c, mean); });
  }
};

// The constant factors of D and of ∂D/∂s at temperature τ over V classes.
struct ConstantFactors {
  float value_factor, slope;
};
DEVICE ConstantFactors factors(unsigned divergence, bool squared, float tau, float v) {
  if (divergence == MSE_LOGITS) return {1.0f / v, 2.0f / v};
  if (divergence == MSE_PROBS) return {1.0f / v, 2.0f / (v * tau)};
  if (squared) return {tau * tau, tau};
  return {1.0f, 1.0f / tau};
}
