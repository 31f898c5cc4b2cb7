// The second sweep: every sum over the classes besides the label that the softmaxes and the scores
// at τ = 1 are made of.
#pragma once
#include "row/softmax.cuh"

// Over c ≠ y, with x = z − shift: Σ e¹ˣ, Σ x e¹ˣ, Σ (e¹ˣ)², and Σ e^{k x} at the row's temperature.
struct SideSums {
  float ones, weighted, squares, tempered;
};
struct Sums {
  SideSums student, teacher;
  // Σ e^{k x} (x − x_s), of the teacher's x; asked for where both have one k.
  float contrast;
};

// Only `full` asks for the teacher's ones, and for weighted and squares.
template <class Span>
DEVICE Sums sums(Span& span, const Extremes& extremes, const float (&k)[2], const Raise& raise, bool full) {
  const float shift_s = extremes.student.shift(), shift_t = extremes.teacher.shift();
  const float log2_s = k[0] * LOG2_E, log2_t = k[1] * LOG2_E;
  float n[8] = {};
  span.each([&](const auto& c) {
    float x_s[c.SIZE], x_t[c.SIZE], e_s[c.SIZE], e_t[c.SIZE], ones[c.SIZE];
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      x_s[i] = c.s[i] - shift_s;
      e_s[i] = Softmax::power(x_s[i], log2_s);
      x_s[i] = masked_as_lowest(x_s[i]);
      n[3] += e_s[i];
    }
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      x_t[i] = c.t[i] - shift_t;
      e_t[i] = Softmax::power(x_t[i], log2_t);
      x_t[i] = masked_as_lowest(x_t[i]);
      n[6] += e_t[i];
      n[7] += e_t[i] * (x_t[i] - x_s[i]);
    }
    raise(e_s, ones, [&](int i) { return power_of_e(x_s[i]); });
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) n[0] += ones[i];
    if (!full) return;
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      n[1] += ones[i] * x_s[i];
      n[2] += ones[i] * ones[i];
    }
    raise(e_t, ones, [&](int i) { return power_of_e(x_t[i]); });
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      n[4] += ones[i];
      n[5] += ones[i] * x_t[i];
    }
  });
  span.lanes.template recall<Sum>(n);
  span.lanes.template reduce<Sum>(n);
  return {{n[0], n[1], n[2], n[3]}, {n[4], n[5], 0.0f, n[6]}, n[7]};
}

// The target's others after an exchange, summed at inverse temperature k.
template <class Span>
DEVICE float shifted_sum(Span& span, float k, float shift) {
  float n[1] = {};
  span.each([&](const auto& c) {
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) n[0] += Softmax::power(c.t[i] - shift, k * LOG2_E);
  });
  span.lanes.template reduce<Sum>(n);
  return n[0];
}

// −log softmax(z)_y, 0 without a label. A subtraction, because a negation would give −0 at p = 1.
DEVICE float negative_log(const Softmax& softmax, const Side& side) {
  return side.labelled ? 0.0f - softmax.y.log_p : 0.0f;
}

// The record's scores at τ = 1; all 0 unless the record is to be `full`.
DEVICE Scores scores(const Extremes& extremes, const Softmax& student, const Sums& sums, bool has_margin,
                     bool full) {
  if (!full) return {};
  const Side &of_s = extremes.student, &of_t = extremes.teacher;
  const Softmax teacher(1.0f, of_t.shift(), sums.teacher.ones, of_t.labelled, of_t.label);
  const float squares = sums.student.squares * student.scale * student.scale;
  Scores scores;
  scores.teacher_confidence = teacher.confidence();
  scores.teacher_ce = negative_log(teacher, of_t);
  scores.teacher_entropy = teacher.entropy(sums.teacher.weighted);
  scores.teacher_margin = has_margin ? teacher.margin() : 0.0f;
  scores.student_confidence = student.confidence();
  scores.student_entropy = student.entropy(sums.student.weighted);
  // 0 where both are masked.
  scores.student_logit_margin = has_margin && of_s.label != of_s.max ? of_s.label - of_s.max : 0.0f;
  // From the classes besides the label alone: 1 − q1_y would cancel.
  scores.el2n = of_s.labelled ? sqrtf(squares + student.y.rest * student.y.rest) : 0.0f;
  return scores;
}
