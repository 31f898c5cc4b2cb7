// A row's softmax, with the label's class kept apart from the others.
#pragma once
#include "row/extremes.cuh"

// The probability of one class and of all the others together, and their logarithms.
struct Class {
  float p, log_p, rest, log_rest;
};

// What makes exp(x) of exp(x/τ): squaring it where τ is 1, 2 or 4, because GPUs have few units for
// exponentials.
struct Raise {
  static constexpr unsigned APART = 3;
  unsigned squarings;

  // Logits that are standardised have no τ in common.
  DEVICE Raise(float tau, bool standard)
      : squarings(standard ? APART : tau == 1.0f ? 0 : tau == 2.0f ? 1 : tau == 4.0f ? 2 : APART) {}

  // Several at a time, because a branch costs as much as a product.
  template <int N, class Power>
  DEVICE void operator()(const float (&e)[N], float (&raised)[N], Power power) const {
    if (squarings == 2) {
#pragma unroll
      for (int i = 0; i < N; ++i) raised[i] = (e[i] * e[i]) * (e[i] * e[i]);
    } else if (squarings == APART) {
#pragma unroll
      for (int i = 0; i < N; ++i) raised[i] = power(i);
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i) raised[i] = squarings == 1 ? e[i] * e[i] : e[i];
    }
  }
};

// softmax(k·z) of one row. The other classes' exponentials are relative to their own maximum
// (`shift`), so they never vanish beside a label that is far ahead.
struct Softmax {
  float shift;
  // The inverse temperature, and the same for powers of 2.
  float k, k_log2;
  // S' = Σ_{c≠y} exp(k (z_c − shift)).
  float others;
  // What turns exp(k (z_c − shift)) into a probability, and k (z_c − shift) into its logarithm.
  float scale, log_norm;
  Class y;

  DEVICE Softmax(float k, float shift, float others, bool labelled, float label)
      : shift(shift), k(k), k_log2(k * LOG2_E), others(others) {
    const float log_others = logf(others);
    if (!labelled) {
      scale = reciprocal(others);
      log_norm = log_others;
      y = {0.0f, masked(), 1.0f, 0.0f};
      return;
    }
    if (others == 0.0f) {
      scale = log_norm = 0.0f;
      y = {1.0f, 0.0f, 0.0f, masked()};
      return;
    }
    // p_y = σ(u), and log σ(±u) = −softplus(∓u).
    const float u = (label - shift) * k - log_others;
    const float e = expf(-fabsf(u)), more = log1pf(e), larger = reciprocal(1.0f + e);
    const float smaller = e * larger;
    y.p = u > 0.0f ? larger : smaller;
    y.rest = u > 0.0f ? smaller : larger;
    y.log_p = -(greater(-u, 0.0f) + more);
    y.log_rest = -(greater(u, 0.0f) + more);
    scale = y.rest * reciprocal(others);
    log_norm = log_others + greater(u, 0.0f) + more;
  }

  // The same without the label's class, renormalised; all 0 where there is no other class.
  DEVICE Softmax without_label() const {
    Softmax rest = *this;
    rest.scale = others > 0.0f ? reciprocal(others) : 0.0f;
    rest.log_norm = logf(others);
    return rest;
  }

  // exp(k (z − shift)).
  static DEVICE float power(float below_shift, float k_log2) { return exp2_approximate(below_shift * k_log2); }

  // The probability, and its logarithm, at a class besides the label whose logit is z.
  DEVICE float p(float z) const { return power(z - shift, k_log2) * scale; }
  DEVICE float log_p(float z) const { return (z - shift) * k - log_norm; }

  // p_y − max_{c≠y} p_c, and the largest probability: exp(k (max_{c≠y} − shift)) = 1.
  DEVICE float margin() const { return y.p - scale; }
  DEVICE float confidence() const { return greater(scale, y.p); }

  // The entropy, from Σ_{c≠y} e_c x_c with x_c = k (z_c − shift) and e_c = exp(x_c).
  DEVICE float entropy(float weighted) const {
    const float of_label = y.p > 0.0f ? y.p * y.log_p : 0.0f;
    return log_norm * y.rest - scale * weighted - of_label;
  }
};
