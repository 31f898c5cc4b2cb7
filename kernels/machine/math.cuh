// The few functions that the row program needs beside arithmetic.
#pragma once
#include "machine/device.cuh"

constexpr float LOG2_E = 1.44269504f;

// eˣ; 0 below the smallest normal number, so that a masked class (x = −∞) has probability 0.
DEVICE float power_of_e(float x) { return exp2_approximate(x * LOG2_E); }

DEVICE float greater(float a, float b) { return a > b ? a : b; }

// −∞ and NaN become a low number, whose product with 0 is 0.
DEVICE float masked_as_lowest(float x) { return greater(x, -3.0e38f); }

// One term of KL(a‖b) = Σ a φ(log a − log b) with φ(δ) = e^{−δ} − 1 + δ ≥ 0: never negative, and
// right where a ≈ b. a = 0 leaves b; where a logarithm is −∞, δ is a number still, because 0·∞ is none.
// Beyond |δ| = ¼ the difference has lost no more than 3 bits; within it the series up to δ⁶ is good to 4e-7.
DEVICE float kl_term(float a, float log_a, float b, float log_b) {
  const float d = min_number(masked_as_lowest(log_a - log_b), 3.0e38f);
  float series = 1.0f / 120 - d * (1.0f / 720);
  series = 1.0f / 24 - d * series;
  series = 1.0f / 6 - d * series;
  series = 0.5f - d * series;
  const float moved = a * d;
  return fabsf(d) < 0.25f ? moved * (d * series) : moved + (b - a);
}

// factor · value, where a factor of 0 means that the value is not evaluated: no 0·∞.
DEVICE float times(float factor, float value) { return factor == 0.0f ? 0.0f : factor * value; }
