// The last sweeps: the divergence's value and the row's gradient, for any rule.
#pragma once
#include "row/divergence.cuh"
#include "row/standardise.cuh"

// Student and revised target of one row, and what the gradient is multiplied by; a part whose factor
// is 0 is not evaluated.
template <bool ANY>
struct Gradient {
  Softmax student;
  Target<ANY> target;
  // q1, the student's softmax at τ = 1.
  Softmax raw;
  // The student's logit at the label.
  bool labelled;
  float label;
  bool standard;
  Standardised standardised;
  float kd, ce;

  // The same over the classes besides the label, renormalised.
  DEVICE Gradient without_label(unsigned unmasked) const {
    Gradient rest = *this;
    rest.student = student.without_label();
    rest.target = target.without_label(unmasked);
    return rest;
  }

  DEVICE At at(float s, float t) const {
    return {s, t, student.p(s), student.log_p(s), target.p(t), target.log_p(t)};
  }
  DEVICE At at_label() const {
    return {label, target.label_logit, student.y.p, student.y.log_p, target.label.p, target.label.log_p};
  }

  // Writes the gradient, where there is room for it; returns D without its factor.
  template <class Rule, class Span>
  DEVICE float run(const Rule& rule, Span& span) const {
    // First what the label's class adds, so that nothing has to hold the classes through the sweeps.
    const float of_label = labelled ? rule.label_value(at_label()) : 0.0f;
    float value = 0.0f, mean = 0.0f;
    if constexpr (Rule::CENTRED) {
      float sum[2] = {};
      value_and_mean(rule, span, sum);
      value = sum[0];
      mean = sum[1];
      if (labelled && student.y.p != 0.0f) mean += student.y.p * rule.pull(at_label());
      if (standard && span.has_gradient()) {
        const Pullback pullback = pull_back(rule, span, mean);
        write(rule, span, mean, [&](float g, float s) { return pullback.apply(g, s); });
      } else if (span.has_gradient()) {
        write(rule, span, mean, [](float g, float) { return g; });
      }
    } else {
      value = write(rule, span, mean, [](float g, float) { return g; });
    }
    return value + of_label;
  }

  // The gradient at the label's class, from the divergence's there; a factor of 0 leaves +0.
  DEVICE float at_label_with_ce(float of_divergence) const {
    if (!labelled) return 0.0f;
    return (kd == 0.0f ? 0.0f : kd * of_divergence) - ce * raw.y.rest;
  }

  // A chunk of the gradient; the label's class lies in one lane's.
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
        const At c = at(chunk.s[i], chunk.t[i]);
        sum[0] += rule.value(c);
        if (c.q != 0.0f) sum[1] += c.q * rule.pull(c);
      }
    });
    span.lanes.template reduce<Sum>(sum);
  }

  // The gradient of standardised logits needs two sums over it before it can be written.
  template <class Rule, class Span>
  DEVICE Pullback pull_back(const Rule& rule, Span& span, float mean) const {
    float sum[2] = {};
    span.each([&](const auto& chunk) {
#pragma unroll
      for (int i = 0; i < chunk.SIZE; ++i) {
        if (chunk.s[i] == masked()) continue;
        const float g = rule.gradient(at(chunk.s[i], chunk.t[i]), mean);
        sum[0] += g;
        sum[1] += g * standardised.z(chunk.s[i]);
      }
    });
    span.lanes.template reduce<Sum>(sum);
    if (labelled && label > masked()) {
      const float g = rule.label_gradient(at_label(), mean);
      sum[0] += g;
      sum[1] += g * standardised.z(label);
    }
    return Pullback(standardised, sum[0], sum[1]);
  }

  // Returns D over the classes besides the label, where that takes no sweep of its own.
  template <class Rule, class Span, class Pull>
  DEVICE float write(const Rule& rule, Span& span, float mean, Pull pull) const {
    const float of_label = labelled && kd != 0.0f ? pull(rule.label_gradient(at_label(), mean), label) : 0.0f;
    const float at_y = at_label_with_ce(of_label);
    const float ce_scale = ce * raw.scale;
    float value[1] = {};
    span.last([&](const auto& chunk) {
      float g[chunk.SIZE] = {};
#pragma unroll
      for (int i = 0; i < chunk.SIZE; ++i) {
        const float s = chunk.s[i];
        const At c = at(s, chunk.t[i]);
        if constexpr (!Rule::CENTRED) value[0] += rule.value(c);
        // Forward KL's q − p is a number whatever the factor is.
        if (ANY && kd == 0.0f) continue;
        // A weight of 0 leaves +0.
        g[i] = kd * pull(rule.gradient(c, mean), s) + 0.0f;
      }
      if (ce != 0.0f) {
#pragma unroll
        for (int i = 0; i < chunk.SIZE; ++i) g[i] += ce_scale * raw.power(chunk.s[i] - raw.shift, raw.k_log2);
      }
      if (span.has_gradient()) store(span, chunk, g, at_y);
    });
    if constexpr (!Rule::CENTRED) {
      span.lanes.template recall<Sum>(value);
      span.lanes.template reduce<Sum>(value);
    }
    return value[0];
  }
};
