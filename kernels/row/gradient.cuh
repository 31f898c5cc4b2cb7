// The last sweeps: the divergence's value and the row's gradient, for any rule.
#pragma once
#include "row/divergence.cuh"
#include "row/standardise.cuh"

// What multiplies ∂D/∂z and ∂CE/∂s; a part whose factor is 0 is not evaluated.
struct Factors {
  float kd, ce;
};

// Student and revised target of one row, and what the gradient is multiplied by.
template <bool ANY>
struct Gradient {
  // q, the student's softmax at the row's temperature.
  Softmax student;
  Target<ANY> target;
  // q1, the student's softmax at τ = 1.
  Softmax unit;
  bool labelled;
  // The student's logit at the label.
  float label;
  bool is_standardised;
  Standardised standardised;
  Factors factors;

  // The gradient over the classes besides the label, renormalised.
  DEVICE Gradient without_label(unsigned unmasked) const {
    Gradient rest = *this;
    rest.student = student.without_label();
    rest.target = target.without_label(unmasked);
    return rest;
  }

  DEVICE AtClass at_class(float s, float t) const {
    return {s, t, student.p(s), student.log_p(s), target.p(t), target.log_p(t)};
  }
  DEVICE AtClass at_label_class() const {
    return {label, target.label_logit, student.y.p, student.y.log_p, target.label.p, target.label.log_p};
  }

  // Writes the gradient, where there is room for it; returns D without its factor.
  template <class Rule, class Span>
  DEVICE float run(const Rule& rule, Span& span) const {
    // The label's class comes first, so that its values need no registers during the sweeps.
    const float of_label = labelled ? rule.label_value(at_label_class()) : 0.0f;
    float value = 0.0f, mean = 0.0f;
    if constexpr (Rule::CENTRED) {
      float sum[2] = {};
      value_and_mean(rule, span, sum);
      value = sum[0];
      mean = sum[1];
      if (labelled && student.y.p != 0.0f) mean += student.y.p * rule.slope(at_label_class());
      if (is_standardised && span.has_gradient()) {
        const Pullback pullback = pullback_of(rule, span, mean);
        write(rule, span, mean, [&](float g, float s) { return pullback.apply(g, s); });
      } else if (span.has_gradient()) {
        write(rule, span, mean, [](float g, float) { return g; });
      }
    } else {
      value = write(rule, span, mean, [](float g, float) { return g; });
    }
    return value + of_label;
  }

  // The gradient at the label's class, given the divergence's; a factor of 0 leaves +0.
  DEVICE float label_total(float of_divergence) const {
    if (!labelled) return 0.0f;
    return (factors.kd == 0.0f ? 0.0f : factors.kd * of_divergence) - factors.ce * unit.y.rest;
  }

  // Stores a chunk of the gradient; the label's class is in one lane's.
  template <class Span, class Chunk, int N>
  DEVICE void store(const Span& span, const Chunk& chunk, const float (&g)[N], float at_y) const {
    span.store(chunk.first, g);
    const int y = span.y;
    if (labelled && unsigned(y) - unsigned(chunk.first) < unsigned(N)) span.store(y, at_y);
  }

 private:
  // D and Σ_k q_k h_k over the classes besides the label.
  template <class Rule, class Span>
  DEVICE void value_and_mean(const Rule& rule, Span& span, float (&sum)[2]) const {
    span.each([&](const auto& chunk) {
#pragma unroll
      for (int i = 0; i < chunk.SIZE; ++i) {
        const AtClass c = at_class(chunk.s[i], chunk.t[i]);
        sum[0] += rule.value(c);
        if (c.q != 0.0f) sum[1] += c.q * rule.slope(c);
      }
    });
    span.lanes.template reduce<Sum>(sum);
  }

  // The gradient of standardised logits needs two sums over it before it can be written.
  template <class Rule, class Span>
  DEVICE Pullback pullback_of(const Rule& rule, Span& span, float mean) const {
    float sum[2] = {};
    span.each([&](const auto& chunk) {
#pragma unroll
      for (int i = 0; i < chunk.SIZE; ++i) {
        if (chunk.s[i] == masked()) continue;
        const float g = rule.gradient(at_class(chunk.s[i], chunk.t[i]), mean);
        sum[0] += g;
        sum[1] += g * standardised.z(chunk.s[i]);
      }
    });
    span.lanes.template reduce<Sum>(sum);
    if (labelled && label > masked()) {
      const float g = rule.label_gradient(at_label_class(), mean);
      sum[0] += g;
      sum[1] += g * standardised.z(label);
    }
    return Pullback(standardised, sum[0], sum[1]);
  }

  // Writes the gradient. Returns D over the classes besides the label, unless the rule is centred, whose D
  // comes with the mean.
  template <class Rule, class Span, class Apply>
  DEVICE float write(const Rule& rule, Span& span, float mean, Apply pullback) const {
    const float of_label =
        labelled && factors.kd != 0.0f ? pullback(rule.label_gradient(at_label_class(), mean), label) : 0.0f;
    const float at_y = label_total(of_label);
    const float ce_scale = factors.ce * unit.scale;
    float value[1] = {};
    span.last([&](const auto& chunk) {
      float g[chunk.SIZE] = {};
#pragma unroll
      for (int i = 0; i < chunk.SIZE; ++i) {
        const float s = chunk.s[i];
        const AtClass c = at_class(s, chunk.t[i]);
        if constexpr (!Rule::CENTRED) value[0] += rule.value(c);
        // Forward KL's q − p is a number whatever the factor is.
        if (ANY && factors.kd == 0.0f) continue;
        // A weight of 0 leaves +0.
        g[i] = factors.kd * pullback(rule.gradient(c, mean), s) + 0.0f;
      }
      if (factors.ce != 0.0f) {
#pragma unroll
        for (int i = 0; i < chunk.SIZE; ++i) g[i] += ce_scale * Softmax::exp(chunk.s[i] - unit.shift, unit.rate);
      }
      if (span.has_gradient()) store(span, chunk, g, at_y);
    });
    if constexpr (!Rule::CENTRED) {
      span.lanes.template load_partials<Sum>(value);
      span.lanes.template reduce<Sum>(value);
    }
    return value[0];
  }
};
