// Masks: which classes student and teacher mask, and what that makes of a divergence. Decided on logits,
// never on probabilities that underflowed.
#pragma once
#include "span/span.cuh"

// Whether only one of the two rows masks some class besides y. Forward KL does not need the teacher's.
struct OnlyMasked {
  bool student, teacher;
};

// Which classes are masked after revision.
struct Masks {
  // Whether the label's class, and any other, is unmasked in the student and in the target.
  bool s_y, p_y, s_others, p_others;
  // Whether there are other classes that only one of the two masks.
  bool student_only, target_only;

  // Whether D = +∞.
  DEVICE bool infinite(unsigned divergence, float alpha, float beta) const {
    switch (divergence) {
      case FORWARD_KL: return student_only || (p_y && !s_y);
      case REVERSE_KL: return target_only || (s_y && !p_y);
      case MSE_LOGITS: return student_only || target_only || p_y != s_y;
      case DECOUPLED: {
        const bool label = (p_y && !s_y) || (p_others && !s_others);
        return (alpha != 0.0f && label) || (beta != 0.0f && s_others && student_only);
      }
      default: return false;
    }
  }
};

// Counts the classes besides y that each row does not mask.
template <class Span>
DEVICE void count_unmasked(Span& span, unsigned (&n)[2]) {
  n[0] = n[1] = 0;
  span.each([&](const auto& c) {
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      n[0] += c.s[i] > masked();
      n[1] += c.t[i] > masked();
    }
  });
  span.lanes.template reduce<Sum>(n);
}
