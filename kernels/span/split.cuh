// Splits a row among several blocks, where there are fewer rows than multiprocessors.
//
// Each phase of the row program is a launch of the same program. A launch skips the sweeps of earlier
// phases, starts their reductions from the partial results that the blocks left in a workspace, and ends
// with its own phase. So every block has the whole row's results, from the same parts in the same order,
// and no block ever waits for another.
#pragma once
#include "span/span.cuh"

// The phases of forward KL without probability shift.
enum Phase : unsigned { EXTREMES_PHASE, SUMS_PHASE, GRADIENT_PHASE, RECORD_PHASE };

// Words of the workspace per row and block: maxima, arg-maxima and masks of both rows, 8 sums, the
// divergence, and the label's two logits.
constexpr unsigned PART_WORDS = 17;

// The lanes of all blocks that share a row; there are at most as many blocks as a block has lanes.
template <unsigned PHASE>
struct Split : Block {
  unsigned* const workspace;
  unsigned* of_row = nullptr;
  // The row program's phase, and the next slot of its partial results.
  unsigned phase = 0, slot = 0;

  DEVICE Split(Partials& partials, unsigned* workspace) : Block(partials), workspace(workspace) {}

  static DEVICE unsigned part() { return blockIdx.y; }
  static DEVICE unsigned parts() { return gridDim.y; }
  static DEVICE unsigned lane() { return part() * blockDim.x + threadIdx.x; }
  static DEVICE unsigned lanes() { return parts() * blockDim.x; }
  static constexpr bool WRITES_RECORD = PHASE == RECORD_PHASE;

  DEVICE void begin_row(unsigned row) {
    of_row = workspace + static_cast<unsigned long>(row) * PART_WORDS * parts();
    phase = slot = 0;
  }
  DEVICE bool enter_next_phase() { return phase++ != PHASE; }
  // Whether the row program is in this launch's phase; the sweeps of all others are skipped.
  DEVICE bool sweeps_in_this_phase() const { return phase == PHASE; }

  // In an earlier phase's reduction, a lane contributes the partial result of the block with its number.
  template <class Op, int K, class T>
  DEVICE void load_partials(T (&values)[K]) const {
    if (sweeps_in_this_phase()) return;
    const bool has_part = threadIdx.x < parts();
#pragma unroll
    for (int k = 0; k < K; ++k) {
      values[k] = from_bits(has_part ? *at(slot + k, threadIdx.x) : Op::NEUTRAL, values[k]);
    }
  }

  // Reduces over this block, and stores the result for later launches.
  template <class Op, int K, class T>
  DEVICE void reduce(T (&values)[K]) {
    Block::reduce<Op>(values);
    if (sweeps_in_this_phase() && threadIdx.x == 0) {
#pragma unroll
      for (int k = 0; k < K; ++k) *at(slot + k, part()) = bits(values[k]);
    }
    slot += K;
  }

  // Reads a value in the first phase, and keeps it for the others; each block keeps its own.
  template <class F>
  DEVICE float read_once(unsigned slot, F read) const {
    if (PHASE != EXTREMES_PHASE) return __uint_as_float(*at(slot, part()));
    const float value = read();
    if (threadIdx.x == 0) *at(slot, part()) = __float_as_uint(value);
    return value;
  }

 private:
  DEVICE unsigned* at(unsigned slot, unsigned part) const { return of_row + slot * parts() + part; }
};

// This block's chunks of a row, which only the sweeps of its launch's phase read.
template <class E, unsigned PHASE>
struct Part : Stream<E, Split<PHASE>> {
  using Base = Stream<E, Split<PHASE>>;
  using Base::Base;
  static constexpr bool HAS_PROBABILITY_SHIFT = false;

  // In place, the gradient overwrites the label's logit.
  DEVICE float student_at(int c) const {
    return this->lanes.read_once(PART_WORDS - 2, [&] { return Base::student_at(c); });
  }
  DEVICE float teacher_at(int c) const {
    return this->lanes.read_once(PART_WORDS - 1, [&] { return Base::teacher_at(c); });
  }

  template <class F>
  DEVICE void each(F f) const {
    if (this->lanes.sweeps_in_this_phase()) Base::each(f);
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }
  template <class F>
  DEVICE void revisit(int first, F f) const {
    if (this->lanes.sweeps_in_this_phase()) Base::revisit(first, f);
  }
};
