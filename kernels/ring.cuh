// Pairs of rows in shared memory, where registers do not hold them: a block takes one row after the
// other, and what the last sweep over a row is done with makes room for the next row, chunk by chunk.
// The arithmetic of a row and the loads of the next one go on together, and each logit is read once.
//
// Copies are of 16 bytes, by cp.async: all GPUs from Ampere on have it, groups of copies need no
// barriers in memory, and no thread waits for another one's. A warp copies what its own lanes look at.
//
// A row that is too long for one block is kept by the blocks of a cluster, each with the chunks of its
// own lanes; all else is the same.
#pragma once
#include "cluster.cuh"
#include "span.cuh"

// Lanes of a block, or of a cluster, with room for a pair of rows.
template <class E, class Together>
struct Ring : Together {
  static constexpr int N = E::PER_VECTOR;
  // Groups of copies, the last of a row, that its first sweep starts without.
  static constexpr int LATE = 2;

  const RowParams& params;
  const Buffers& buffers;
  uint4 *student, *teacher;
  // Chunks of a row per lane, and how many of them are known to be there.
  int steps, landed = 0;
  unsigned next;
  bool handed_over = false;

  DEVICE Ring(typename Together::Partials& partials, uint4* memory, const RowParams& params, const Buffers& buffers)
      : Together(partials), params(params), buffers(buffers), student(memory), next(Together::index()) {
    const int lanes = static_cast<int>(Together::lanes());
    // However a row lies, it touches no more vectors.
    const int vectors = (static_cast<int>(params.classes) + 2 * (N - 1)) / N;
    steps = (vectors + lanes - 1) / lanes;
    teacher = student + steps * kept();
    fetch_next();
  }

  // This lane's chunk of a step: its place in the row, and in this block's memory.
  DEVICE int chunk(int step) const {
    return step * static_cast<int>(Together::lanes()) + static_cast<int>(Together::lane());
  }
  DEVICE int place(int step) const { return step * kept() + static_cast<int>(threadIdx.x); }
  // Chunks of a step that this block keeps.
  static DEVICE int kept() { return static_cast<int>(blockDim.x); }
  // A warp's 32 vectors of the teacher, and one more for rows that lie otherwise than the student's.
  DEVICE uint4* of_teacher(int place) const { return teacher + place + place / static_cast<int>(WARP); }

  // Asks for this lane's chunk, as a group of copies.
  DEVICE void fetch(const Vectors<E>& rows, int step) const {
    const int at = place(step), first = chunk(step) * N - rows.offset;
    if (first < rows.classes()) {
      const int shift = rows.teacher_shift;
      copy(student + at, rows.student, first);
      copy(of_teacher(at), rows.teacher, first - shift);
      const bool last = threadIdx.x % WARP == WARP - 1 || first + N >= rows.classes();
      if (shift != 0 && last) copy(of_teacher(at) + 1, rows.teacher, first - shift + N);
    }
    commit_copies();
  }

  // The lanes of a warp have done what they did with this chunk: the next row's takes its place.
  DEVICE void replace(const Vectors<E>& rows, int step) const {
    __syncwarp(WHOLE_WARP);
    if (next < params.rows) fetch(rows, step);
  }

  DEVICE Vectors<E> next_rows() const { return Vectors<E>(params, buffers, next, -1); }

  // Waits until the lanes of this warp may look at this chunk of each.
  DEVICE void wait_for(int step) {
    if (step < landed) return;
    landed = step < steps - LATE ? steps - LATE : steps;
    if (landed < steps) {
      wait_for_copies<LATE>();
    } else {
      wait_for_copies<0>();
    }
    __syncwarp(WHOLE_WARP);
  }

  // As among any lanes; besides, this row's copies have been made.
  DEVICE void order() {
    wait_for(steps - 1);
    Together::order();
  }

  // Before a row: the one after it is its lanes' next.
  DEVICE void begin() {
    landed = 0;
    handed_over = false;
    next += Together::count();
  }

  // After a row that has been stopped before its last sweep.
  DEVICE void hand_over() {
    if (handed_over) return;
    wait_for(steps - 1);
    __syncwarp(WHOLE_WARP);
    fetch_next();
  }

 private:
  DEVICE void fetch_next() const {
    if (next >= params.rows) return;
    const Vectors<E> rows = next_rows();
#pragma unroll 1
    for (int step = 0; step < steps; ++step) fetch(rows, step);
  }

  // A vector of a row; at the matrix's edges only the row's own elements.
  static DEVICE void copy(uint4* to, const Logits<E>& logits, int first) {
    if (logits.readable(first, first + N)) {
      copy_async(to, logits.row + first);
    } else {
      const unsigned(&w)[4] = logits.elements(first).words;
      *to = {w[0], w[1], w[2], w[3]};
    }
  }
};

// A row that lies there.
template <class E, class Together>
struct Staged : Vectors<E> {
  using Lanes = Ring<E, Together>;
  using Rows = Vectors<E>;
  Lanes& lanes;
  int shifted = -1;
  float shifted_label = 0.0f;

  DEVICE Staged(Lanes& lanes, const Rows& rows) : Rows(rows), lanes(lanes) {}

  template <class F>
  DEVICE void each(F f) const {
    sweep([&](const Place& at, int) { look(at, f); });
  }

  template <class F>
  DEVICE void last(F f) const {
    const Rows next = lanes.next_rows();
    sweep([&](const Place& at, int step) {
      look(at, f);
      lanes.replace(next, step);
    });
    lanes.handed_over = true;
  }

  template <class F>
  DEVICE void again(int first, F f) const {
    look(place((first + Rows::offset) / Rows::N / static_cast<int>(Lanes::lanes())), f);
  }

  DEVICE void shift(int top, float label) {
    shifted = top;
    shifted_label = label;
  }

 private:
  // A chunk: where it lies, and its first class.
  struct Place {
    const uint4 *student, *teacher;
    int first;
  };

  DEVICE Place place(int step) const {
    const int at = lanes.place(step);
    return {lanes.student + at, lanes.of_teacher(at), lanes.chunk(step) * Rows::N - Rows::offset};
  }

  // All chunks of this lane, as they arrive.
  template <class F>
  DEVICE void sweep(F f) const {
    const int kept = Lanes::kept(), all = static_cast<int>(Lanes::lanes());
    Place at = place(0);
    for (int step = 0; step < lanes.steps;) {
      lanes.wait_for(step);
#pragma unroll 1
      for (; step < lanes.landed; ++step) {
        f(at, step);
        at.student += kept;
        at.teacher += kept + kept / static_cast<int>(WARP);
        at.first += all * Rows::N;
      }
    }
  }

  template <class F>
  DEVICE void look(const Place& at, F f) const {
    if (at.first >= Rows::classes()) return;
    using Row = Logits<E>;
    const int shift = Rows::teacher_shift;
    const uint4 t = *at.teacher;
    auto raw = Rows::mask(at.first, {Row::packed(*at.student),
                                     shift == 0 ? Row::packed(t) : Row::realigned(t, at.teacher[1], shift)});
    if (shifted >= 0) Rows::exchange(at.first, raw, shifted, shifted_label);
    f(Rows::chunk(at.first, raw));
  }
};
