// Logit standardisation: z = (x−μ)/(σ + 1e-7) over a row's unmasked classes.
#pragma once
#include "row/extremes.cuh"

// What keeps a constant row from a division by 0.
constexpr float EPSILON = 1e-7f;

// A row's mean and spread. A softmax needs only the spread; the mean cancels.
struct Standardised {
  // The row's largest logit, the mean less that, σ, and the number of unmasked classes.
  float maximum, mean, sigma, n;
  // 1/(σ + 1e-7), or 1 where there are fewer than two classes to spread.
  float inverse;

  // z of a class; 0 where the class is masked.
  DEVICE float z(float x) const { return x > masked() ? (x - maximum - mean) * inverse : 0.0f; }
};

// Mean and spread of both rows; `n` counts each row's unmasked classes, the label's included. The maximum
// is taken away first, and the variance is that of the centred values.
template <class Span>
DEVICE void standardise(Span& span, const Extremes& extremes, const float (&n)[2], Standardised (&out)[2]) {
  const float max[2] = {extremes.student.maximum(), extremes.teacher.maximum()};
  const float label[2] = {extremes.student.label, extremes.teacher.label};
  float mean[2] = {};
  auto below_max = [](float x, float max) { return x > masked() ? x - max : 0.0f; };
  span.each([&](const auto& c) {
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      mean[0] += below_max(c.s[i], max[0]);
      mean[1] += below_max(c.t[i], max[1]);
    }
  });
  span.lanes.template reduce<Sum>(mean);
#pragma unroll
  for (int r = 0; r < 2; ++r) mean[r] = (mean[r] + below_max(label[r], max[r])) / n[r];
  auto square = [](float x, float max, float mean) {
    const float centred = x - max - mean;
    return x > masked() ? centred * centred : 0.0f;
  };
  float squares[2] = {};
  span.each([&](const auto& c) {
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      squares[0] += square(c.s[i], max[0], mean[0]);
      squares[1] += square(c.t[i], max[1], mean[1]);
    }
  });
  span.lanes.template reduce<Sum>(squares);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const bool has_spread = n[r] >= 2.0f;
    const float sum = squares[r] + square(label[r], max[r], mean[r]);
    const float sigma = has_spread ? sqrtf(sum / (n[r] - 1.0f)) : 0.0f;
    out[r] = {max[r], mean[r], sigma, n[r], has_spread ? 1.0f / (sigma + EPSILON) : 1.0f};
  }
}

// The chain rule through mean and spread, from Σ_k G_k and Σ_k G_k z_k over the unmasked classes:
// ∂D/∂s_c = [G_c − mean G − z_c (Σ_k G_k z_k)(σ+1e-7)/((n−1)σ)]/(σ+1e-7).
struct Pullback {
  Standardised row;
  float mean_g, variance_term;

  DEVICE Pullback(const Standardised& row, float sum_g, float sum_gz) : row(row), mean_g(sum_g / row.n) {
    const float spread = (row.n - 1.0f) * row.sigma;
    variance_term = row.sigma > 0.0f ? sum_gz * (row.sigma + EPSILON) / spread : 0.0f;
  }
  // 0 where the class is masked or is the only one.
  DEVICE float apply(float g, float s) const {
    if (row.n < 2.0f || s == masked()) return 0.0f;
    return (g - mean_g - row.z(s) * variance_term) * row.inverse;
  }
};
