// The few functions that the row program needs besides arithmetic.
#pragma once
#include "machine/device.cuh"

constexpr float LOG2_E = 1.44269504f;

// eˣ; 0 below the smallest normal number, so that a masked class (x = −∞) has probability 0.
DEVICE float exp_approximate(float x) { return exp2_approximate(x * LOG2_E); }

// The larger one; b where a is NaN.
DEVICE float max_of(float a, float b) { return a > b ? a : b; }

// Turns −∞ and NaN into a low number, whose product with 0 is 0.
DEVICE float clamp_to_lowest(float x) { return max_of(x, -3.0e38f); }

// One term of KL(a‖b) = Σ a φ(log a − log b) with φ(δ) = e^{−δ} − 1 + δ ≥ 0: never negative, and
// right where a ≈ b. a = 0 leaves b. Where a logarithm is −∞, δ is still a number, because 0·∞ is NaN.
// Beyond |δ| = ¼ the difference has lost no more than 3 bits; within it the series up to δ⁶ is good to 4e-7.
DEVICE float kl_term(float a, float log_a, float b, float log_b) {
  const float d = min_number(clamp_to_lowest(log_a - log_b), 3.0e38f);
  float series = 1.0f / 120 - d * (1.0f / 720);
  series = 1.0f / 24 - d * series;
  series = 1.0f / 6 - d * series;
  series = 0.5f - d * series;
  const float linear = a * d;
  return fabsf(d) < 0.25f ? linear * (d * series) : linear + (b - a);
}

// factor · value. A value whose factor is 0 is not evaluated: no 0·∞.
DEVICE float times(float factor, float value) { return factor == 0.0f ? 0.0f : factor * value; }
