// The lanes that share a row, and reductions over them, in an order that never changes. Every lane gets
// the result, with the same bits.
#pragma once
#include "machine/math.cuh"

struct Sum {
  template <class T>
  static DEVICE T of(T a, T b) { return a + b; }
  static constexpr unsigned NEUTRAL = 0;
};
struct MaxOrNan {
  static DEVICE float of(float a, float b) { return max_or_nan(a, b); }
  static constexpr unsigned NEUTRAL = 0xff800000;
};
struct Min {
  static DEVICE unsigned of(unsigned a, unsigned b) { return a < b ? a : b; }
  static constexpr unsigned NEUTRAL = 0xffffffff;
};

// Reduces over WIDTH lanes of a warp by a butterfly: both partners add the same two numbers.
template <class Op, unsigned WIDTH, class T>
DEVICE T butterfly(T value, unsigned mask) {
#pragma unroll
  for (unsigned distance = WIDTH / 2; distance > 0; distance /= 2) {
    value = Op::of(value, __shfl_xor_sync(mask, value, static_cast<int>(distance)));
  }
  return value;
}

// WIDTH lanes of a warp, a power of two; the warp's other lanes work on other rows.
template <unsigned WIDTH>
struct Group {
  unsigned mask;

  DEVICE Group() {
    const unsigned lane = threadIdx.x % WARP;
    mask = WIDTH == WARP ? WHOLE_WARP : ((1u << WIDTH % WARP) - 1) << (lane & ~(WIDTH - 1));
  }
  // What a lane wrote before is visible to the others afterwards; shuffles do not order memory.
  DEVICE void sync() const { __syncwarp(mask); }
  static DEVICE unsigned lane() { return threadIdx.x % WIDTH; }
  static DEVICE unsigned lanes() { return WIDTH; }
  // Whether this launch writes the records, and the gradients of rows that are refused or nonfinite.
  static constexpr bool WRITES_RECORD = true;
  // Goes on to the next phase, unless this launch ends here; loads the partial results of earlier launches.
  // Both matter only to split.cuh.
  static DEVICE bool enter_next_phase() { return true; }
  template <class Op, class T>
  DEVICE void load_partials(T&) const {}
  // This group's index among all of the grid, and their number.
  static DEVICE unsigned index() { return (blockIdx.x * blockDim.x + threadIdx.x) / WIDTH; }
  static DEVICE unsigned count() { return gridDim.x * (blockDim.x / WIDTH); }

  template <class Op, int K, class T>
  DEVICE void reduce(T (&values)[K]) {
#pragma unroll
    for (int k = 0; k < K; ++k) values[k] = butterfly<Op, WIDTH>(values[k], mask);
  }
};

// A whole block, of any number of warps.
struct Block {
  // Double buffered. Before a warp writes to a half again, it passes the barrier of the reduction between,
  // which all readers of that half have reached.
  struct Partials {
    unsigned of[2][8][WARP];
  };
  Partials& partials;
  unsigned turn = 0;

  DEVICE explicit Block(Partials& partials) : partials(partials) {}
  DEVICE void sync() const { __syncthreads(); }
  static DEVICE unsigned lane() { return threadIdx.x; }
  static DEVICE unsigned lanes() { return blockDim.x; }
  static constexpr bool WRITES_RECORD = true;
  static DEVICE bool enter_next_phase() { return true; }
  template <class Op, class T>
  DEVICE void load_partials(T&) const {}
  static DEVICE unsigned index() { return blockIdx.x; }
  static DEVICE unsigned count() { return gridDim.x; }

  template <class Op, int K, class T>
  DEVICE void reduce(T (&values)[K]) {
    static_assert(K <= 8 && sizeof(T) == 4);
    const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
#pragma unroll
    for (int k = 0; k < K; ++k) values[k] = butterfly<Op, WARP>(values[k], WHOLE_WARP);
    if (warps == 1) return;
    auto& half = partials.of[turn];
    turn ^= 1;
    if (lane == 0) {
#pragma unroll
      for (int k = 0; k < K; ++k) half[k][warp] = bits(values[k]);
    }
    __syncthreads();
    combine<Op>(values, half, warps);
  }

 protected:
  // Reduces `count` partials of each value, at most N, in their order.
  template <class Op, int K, class T, unsigned N>
  static DEVICE void combine(T (&values)[K], const unsigned (&half)[8][N], unsigned count) {
    const unsigned lane = threadIdx.x % N;
#pragma unroll
    for (int k = 0; k < K; ++k) {
      const unsigned partial = lane < count ? half[k][lane] : Op::NEUTRAL;
      values[k] = butterfly<Op, N>(from_bits(partial, values[k]), WHOLE_WARP);
    }
  }
  static DEVICE unsigned bits(float x) { return __float_as_uint(x); }
  static DEVICE unsigned bits(unsigned x) { return x; }
  static DEVICE float from_bits(unsigned x, float) { return __uint_as_float(x); }
  static DEVICE unsigned from_bits(unsigned x, unsigned) { return x; }
};
