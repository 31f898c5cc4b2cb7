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
#include "lanes/cluster.cuh"
#include "span/span.cuh"

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

  // This lane's chunk of a step: where this block's memory has it, and its first class.
  struct Place {
    uint4 *student, *teacher;
    int first;
  };
  DEVICE Place place(const Vectors<E>& rows, int step) const {
    const int at = step * kept() + static_cast<int>(threadIdx.x);
    const int chunk = step * static_cast<int>(Together::lanes()) + static_cast<int>(Together::lane());
    return {student + at, teacher + at + at / static_cast<int>(WARP), chunk * N - rows.offset};
  }
  // That of the next step. Of the teacher's a warp has one vector more, for rows that lie otherwise
  // than the student's.
  static DEVICE void advance(Place& at) {
    at.student += kept();
    at.teacher += kept() + kept() / static_cast<int>(WARP);
    at.first += static_cast<int>(Together::lanes()) * N;
  }
  // Chunks of a step that this block keeps.
  static DEVICE int kept() { return static_cast<int>(blockDim.x); }

  // The row that is to be copied next. Where there is none, its end lies before all chunks.
  struct Source {
    Vectors<E> rows;
    int end;
    bool whole;
  };
  DEVICE Source next_row() const {
    const Vectors<E> rows(params, buffers, next, -1);
    Source source{rows, next < params.rows ? rows.classes() : -N, rows.in_whole_vectors()};
    keep(source.end);
    keep(source.rows.student.row);
    keep(source.rows.teacher.row);
    return source;
  }

  // Asks for this lane's chunk, as a group of copies.
  DEVICE void fetch(const Source& source, const Place& at) const {
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

  // The lanes of a warp have done what they did with this chunk: the next row's takes its place.
  DEVICE void replace(const Source& source, const Place& at) const {
    __syncwarp(WHOLE_WARP);
    fetch(source, at);
  }

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
    const Source source = next_row();
    Place at = place(source.rows, 0);
#pragma unroll 1
    for (int step = 0; step < steps; ++step, advance(at)) fetch(source, at);
  }

  // A vector of a row; at the matrix's edges only the row's own elements.
  static DEVICE void copy(uint4* to, const Logits<E>& logits, int first) {
    if (logits.readable(first, first + N, 0)) {
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
    sweep([&](const Place& at) { look(at, f); });
  }

  template <class F>
  DEVICE void last(F f) const {
    const auto source = lanes.next_row();
    const int later = Rows::offset - source.rows.offset;
    sweep([&](const Place& at) {
      look(at, f);
      lanes.replace(source, {at.student, at.teacher, at.first + later});
    });
    lanes.handed_over = true;
  }

  template <class F>
  DEVICE void again(int first, F f) const {
    const int step = (first + Rows::offset) / Rows::N / static_cast<int>(Lanes::lanes());
    look(lanes.place(*this, step), f);
  }

  DEVICE void shift(int top, float label) {
    shifted = top;
    shifted_label = label;
  }

 private:
  using Place = typename Lanes::Place;

  // All chunks of this lane, as they arrive.
  template <class F>
  DEVICE void sweep(F f) const {
    Place at = lanes.place(*this, 0);
    for (int step = 0; step < lanes.steps;) {
      lanes.wait_for(step);
#pragma unroll 1
      for (; step < lanes.landed; ++step, Lanes::advance(at)) f(at);
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
