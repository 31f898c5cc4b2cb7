// What the host passes to every kernel, and the record that comes back: byte for byte as in
// src/spec/params.rs, src/spec/stats.rs and src/cuda/arguments.rs, where they are documented.
#pragma once
#include "machine/device.cuh"

struct RowParams {
  unsigned rows, classes, student_stride, teacher_stride, gradient_stride, present;
  unsigned stats_level, revision;
  float revision_parameter;
  unsigned temperature;
  float tau;
  unsigned temperature_squared;
  unsigned right_divergence;
  float right_alpha, right_beta, right_lambda_kd, right_lambda_ce;
  unsigned wrong_divergence;
  float wrong_alpha, wrong_beta, wrong_lambda_kd, wrong_lambda_ce;
  unsigned omega;
  float gamma, tau0, bias;
  unsigned normalise;
  float tau_min;
  unsigned first_row, student_offset, teacher_offset, gradient_offset;  // 0 here
};
static_assert(sizeof(RowParams) == 128);
static_assert(offsetof(RowParams, present) == 20);
static_assert(offsetof(RowParams, revision_parameter) == 32);
static_assert(offsetof(RowParams, right_divergence) == 48);
static_assert(offsetof(RowParams, wrong_divergence) == 68);
static_assert(offsetof(RowParams, omega) == 88);
static_assert(offsetof(RowParams, first_row) == 112);

enum Temperature : unsigned { FIXED, PER_ROW, DTD, STANDARDISED };
enum Revision : unsigned { NO_REVISION, LABEL_REVISION, PROBABILITY_SHIFT, LABEL_SMOOTHING };
enum DivergenceKind : unsigned {
  FORWARD_KL, REVERSE_KL, JENSEN_SHANNON, TOTAL_VARIATION, MSE_PROBS, MSE_LOGITS, DECOUPLED
};
enum StatsLevel : unsigned { NO_STATS, LOSS_STATS, FULL_STATS };
enum Reduction : unsigned { SUM, MEAN, MEAN_PER_GROUP };
enum Format : unsigned { IS_F32, IS_F16, IS_BF16 };

// 1/N of right and of wrong rows (0 where N = 0), and what total and gradient are multiplied by.
struct Scale {
  float inverse_right, inverse_wrong, upstream;
};

struct Scores {
  float teacher_confidence, teacher_ce, teacher_entropy, teacher_margin;
  float student_confidence, student_entropy, student_logit_margin, el2n;
};
struct RowStats {
  float loss, kd, ce, tau, beta;
  Scores scores;
  unsigned teacher_top, student_top, flags;
};
static_assert(sizeof(RowStats) == 64);
static_assert(offsetof(RowStats, scores) == 20);
static_assert(offsetof(RowStats, teacher_top) == 52);

enum RowFlags : unsigned {
  WRONG = 1, IGNORED = 2, AGREE = 4, NONFINITE = 8, LABEL_OUT_OF_RANGE = 16, INFINITE = 32, OFF = 64,
  BAD_PARAMETER = 128, UNSELECTED = 256
};

constexpr int IGNORE = -100;

// Device addresses, null where the call has no such buffer.
struct Buffers {
  const void* student;
  const void* teacher;
  const int* labels;
  const float* weight;
  const float* kd_weight;
  const float* tau;
  const float* upstream;   // instead of known.upstream
  const Scale* scale;      // instead of known's inverses
  void* gradient;          // may be the student's logits
  RowStats* stats;
  float* losses;           // [B], each row's part of the total
  // Of the launches before and after the rows.
  float* omegas;           // [B], NaN where a row does not take part
  float* temperatures;     // [B]
  unsigned* marks;         // [B], 0 not counted, 1 right, 2 wrong
  Scale* scale_out;
  float* total;
  unsigned* parts;         // of rows that several blocks share
  Scale known;
  unsigned reduction;
  unsigned student_format, teacher_format;  // for the kernels that take any
};
static_assert(sizeof(Buffers) == 160);
static_assert(offsetof(Buffers, known) == 136);
