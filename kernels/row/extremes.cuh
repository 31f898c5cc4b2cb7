// The first sweep: maxima, arg-maxima and masks of a pair of rows, with the label's class kept apart.
// All of it on logits, before any temperature.
#pragma once
#include "span/span.cuh"

constexpr unsigned NO_TOP = 0xffffffffu;

// One row of the two.
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

  DEVICE float maximum() const { return greater(max, label); }
  // The maximum over c ≠ y, or the label's own logit where that is masked throughout.
  DEVICE float shift() const { return max == masked() && labelled ? label : max; }
};

// Whether only one of the rows masks some class besides y. Forward KL does not ask for the teacher's.
struct OnlyMasked {
  bool student, teacher;
};

struct Extremes {
  Side student, teacher;
  OnlyMasked only;
};

DEVICE Side side(float max, unsigned top, bool labelled, float label, unsigned y) {
  Side side{labelled, labelled ? label : masked(), max, top, false};
  if (labelled && (label > max || (label == max && y < top))) side.top = y;
  const bool number = max < infinity() && (!labelled || label < infinity());
  side.nonfinite = !number || side.maximum() == masked();
  return side;
}

template <bool ANY, class Span>
DEVICE Extremes extremes(Span& span, bool labelled) {
  // Read before the lanes meet: afterwards one of them may write the gradient over the logits.
  const int y = span.y;
  const float s_y = labelled ? span.student_at(y) : masked();
  const float t_y = labelled ? span.teacher_at(y) : masked();
  float max[2] = {masked(), masked()};
  int first[2] = {0, 0};
  unsigned only_masked[2] = {};
  span.each([&](const auto& c) {
    const float s = c.s.max(), t = c.t.max();
    c.s.look_for_masks(c.t, only_masked[0]);
    if (ANY) c.t.look_for_masks(c.s, only_masked[1]);
    if (s > max[0]) first[0] = c.first;
    if (t > max[1]) first[1] = c.first;
    max[0] = max_or_nan(max[0], s);
    max[1] = max_or_nan(max[1], t);
  });
  span.lanes.template recall<MaxOrNan>(max);
  const float mine[2] = {max[0], max[1]};
  span.lanes.template reduce<MaxOrNan>(max);
  // Whoever has the maximum looks for its first place.
  using E = typename Span::Rows::Element;
  unsigned found[4] = {NO_TOP, NO_TOP, !E::masks(only_masked[0]), !E::masks(only_masked[1])};
  if (mine[0] == max[0] && max[0] > masked()) {
    span.again(first[0], [&](const auto& c) {
#pragma unroll
      for (int i = c.SIZE - 1; i >= 0; --i) {
        if (c.s[i] == max[0]) found[0] = c.first + i;
      }
    });
  }
  if (mine[1] == max[1] && max[1] > masked()) {
    span.again(first[1], [&](const auto& c) {
#pragma unroll
      for (int i = c.SIZE - 1; i >= 0; --i) {
        if (c.t[i] == max[1]) found[1] = c.first + i;
      }
    });
  }
  span.lanes.template recall<Min>(found);
  // A part's place is the row's only if its maximum is.
  if (mine[0] != max[0]) found[0] = NO_TOP;
  if (mine[1] != max[1]) found[1] = NO_TOP;
  span.lanes.template reduce<Min>(found);
  return {side(max[0], found[0], labelled, s_y, y), side(max[1], found[1], labelled, t_y, y),
          OnlyMasked{found[2] == 0, found[3] == 0}};
}

// Classes besides y that each row does not mask.
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

// After an exchange in the target: its maximum over c ≠ y, and the masks once more.
template <bool ANY, class Span>
DEVICE float shifted_extremes(Span& span, OnlyMasked& only) {
  float max[1] = {masked()};
  unsigned only_masked[2] = {};
  span.each([&](const auto& c) {
    max[0] = max_or_nan(max[0], c.t.max());
    c.s.look_for_masks(c.t, only_masked[0]);
    if (ANY) c.t.look_for_masks(c.s, only_masked[1]);
  });
  span.lanes.template reduce<MaxOrNan>(max);
  using E = typename Span::Rows::Element;
  unsigned found[2] = {!E::masks(only_masked[0]), !E::masks(only_masked[1])};
  span.lanes.template reduce<Min>(found);
  only = {found[0] == 0, found[1] == 0};
  return max[0];
}
