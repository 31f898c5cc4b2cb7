// The scores at τ = 1 on the raw logits: cross-entropies, confidences, entropies, margins, EL2N.
#pragma once
#include "row/sums.cuh"

// −log softmax(z)_y, 0 without a label. A subtraction, because a negation would give −0 at p = 1.
DEVICE float negative_log(const Softmax& softmax, const Side& side) {
  return side.labelled ? 0.0f - softmax.y.log_p : 0.0f;
}

// The record's scores, from the student's softmax at τ = 1; all 0 unless the record is to be `full`.
DEVICE Scores scores(const Extremes& extremes, const Softmax& student, const Sums& sums, bool has_margin,
                     bool full) {
  if (!full) return {};
  const Side &of_s = extremes.student, &of_t = extremes.teacher;
  const Softmax teacher(1.0f, of_t.shift(), sums.unit[1], of_t.labelled, of_t.label);
  const float squares = sums.squares * student.scale * student.scale;
  Scores scores;
  scores.teacher_confidence = teacher.confidence();
  scores.teacher_ce = negative_log(teacher, of_t);
  scores.teacher_entropy = teacher.entropy(sums.weighted[1]);
  scores.teacher_margin = has_margin ? teacher.margin() : 0.0f;
  scores.student_confidence = student.confidence();
  scores.student_entropy = student.entropy(sums.weighted[0]);
  // 0 where both are masked.
  scores.student_logit_margin = has_margin && of_s.label != of_s.max ? of_s.label - of_s.max : 0.0f;
  // From the classes besides the label alone: 1 − q1_y would cancel.
  scores.el2n = of_s.labelled ? sqrtf(squares + student.y.rest * student.y.rest) : 0.0f;
  return scores;
}
