// Forward KL of rows whose student and target do not nearly agree: D comes with the sums of the second
// sweep, and the gradient is a sum of exponentials.
#pragma once
#include "row/gradient.cuh"
#include "row/sums.cuh"

// Where the textbook's sum Σ p' (log p' − log q) is less than this part of its terms, more than 4 bits
// cancel, and kl_term has to be summed in a sweep of its own.
constexpr float CANCELS_BELOW = 1.0f / 16;

// D = Σ p' (log p' − log q) as textbooks write it, from Σ e_t (d_t − d_s).
struct TextbookKl {
  float value;
  // Whether the terms are finite, and do not cancel.
  bool exact;

  DEVICE TextbookKl(const Softmax& q, const Target<false>& target, float contrast) {
    const LabelShare& p = target.label;
    const float of_classes = target.softmax.scale * contrast * q.k;
    const float of_constant = p.rest * (q.log_norm - target.softmax.log_norm);
    const float of_label = p.p > 0.0f ? p.p * (p.log_p - q.y.log_p) : 0.0f;
    value = of_classes + of_constant + of_label;
    const float size = fabsf(of_classes) + fabsf(of_constant) + fabsf(of_label);
    exact = size < infinity() && value > max_of(size, 1.0f) * CANCELS_BELOW;
  }
};

// What the gradient of a class besides the label is made with: g_c = student·e_s + teacher·e_t + unit·e1.
struct GradientFactors {
  float student, teacher, unit;

  DEVICE explicit GradientFactors(const Gradient<false>& gradient)
      : student(gradient.factors.kd * gradient.student.scale),
        teacher(-gradient.factors.kd * gradient.target.softmax.scale),
        unit(gradient.factors.ce * gradient.unit.scale) {}
};

// Writes the gradient, one exponential for each of student and teacher; e1 comes from e_s, or takes a third.
template <class Span>
DEVICE void write_forward_kl(const Gradient<false>& gradient, const UnitExp& unit_exp, Span& span) {
  const Softmax &q = gradient.student, &p = gradient.target.softmax;
  const GradientFactors factors(gradient);
  // Opaque, so that the sums' exponentials do not stay in registers until here.
  float shift_s = q.shift;
  opaque(shift_s);
  const float at_y = gradient.label_total(q.y.p - gradient.target.label.p);
  span.last([&](const auto& chunk) {
    float g[chunk.SIZE], d[chunk.SIZE], e[chunk.SIZE], unit[chunk.SIZE];
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) {
      d[i] = chunk.s[i] - shift_s;
      e[i] = Softmax::exp(d[i], q.rate);
      g[i] = factors.student * e[i] + factors.teacher * Softmax::exp(chunk.t[i] - p.shift, p.rate);
    }
    unit_exp.of(e, unit, [&](int i) { return exp_approximate(d[i]); });
#pragma unroll
    for (int i = 0; i < chunk.SIZE; ++i) g[i] += factors.unit * unit[i];
    gradient.store(span, chunk, g, at_y);
  });
}
