// What is computed of a whole batch, before its rows and after: which rows are wrong, how hard each row is,
// what a mean divides by, each row's temperature, the total. Sums are in double precision and in an order
// that never changes.
#pragma once
#include "row/row.cuh"
#include "span/any.cuh"

template <int K>
struct Doubles {
  double of[K][WARP];
};

// Sums over a block, the same in every thread.
template <int K>
DEVICE void sum_over_block(double (&values)[K]) {
  SHARED(Doubles<K>, partials);
  const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
  __syncthreads();
#pragma unroll
  for (int k = 0; k < K; ++k) {
    values[k] = butterfly<Sum, WARP>(values[k], WHOLE_WARP);
    if (lane == 0) partials.of[k][warp] = values[k];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < K; ++k) {
    values[k] = butterfly<Sum, WARP>(lane < warps ? partials.of[k][lane] : 0.0, WHOLE_WARP);
  }
}

// The maximum over a block, the same in every thread.
DEVICE float max_over_block(float value) {
  SHARED(Block::Partials, partials);
  __syncthreads();
  float max[1] = {value};
  Block(partials).reduce<MaxOrNan>(max);
  return max[0];
}

// Whether a row with this maximum has no NaN, no +∞, and is not −∞ throughout.
DEVICE bool is_finite_maximum(float max) { return max > masked() && max < infinity(); }

// A row's maximum over all its classes, NaN if one is NaN.
DEVICE float maximum(const AnyRow& row, unsigned classes) {
  float max = masked();
  for (unsigned c = threadIdx.x; c < classes; c += blockDim.x) max = max_or_nan(max, row.at(c));
  return max_over_block(max);
}

// Writes marks[b]: 0 where a row does not count in a mean, 1 where the teacher is right, 2 where it is wrong.
DEVICE void groups(const RowParams& params, const Buffers& buffers) {
  for (unsigned b = blockIdx.x; b < params.rows; b += gridDim.x) {
    const float weight = buffers.weight ? buffers.weight[b] : 1.0f;
    const int y = buffers.labels[b];
    const AnyRow teacher(buffers.teacher, buffers.teacher_format, static_cast<long>(b) * params.teacher_stride);
    const float max = maximum(teacher, params.classes);
    if (threadIdx.x != 0) continue;
    const bool legal = is_weight(weight) && is_finite_maximum(max) && unsigned(y) < params.classes;
    const bool wrong = legal && teacher.at(y) < max;
    buffers.marks[b] = weight == 0.0f ? 0 : wrong ? 2 : 1;
  }
}

// (1 − cos(s, t))^γ over the classes finite in both rows, the norms with 1e-4 added.
DEVICE float flsw(const RowParams& params, const AnyRow& student, const AnyRow& teacher) {
  double n[3] = {};
  for (unsigned c = threadIdx.x; c < params.classes; c += blockDim.x) {
    const float s = student.at(c), t = teacher.at(c);
    if (s == masked() || t == masked()) continue;
    n[0] += double(s) * double(t);
    n[1] += double(s) * double(s);
    n[2] += double(t) * double(t);
  }
  sum_over_block(n);
  const double distance = 1.0 - n[0] / ((sqrt(n[1]) + 1e-4) * (sqrt(n[2]) + 1e-4));
  return powf(distance < 0.0 ? 0.0f : distance > 2.0 ? 2.0f : float(distance), params.gamma);
}

// 1/max softmax(s).
DEVICE float cwsm(const RowParams& params, const AnyRow& student, float max) {
  double n[1] = {};
  for (unsigned c = threadIdx.x; c < params.classes; c += blockDim.x) n[0] += expf(student.at(c) - max);
  sum_over_block(n);
  return float(n[0]);
}

// Writes omegas[b]: how hard each row is; NaN where it does not take part.
DEVICE void omegas(const RowParams& params, const Buffers& buffers) {
  for (unsigned b = blockIdx.x; b < params.rows; b += gridDim.x) {
    const float weight = buffers.weight ? buffers.weight[b] : 1.0f;
    const int y = buffers.labels[b];
    const AnyRow student(buffers.student, buffers.student_format, static_cast<long>(b) * params.student_stride);
    const AnyRow teacher(buffers.teacher, buffers.teacher_format, static_cast<long>(b) * params.teacher_stride);
    const float max = maximum(student, params.classes);
    const bool finite = is_finite_maximum(max) && is_finite_maximum(maximum(teacher, params.classes));
    const bool takes_part = finite && is_weight(weight) && weight != 0.0f &&
                            (y == IGNORE || unsigned(y) < params.classes);
    float omega = not_a_number();
    if (takes_part) omega = params.omega == 0 ? flsw(params, student, teacher) : cwsm(params, student, max);
    if (threadIdx.x == 0) buffers.omegas[b] = omega;
  }
}

// The kernels from here on run in one block.

// Writes 1/N of right and of wrong rows.
DEVICE void scale(const RowParams& params, const Buffers& buffers) {
  double n[2] = {};  // rows that count, and wrong ones among them
  for (unsigned b = threadIdx.x; b < params.rows; b += blockDim.x) {
    const bool per_group = buffers.reduction == MEAN_PER_GROUP;
    const unsigned mark = per_group ? buffers.marks[b] : buffers.weight[b] != 0.0f;
    n[0] += mark != 0;
    n[1] += mark == 2;
  }
  sum_over_block(n);
  if (threadIdx.x != 0) return;
  const auto inverse = [](double n) { return n == 0.0 ? 0.0f : float(1.0 / n); };
  const float right = inverse(n[0] - n[1]), wrong = inverse(n[1]), all = inverse(n[0]);
  const bool per_group = buffers.reduction == MEAN_PER_GROUP;
  *buffers.scale_out = {per_group ? right : all, per_group ? wrong : all, 1.0f};
}

// Writes τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b)) of rows that take part; others get τ0.
DEVICE void temperatures(const RowParams& params, const Buffers& buffers) {
  double n[2] = {};
  for (unsigned b = threadIdx.x; b < params.rows; b += blockDim.x) {
    const float omega = buffers.omegas[b];
    n[0] += is_nan(omega) ? 0.0 : double(omega);
    n[1] += !is_nan(omega);
  }
  sum_over_block(n);
  const double unit = params.normalise != 0 && n[0] > 0.0 ? 1.0 / n[0] : 1.0;
  for (unsigned b = threadIdx.x; b < params.rows; b += blockDim.x) {
    const float omega = buffers.omegas[b];
    const double unclamped = params.tau0 + params.bias * (unit * (n[0] / n[1] - double(omega)));
    const float tau = float(unclamped < params.tau_min ? double(params.tau_min) : unclamped);
    buffers.temperatures[b] = is_nan(omega) || n[0] == 0.0 ? params.tau0 : tau;
  }
}

// Writes upstream · Σ_b loss_b · inv_n, from the parts that the rows have stored.
DEVICE void total(const RowParams& params, const Buffers& buffers) {
  double n[1] = {};
  for (unsigned b = threadIdx.x; b < params.rows; b += blockDim.x) n[0] += double(buffers.losses[b]);
  sum_over_block(n);
  if (threadIdx.x == 0) *buffers.total = float(n[0]);
}
