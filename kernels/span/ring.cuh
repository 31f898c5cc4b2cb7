// Pairs of rows in shared memory, for rows that registers do not hold. A block takes one row after the
// other, and the last sweep over a row prefetches the next one, chunk by chunk, into the memory that it is
// done with. So a row's arithmetic and the next row's loads overlap, and each logit is read once.
//
// Copies are of 16 bytes, by cp.async: all GPUs from Ampere on have it, groups of copies need no barriers
// in memory, and no thread waits for another one's. A warp copies what its own lanes read.
//
// A row that is too long for one block is held by the blocks of a cluster, each with the chunks of its own
// lanes; all else is the same.
#pragma once
#include "lanes/cluster.cuh"
#include "span/span.cuh"

// The lanes of a block or of a cluster, with shared memory for a pair of rows.
template <class E, class RowLanes>
struct Ring : RowLanes {
  static constexpr int N = E::PER_VECTOR;
  // The first sweep of a row starts while at most so many groups of its copies, the last, are in flight.
  static constexpr int MAX_PENDING = 2;

  const RowParams& params;
  const Buffers& buffers;
  uint4 *student, *teacher;
  // Chunks of a row per lane, and how many of them are known to have arrived.
  int steps, arrived = 0;
  // The row to prefetch, and whether its copies have been issued.
  unsigned next;
  bool prefetched = false;

  DEVICE Ring(typename RowLanes::Partials& partials, uint4* memory, const RowParams& params, const Buffers& buffers)
      : RowLanes(partials), params(params), buffers(buffers), student(memory), next(RowLanes::index()) {
    const int lanes = static_cast<int>(RowLanes::lanes());
    // However a row is aligned, it touches no more vectors.
    const int vectors = (static_cast<int>(params.classes) + 2 * (N - 1)) / N;
    steps = (vectors + lanes - 1) / lanes;
    teacher = student + steps * block_chunks();
    prefetch_row();
  }

  // This lane's chunk of a step: its place in this block's memory, and its first class.
  struct Place {
    uint4 *student, *teacher;
    int first;
  };
  DEVICE Place place(const Vectors<E>& rows, int step) const {
    const int at = step * block_chunks() + static_cast<int>(threadIdx.x);
    const int chunk = step * static_cast<int>(RowLanes::lanes()) + static_cast<int>(RowLanes::lane());
    return {student + at, teacher + at + at / static_cast<int>(WARP), chunk * N - rows.offset};
  }
  // Moves on to the next step. A warp has one vector more of the teacher's, for rows that are not aligned
  // as the student's.
  static DEVICE void advance(Place& at) {
    at.student += block_chunks();
    at.teacher += block_chunks() + block_chunks() / static_cast<int>(WARP);
    at.first += static_cast<int>(RowLanes::lanes()) * N;
  }
  // Chunks of a step that this block holds.
  static DEVICE int block_chunks() { return static_cast<int>(blockDim.x); }

  // The row to prefetch. Where there is none, its end lies before all chunks.
  struct Source {
    Vectors<E> rows;
    int end;
    bool whole;
  };
  DEVICE Source next_row() const {
    const Vectors<E> rows(params, buffers, next, -1);
    Source source{rows, next < params.rows ? rows.classes() : -N, rows.in_whole_vectors()};
    opaque(source.end);
    opaque(source.rows.student.row);
    opaque(source.rows.teacher.row);
    return source;
  }

  // Issues the copies of this lane's chunk, as one group.
  DEVICE void prefetch(const Source& source, const Place& at) const {
    const Vectors<E>& rows = source.rows;
    if (at.first < source.end) {
      const int shift = rows.teacher_shift, of_teacher = at.first - shift;
      const bool last = threadIdx.x % WARP == WARP - 1 || at.first + N >= source.end;
      const bool more = shift != 0 && last;
      if (source.whole) {
        copy_async(at.student, rows.student.row + at.first);
        const auto* const teacher = rows.teacher.row + of_teacher;
        copy_async(at.teacher, teacher);
        if (more) copy_async(at.teacher + 1, teacher + N);
      } else {
        copy(at.student, rows.student, at.first);
        copy(at.teacher, rows.teacher, of_teacher);
        if (more) copy(at.teacher + 1, rows.teacher, of_teacher + N);
      }
    }
    commit_copies();
  }

  // Prefetches the next row's chunk into this one's memory, when all lanes of the warp are done with it.
  DEVICE void replace(const Source& source, const Place& at) const {
    __syncwarp(WHOLE_WARP);
    prefetch(source, at);
  }

  // Waits until the chunks of this step have arrived, for all lanes of this warp.
  DEVICE void wait_for(int step) {
    if (step < arrived) return;
    arrived = step < steps - MAX_PENDING ? steps - MAX_PENDING : steps;
    if (arrived < steps) {
      wait_for_copies<MAX_PENDING>();
    } else {
      wait_for_copies<0>();
    }
    __syncwarp(WHOLE_WARP);
  }

  // Besides, waits until all copies of this row have arrived.
  DEVICE void sync() {
    wait_for(steps - 1);
    RowLanes::sync();
  }

  // Before a row: the row to prefetch becomes these lanes' next one.
  DEVICE void begin_row() {
    arrived = 0;
    prefetched = false;
    next += RowLanes::count();
  }

  // Prefetches the next row, unless a last sweep has: there is none in rows that are refused or nonfinite.
  DEVICE void prefetch_next_row() {
    if (prefetched) return;
    wait_for(steps - 1);
    __syncwarp(WHOLE_WARP);
    prefetch_row();
  }

 private:
  DEVICE void prefetch_row() const {
    if (next >= params.rows) return;
    const Source source = next_row();
    Place at = place(source.rows, 0);
#pragma unroll 1
    for (int step = 0; step < steps; ++step, advance(at)) prefetch(source, at);
  }

  // Copies a vector of a row; at the matrix's edges only the row's own elements.
  static DEVICE void copy(uint4* to, const Logits<E>& logits, int first) {
    if (logits.readable(first, first + N, 0)) {
      copy_async(to, logits.row + first);
    } else {
      const unsigned(&w)[4] = logits.elements(first).words;
      *to = {w[0], w[1], w[2], w[3]};
    }
  }
};

// A row in the ring's shared memory.
template <class E, class RowLanes>
struct Staged : Vectors<E> {
  using Lanes = Ring<E, RowLanes>;
  using Rows = Vectors<E>;
  Lanes& lanes;
  // The class to which probability shift gives another logit in the target.
  int shifted = -1;
  float shifted_logit = 0.0f;

  DEVICE Staged(Lanes& lanes, const Rows& rows) : Rows(rows), lanes(lanes) {}

  template <class F>
  DEVICE void each(F f) const {
    sweep([&](const Place& at) { visit(at, f); });
  }

  template <class F>
  DEVICE void last(F f) const {
    const auto source = lanes.next_row();
    const int to_next_row = Rows::offset - source.rows.offset;
    sweep([&](const Place& at) {
      visit(at, f);
      lanes.replace(source, {at.student, at.teacher, at.first + to_next_row});
    });
    lanes.prefetched = true;
  }

  template <class F>
  DEVICE void revisit(int first, F f) const {
    const int step = (first + Rows::offset) / Rows::N / static_cast<int>(Lanes::lanes());
    visit(lanes.place(*this, step), f);
  }

  DEVICE void exchange_logits(int top, float label) {
    shifted = top;
    shifted_logit = label;
  }

 private:
  using Place = typename Lanes::Place;

  // Calls f with all chunks of this lane, as they arrive.
  template <class F>
  DEVICE void sweep(F f) const {
    Place at = lanes.place(*this, 0);
    for (int step = 0; step < lanes.steps;) {
      lanes.wait_for(step);
#pragma unroll 1
      for (; step < lanes.arrived; ++step, Lanes::advance(at)) f(at);
    }
  }

  template <class F>
  DEVICE void visit(const Place& at, F f) const {
    if (at.first >= Rows::classes()) return;
    using Row = Logits<E>;
    const int shift = Rows::teacher_shift;
    const uint4 t = *at.teacher;
    auto pair = Rows::mask(at.first, {Row::packed(*at.student),
                                     shift == 0 ? Row::packed(t) : Row::realigned(t, at.teacher[1], shift)});
    if (shifted >= 0) Rows::exchange(at.first, pair, shifted, shifted_logit);
    f(Rows::chunk(at.first, pair));
  }
};
