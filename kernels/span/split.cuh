// A row by several blocks, where there are too few rows to give every multiprocessor one of its own.
//
// One launch per phase of the row program, the same program each time: it skips the sweeps of earlier
// phases, begins their reductions with what each block left of them in a workspace, and ends where its
// own phase does. So every block knows what it needs of the whole row, from the same parts in the same
// order, and no block ever waits for another.
#pragma once
#include "span/span.cuh"

// Of forward KL without probability shift.
enum Phase : unsigned { OF_EXTREMES, OF_SUMS, OF_GRADIENT, OF_RECORD };

// Words that each block leaves of a row: maxima, arg-maxima and masks of both, 8 sums, the divergence,
// and the label's two logits.
constexpr unsigned PART_WORDS = 17;

// All lanes of the blocks that share a row; there are at most as many blocks as a block has lanes.
template <unsigned PHASE>
struct Split : Block {
  unsigned* const workspace;
  unsigned* of_row = nullptr;
  // Where the row program is.
  unsigned phase = 0, slot = 0;

  DEVICE Split(Partials& partials, unsigned* workspace) : Block(partials), workspace(workspace) {}

  static DEVICE unsigned part() { return blockIdx.y; }
  static DEVICE unsigned parts() { return gridDim.y; }
  static DEVICE unsigned lane() { return part() * blockDim.x + threadIdx.x; }
  static DEVICE unsigned lanes() { return parts() * blockDim.x; }
  static constexpr bool FINISHES = PHASE == OF_RECORD;

  DEVICE void begin(unsigned row) {
    of_row = workspace + static_cast<unsigned long>(row) * PART_WORDS * parts();
    phase = slot = 0;
  }
  DEVICE bool goes_on() { return phase++ != PHASE; }
  DEVICE bool sweeps() const { return phase == PHASE; }

  // In an earlier phase's reduction a lane contributes the part of the block with its number.
  template <class Op, int K, class T>
  DEVICE void recall(T (&values)[K]) const {
    if (sweeps()) return;
    const bool has_part = threadIdx.x < parts();
#pragma unroll
    for (int k = 0; k < K; ++k) {
      values[k] = from_bits(has_part ? *at(slot + k, threadIdx.x) : Op::NEUTRAL, values[k]);
    }
  }

  // Over this block.
  template <class Op, int K, class T>
  DEVICE void reduce(T (&values)[K]) {
    Block::reduce<Op>(values);
    if (sweeps() && threadIdx.x == 0) {
#pragma unroll
      for (int k = 0; k < K; ++k) *at(slot + k, part()) = bits(values[k]);
    }
    slot += K;
  }

  // What the first phase reads, for the others; each block's own.
  template <class F>
  DEVICE float once(unsigned slot, F read) const {
    if (PHASE != OF_EXTREMES) return __uint_as_float(*at(slot, part()));
    const float value = read();
    if (threadIdx.x == 0) *at(slot, part()) = __float_as_uint(value);
    return value;
  }

 private:
  DEVICE unsigned* at(unsigned slot, unsigned part) const { return of_row + slot * parts() + part; }
};

// This block's chunks of a row, which only the phase's own sweep looks at.
template <class E, unsigned PHASE>
struct Part : Stream<E, Split<PHASE>> {
  using Whole = Stream<E, Split<PHASE>>;
  using Whole::Whole;
  static constexpr bool SHIFTS = false;

  // In place, the label's logits do not outlive the gradient.
  DEVICE float student_at(int c) const { return this->lanes.once(PART_WORDS - 2, [&] { return Whole::student_at(c); }); }
  DEVICE float teacher_at(int c) const { return this->lanes.once(PART_WORDS - 1, [&] { return Whole::teacher_at(c); }); }

  template <class F>
  DEVICE void each(F f) const {
    if (this->lanes.sweeps()) Whole::each(f);
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }
  template <class F>
  DEVICE void again(int first, F f) const {
    if (this->lanes.sweeps()) Whole::again(first, f);
  }
};
