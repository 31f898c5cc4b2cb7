// The second sweep: every sum over the classes besides the label that the softmaxes and the scores are
// made of.
#pragma once
#include "row/softmax.cuh"

// Sums over c ≠ y, of student and teacher; d is a logit less the shift, e = exp(k d).
struct Sums {
  // Σ e.
  float tempered[2];
  // At τ = 1: Σ e, the teacher's in full records only; Σ e d and the student's Σ e², in full records only.
  float unit[2], weighted[2], squares;
  // Σ e_t (d_t − d_s); used only where student and teacher have one k.
  float contrast;
};

// How exp(d) comes from exp(d/τ): by squaring where τ is 1, 2 or 4, because GPUs have few units for
// exponentials.
struct UnitExp {
  // At τ = 1, 2 and 4, and by an exponential of its own.
  enum Power : unsigned { FIRST, SECOND, FOURTH, OTHER };
  Power power;

  // Standardised logits of student and teacher have no τ in common.
  DEVICE UnitExp(float tau, bool is_standardised)
      : power(is_standardised ? OTHER : tau == 1.0f ? FIRST : tau == 2.0f ? SECOND : tau == 4.0f ? FOURTH : OTHER) {}

  // exp(d) of N classes from e = exp(d/τ), or from exp_d(i). Several at a time, because a branch costs as
  // much as a product.
  template <int N, class Exp>
  DEVICE void of(const float (&e)[N], float (&unit)[N], Exp exp_d) const {
    if (power == FOURTH) {
#pragma unroll
      for (int i = 0; i < N; ++i) unit[i] = (e[i] * e[i]) * (e[i] * e[i]);
    } else if (power == OTHER) {
#pragma unroll
      for (int i = 0; i < N; ++i) unit[i] = exp_d(i);
    } else {
#pragma unroll
      for (int i = 0; i < N; ++i) unit[i] = power == SECOND ? e[i] * e[i] : e[i];
    }
  }
};

// Sums up a row at the inverse temperatures `k`; `full` says whether the record is.
template <class Span>
DEVICE Sums sums(Span& span, const Extremes& extremes, const float (&k)[2], const UnitExp& unit_exp, bool full) {
  enum : int { UNIT_S, WEIGHTED_S, SQUARES, TEMPERED_S, UNIT_T, WEIGHTED_T, TEMPERED_T, CONTRAST, COUNT };
  const float shift_s = extremes.student.shift(), shift_t = extremes.teacher.shift();
  const float rate_s = k[0] * LOG2_E, rate_t = k[1] * LOG2_E;
  float n[COUNT] = {};
  span.each([&](const auto& c) {
    float d_s[c.SIZE], d_t[c.SIZE], e_s[c.SIZE], e_t[c.SIZE], unit[c.SIZE];
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      d_s[i] = c.s[i] - shift_s;
      e_s[i] = Softmax::exp(d_s[i], rate_s);
      d_s[i] = clamp_to_lowest(d_s[i]);
      n[TEMPERED_S] += e_s[i];
    }
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      d_t[i] = c.t[i] - shift_t;
      e_t[i] = Softmax::exp(d_t[i], rate_t);
      d_t[i] = clamp_to_lowest(d_t[i]);
      n[TEMPERED_T] += e_t[i];
      n[CONTRAST] += e_t[i] * (d_t[i] - d_s[i]);
    }
    unit_exp.of(e_s, unit, [&](int i) { return exp_approximate(d_s[i]); });
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) n[UNIT_S] += unit[i];
    if (!full) return;
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      n[WEIGHTED_S] += unit[i] * d_s[i];
      n[SQUARES] += unit[i] * unit[i];
    }
    unit_exp.of(e_t, unit, [&](int i) { return exp_approximate(d_t[i]); });
#pragma unroll
    for (int i = 0; i < c.SIZE; ++i) {
      n[UNIT_T] += unit[i];
      n[WEIGHTED_T] += unit[i] * d_t[i];
    }
  });
  span.lanes.template load_partials<Sum>(n);
  span.lanes.template reduce<Sum>(n);
  return {{n[TEMPERED_S], n[TEMPERED_T]}, {n[UNIT_S], n[UNIT_T]}, {n[WEIGHTED_S], n[WEIGHTED_T]},
          n[SQUARES], n[CONTRAST]};
}
