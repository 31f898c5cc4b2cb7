// The arguments of the harness's operations besides the row program: byte for byte as in
// src/cuda/harness/operation.rs.
#pragma once
#include "lanes/reduce.cuh"

// Device addresses, sizes and numbers of one operation; each operation says what they are. Values that
// differ from step to step are in memory, at `varying`, so that a step's launches can be recorded.
struct Operation {
  const float* a;
  const float* b;
  const int* indices;
  const float* varying;
  float* out;
  float* state[2];
  unsigned rows, columns, inner, first;
  float numbers[8];
};
static_assert(sizeof(Operation) == 104);
static_assert(offsetof(Operation, rows) == 56);
static_assert(offsetof(Operation, numbers) == 72);

#define OPERATION(name, threads) \
  KERNEL __launch_bounds__(threads) train_##name(const __grid_constant__ Operation o)

// Calls f(i) for every i < n, each in one thread of the grid. n is less than 2³¹, so that no index wraps.
template <class F>
DEVICE void for_each(unsigned n, F f) {
  const unsigned stride = gridDim.x * blockDim.x;
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) f(i);
}
