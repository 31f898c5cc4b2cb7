// A row's softmax, with the label's class kept apart from the others.
#pragma once
#include "row/extremes.cuh"

// The probability of the label's class and of all others together, and their logarithms.
struct LabelShare {
  float p, log_p, rest, log_rest;
};

// softmax(k·z) of one row. The other classes' exponentials are relative to their own maximum
// (`shift`), so they never vanish beside a label that is far ahead.
struct Softmax {
  float shift;
  // The inverse temperature; `rate` is k · log₂ e, for powers of 2.
  float k, rate;
  // S' = Σ_{c≠y} exp(k (z_c − shift)).
  float others;
  // What turns exp(k (z_c − shift)) into a probability, and k (z_c − shift) into its logarithm.
  float scale, log_norm;
  // The label's class; probability 0 where there is no label.
  LabelShare y;

  DEVICE Softmax(float k, float shift, float others, bool labelled, float label)
      : shift(shift), k(k), rate(k * LOG2_E), others(others) {
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
    y.log_p = -(max_of(-u, 0.0f) + more);
    y.log_rest = -(max_of(u, 0.0f) + more);
    scale = y.rest * reciprocal(others);
    log_norm = log_others + max_of(u, 0.0f) + more;
  }

  // The softmax of the classes besides the label alone; all 0 where there is no other class.
  DEVICE Softmax without_label() const {
    Softmax rest = *this;
    rest.scale = others > 0.0f ? reciprocal(others) : 0.0f;
    rest.log_norm = logf(others);
    return rest;
  }

  // exp(k d) of a logit less the shift.
  static DEVICE float exp(float d, float rate) { return exp2_approximate(d * rate); }

  // The probability, and its logarithm, at a class besides the label whose logit is z.
  DEVICE float p(float z) const { return exp(z - shift, rate) * scale; }
  DEVICE float log_p(float z) const { return (z - shift) * k - log_norm; }

  // p_y − max_{c≠y} p_c, and the largest probability: exp(k (max_{c≠y} − shift)) = 1.
  DEVICE float margin() const { return y.p - scale; }
  DEVICE float confidence() const { return max_of(scale, y.p); }

  // The entropy, from Σ_{c≠y} e_c x_c with x_c = k (z_c − shift) and e_c = exp(x_c).
  DEVICE float entropy(float weighted) const {
    const float of_label = y.p > 0.0f ? y.p * y.log_p : 0.0f;
    return log_norm * y.rest - scale * weighted - of_label;
  }
};
