// Forward KL the short way, for rows whose student and target do not nearly agree: D comes with the
// sums of the second sweep, and the gradient is a sum of exponentials.
#pragma once
#include "row/gradient.cuh"
#include "row/scores.cuh"

// D = Σ p' (log p' − log q) as it stands in textbooks, from Σ e_t (x_t − x_s).
struct Textbook {
  float value;
  // Whether the terms are finite, and do not cancel.
  bool exact;

  DEVICE Textbook(const Softmax& q, const Target<false>& target, float contrast) {
    const Class& p = target.label;
    const float of_classes = target.softmax.scale * contrast * q.k;
    const float of_constant = p.rest * (q.log_norm - target.softmax.log_norm);
    const float of_label = p.p > 0.0f ? p.p * (p.log_p - q.y.log_p) : 0.0f;
    value = of_classes + of_constant + of_label;
    const float size = fabsf(of_classes) + fabsf(of_constant) + fabsf(of_label);
    // Less than 4 bits are lost; otherwise kl_term's sum has a sweep of its own.
    exact = size < infinity() && value > greater(size, 1.0f) * (1.0f / 16);
  }
};

// Writes g_c = a e_s + b e_t + c e¹, one exponential each.
template <class Span>
DEVICE void blend(const Gradient<false>& gradient, const Raise& raise, Span& span) {
  const Softmax &q = gradient.student, &p = gradient.target.softmax, &raw = gradient.raw;
  const float a = gradient.kd * q.scale, b = -gradient.kd * p.scale, c = gradient.ce * raw.scale;
  // The sums' exponentials are not kept in registers until here.
  float shift_s = q.shift;
  keep(shift_s);
  const float at_y = gradient.at_label_with_ce(q.y.p - gradient.target.label.p);
  span.last([&](const auto& chunk) {
    float g[chunk.SIZE], x[chunk.SIZE], e[chunk.SIZE], ones[chunk.SIZE];
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) {
      x[i] = chunk.s[i] - shift_s;
      e[i] = Softmax::power(x[i], q.k_log2);
      g[i] = a * e[i] + b * Softmax::power(chunk.t[i] - p.shift, p.k_log2);
    }
    raise(e, ones, [&](int i) { return power_of_e(x[i]); });
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) g[i] += c * ones[i];
    gradient.store(span, chunk, g, at_y);
  });
}
