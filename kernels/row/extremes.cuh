// The first sweep: what has to be known of a pair of rows before any temperature. Maxima and arg-maxima,
// with the label's class kept apart, and whether only one row masks some class.
#pragma once
#include "row/masks.cuh"

constexpr unsigned NO_TOP = 0xffffffffu;

// The logits of a row's student, or of its teacher.
struct Side {
  bool labelled;
  // The label's logit; −∞ without a label.
  float label;
  // The maximum over c ≠ y.
  float max;
  // The arg-max over all classes, the lowest index winning ties.
  unsigned top;
  // NaN, +∞, or −∞ throughout.
  bool nonfinite;

  DEVICE float maximum() const { return max_of(max, label); }
  // The maximum over c ≠ y, or the label's own logit where all others are masked.
  DEVICE float shift() const { return max == masked() && labelled ? label : max; }
};

struct Extremes {
  Side student, teacher;
  OnlyMasked only;
};

DEVICE Side side(float max, unsigned top, bool labelled, float label, unsigned y) {
  Side side{labelled, labelled ? label : masked(), max, top, false};
  if (labelled && (label > max || (label == max && y < top))) side.top = y;
  const bool below_infinity = max < infinity() && (!labelled || label < infinity());
  side.nonfinite = !below_infinity || side.maximum() == masked();
  return side;
}

template <bool ANY, class Span>
DEVICE Extremes extremes(Span& span, bool labelled) {
  // Read before the first reduction: after it another lane may write the gradient over the logits.
  const int y = span.y;
  const float s_y = labelled ? span.student_at(y) : masked();
  const float t_y = labelled ? span.teacher_at(y) : masked();
  float max[2] = {masked(), masked()};
  int first[2] = {0, 0};
  unsigned only_masked[2] = {};
  span.each([&](const auto& c) {
    const float s = c.s.max(), t = c.t.max();
    c.s.note_only_masked(c.t, only_masked[0]);
    if (ANY) c.t.note_only_masked(c.s, only_masked[1]);
    if (s > max[0]) first[0] = c.first;
    if (t > max[1]) first[1] = c.first;
    max[0] = max_or_nan(max[0], s);
    max[1] = max_or_nan(max[1], t);
  });
  span.lanes.template load_partials<MaxOrNan>(max);
  const float own[2] = {max[0], max[1]};
  span.lanes.template reduce<MaxOrNan>(max);
  // A lane that has the maximum looks for its first place.
  using E = typename Span::Rows::Element;
  unsigned found[4] = {NO_TOP, NO_TOP, !E::has_masked(only_masked[0]), !E::has_masked(only_masked[1])};
  if (own[0] == max[0] && max[0] > masked()) {
    span.revisit(first[0], [&](const auto& c) {
#pragma unroll
      for (int i = c.SIZE - 1; i >= 0; --i) {
        if (c.s[i] == max[0]) found[0] = c.first + i;
      }
    });
  }
  if (own[1] == max[1] && max[1] > masked()) {
    span.revisit(first[1], [&](const auto& c) {
#pragma unroll
      for (int i = c.SIZE - 1; i >= 0; --i) {
        if (c.t[i] == max[1]) found[1] = c.first + i;
      }
    });
  }
  span.lanes.template load_partials<Min>(found);
  // A part's top is the row's only if its maximum is.
  if (own[0] != max[0]) found[0] = NO_TOP;
  if (own[1] != max[1]) found[1] = NO_TOP;
  span.lanes.template reduce<Min>(found);
  return {side(max[0], found[0], labelled, s_y, y), side(max[1], found[1], labelled, t_y, y),
          OnlyMasked{found[2] == 0, found[3] == 0}};
}
