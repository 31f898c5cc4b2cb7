// Revise: the teacher's tempered softmax becomes the target p'.
#pragma once
#include "row/softmax.cuh"

// The target of one row, as a function of a class's logit. Probability shift exchanges two logits, which
// the span has done before: here it is no revision.
template <bool ANY>
struct Target {
  // Of the classes besides the label, β of label revision included.
  Softmax softmax;
  // The label's class and all others together, in p'.
  LabelShare label;
  // The label's logit in the target; −∞ where there is none.
  float label_logit;
  // β of label revision, 1 elsewhere.
  float beta;
  // Label smoothing: the probability of an unmasked class besides the label, and its logarithm; else 0.
  float smoothed, log_smoothed;

  DEVICE Target(const Softmax& softmax, float label_logit, bool wrong, unsigned revision,
                float parameter, unsigned unmasked)
      : softmax(softmax), label(softmax.y), label_logit(label_logit), beta(1.0f),
        smoothed(0.0f), log_smoothed(0.0f) {
    if (wrong && revision == LABEL_REVISION) {
      // p' = β p + (1−β) e_y, β = η / (p_max − p_y + 1).
      const LabelShare y = softmax.y;
      beta = parameter * reciprocal(softmax.confidence() - y.p + 1.0f);
      const float log_beta = logf(beta);
      label.p = beta * y.p + (1.0f - beta);
      label.log_p = logf(label.p);
      label.rest = beta * y.rest;
      label.log_rest = log_beta + y.log_rest;
      this->softmax.scale *= beta;
      this->softmax.log_norm -= log_beta;
    } else if (ANY && wrong && revision == LABEL_SMOOTHING) {
      // 1−ε at the label, ε/n at each of the n other classes that are not masked.
      label = {1.0f - parameter, log1pf(-parameter), parameter, logf(parameter)};
      smooth(parameter / static_cast<float>(unmasked));
    }
  }

  DEVICE void smooth(float p) {
    smoothed = p;
    log_smoothed = logf(p);
  }

  // The target without the label's class, renormalised: label revision and probability shift leave
  // it as it is, label smoothing makes it uniform.
  DEVICE Target without_label(unsigned unmasked) const {
    Target rest = *this;
    rest.softmax = softmax.without_label();
    if (smoothed > 0.0f) rest.smooth(1.0f / static_cast<float>(unmasked));
    return rest;
  }

  // p', and its logarithm, at a class besides the label whose target logit is t.
  DEVICE float p(float t) const {
    if (ANY && smoothed > 0.0f) return t > masked() ? smoothed : 0.0f;
    return softmax.p(t);
  }
  DEVICE float log_p(float t) const {
    if (ANY && smoothed > 0.0f) return t > masked() ? log_smoothed : masked();
    return softmax.log_p(t);
  }
};

// After the exchange of two logits: the target's maximum over c ≠ y, and once more whether only one row
// masks some class.
template <bool ANY, class Span>
DEVICE float exchanged_extremes(Span& span, OnlyMasked& only) {
  float max[1] = {masked()};
  unsigned only_masked[2] = {};
  span.each([&](const auto& c) {
    max[0] = max_or_nan(max[0], c.t.max());
    c.s.note_only_masked(c.t, only_masked[0]);
    if (ANY) c.t.note_only_masked(c.s, only_masked[1]);
  });
  span.lanes.template reduce<MaxOrNan>(max);
  using E = typename Span::Rows::Element;
  unsigned found[2] = {!E::has_masked(only_masked[0]), !E::has_masked(only_masked[1])};
  span.lanes.template reduce<Min>(found);
  only = {found[0] == 0, found[1] == 0};
  return max[0];
}

// S' of the target after the exchange, at the inverse temperature k.
template <class Span>
DEVICE float exchanged_sum(Span& span, float k, float shift) {
  float n[1] = {};
  span.each([&](const auto& c) {
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) n[0] += Softmax::exp(c.t[i] - shift, k * LOG2_E);
  });
  span.lanes.template reduce<Sum>(n);
  return n[0];
}
