// The operations of a layer besides its products, the optimisers' steps, and the mean absolute error.
#pragma once
#include "train/operation.cuh"

// out[first + i] = numbers[i] for i < rows: the varying values, before a step that is recorded.
DEVICE void vary(const Operation& o) {
  if (threadIdx.x < o.rows) o.out[o.first + threadIdx.x] = o.numbers[threadIdx.x];
}

// out[rows, columns] += a[columns]; then max(0, out), and 0 for NaN, where numbers[0] is not 0.
DEVICE void bias_relu(const Operation& o) {
  const bool relu = o.numbers[0] != 0.0f;
  for_each(o.rows * o.columns, [&](unsigned i) {
    const float x = o.out[i] + o.a[i % o.columns];
    o.out[i] = !relu || x > 0.0f ? x : 0.0f;
  });
}

// out = 0 where the activation a is 0.
DEVICE void relu_backward(const Operation& o) {
  for_each(o.rows, [&](unsigned i) {
    if (!(o.a[i] > 0.0f)) o.out[i] = 0.0f;
  });
}

// out[columns] = Σ_rows a[rows, columns]: 32 columns per block, 8 rows at a time.
DEVICE void column_sums(const Operation& o) {
  constexpr unsigned ROWS = 8;
  struct Partials {
    float of[ROWS][WARP];
  };
  SHARED(Partials, partials);
  const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, column = blockIdx.x * WARP + lane;
  float sum = 0.0f;
  if (column < o.columns) {
    for (unsigned row = warp; row < o.rows; row += ROWS) sum += o.a[size_t(row) * o.columns + column];
  }
  partials.of[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= o.columns) return;
  for (unsigned i = 1; i < ROWS; ++i) sum += partials.of[i][lane];
  o.out[column] = sum;
}

// g += decay·w; v = momentum·v + g; w −= rate·(g + momentum·v).
DEVICE void sgd(const Operation& o) {
  const float rate = o.varying[0], momentum = o.numbers[0], decay = o.numbers[1];
  for_each(o.rows, [&](unsigned i) {
    const float w = o.out[i], g = o.a[i] + decay * w;
    const float v = momentum * o.state[0][i] + g;
    o.state[0][i] = v;
    o.out[i] = w - rate * (g + momentum * v);
  });
}

// m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²; w −= rate·(decay·w + (m/correction1) / (√(v/correction2) + ε)).
DEVICE void adamw(const Operation& o) {
  const float beta1 = o.numbers[0], beta2 = o.numbers[1], epsilon = o.numbers[2], decay = o.numbers[3];
  const float rate = o.varying[0], correction1 = o.varying[1], correction2 = o.varying[2];
  for_each(o.rows, [&](unsigned i) {
    const float w = o.out[i], g = o.a[i];
    const float m = beta1 * o.state[0][i] + (1.0f - beta1) * g;
    const float v = beta2 * o.state[1][i] + (1.0f - beta2) * g * g;
    o.state[0][i] = m;
    o.state[1][i] = v;
    o.out[i] = w - rate * (decay * w + m / correction1 / (sqrtf(v / correction2) + epsilon));
  });
}

// state[0][0] += (1/rows) Σ |out − a|; sign(out − a)/rows replaces out. One block, for a fixed order.
DEVICE void absolute_error(const Operation& o) {
  SHARED(Block::Partials, partials);
  const float inverse_rows = 1.0f / static_cast<float>(o.rows);
  float sum[1] = {0.0f};
  for_each(o.rows, [&](unsigned i) {
    const float difference = o.out[i] - o.a[i];
    sum[0] += fabsf(difference);
    o.out[i] = difference == 0.0f ? 0.0f : copysignf(inverse_rows, difference);
  });
  Block(partials).reduce<Sum>(sum);
  if (threadIdx.x == 0) o.state[0][0] += sum[0] * inverse_rows;
}
