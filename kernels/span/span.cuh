// A span: how the lanes of a row hold its logits. Here are Registers, and Stream, which reads the row anew
// for every sweep: both for a student and a teacher of one type, in chunks that start at vector boundaries
// of the student's row. ring.cuh, split.cuh and any.cuh have the others.
//
// A sweep (`each`) gives each lane its chunks of SIZE classes. The label's class, which the row program
// keeps apart, and classes outside the row are masked in both rows, so that sweeps need no conditions.
// `last` is the sweep after which no lane reads the row again, and `revisit` gives one chunk once more.
// `store` writes the gradient, chunk by chunk.
#pragma once
#include "lanes/reduce.cuh"
#include "machine/params.cuh"
#include "span/logits.cuh"

// Packed as in memory; reading an element widens it.
template <class E, int N>
struct Chunk {
  static constexpr int SIZE = N;
  int first;
  Packed<E, N> s, t;
};

// A student's and a teacher's row in vectors, and the place of the gradient.
template <class E>
struct Vectors {
  using Element = E;
  static constexpr int N = E::PER_VECTOR;
  // Whether the span can exchange logits for probability shift.
  static constexpr bool HAS_PROBABILITY_SHIFT = true;
  using Packing = Packed<E, N>;
  struct PackedPair {
    Packing s, t;
  };

  Logits<E> student, teacher;
  typename E::Bits* gradient;
  int y;
  // Elements between the row's start and the vector boundary at or before it, and between that boundary and
  // the teacher's.
  int offset, teacher_shift;
  // A chunk lies wholly within the row if its first class is one of the first `whole`. It is stored as a
  // vector if that is one of the first `stored_whole`: as many, or 0 where the gradient's chunks do not
  // start at vector boundaries.
  int whole, stored_whole;

  DEVICE Vectors(const RowParams& params, const Buffers& buffers, unsigned row, int y)
      : student(buffers.student, params.rows, row, params.student_stride, params.classes),
        teacher(buffers.teacher, params.rows, row, params.teacher_stride, params.classes),
        gradient(static_cast<typename E::Bits*>(buffers.gradient)),
        y(y),
        offset(student.misalignment(0)),
        teacher_shift(teacher.misalignment(-offset)) {
    if (gradient) gradient += static_cast<long>(row) * params.gradient_stride;
    whole = classes() < N ? 0 : classes() - N + 1;
    stored_whole = (reinterpret_cast<unsigned long>(gradient - offset) & 15) == 0 ? whole : 0;
    opaque(gradient);
    opaque(whole);
    opaque(stored_whole);
  }

  DEVICE int classes() const { return student.classes; }
  DEVICE bool has_gradient() const { return gradient != nullptr; }
  DEVICE float student_at(int c) const { return student.at(c); }
  DEVICE float teacher_at(int c) const { return teacher.at(c); }

  // Whether the matrices have the whole of all vectors that the row's chunks touch.
  DEVICE bool in_whole_vectors() const {
    const int end = (classes() + offset + N - 1) / N * N - offset;
    const int end_of_teacher = end + (teacher_shift == 0 ? 0 : N - teacher_shift);
    return student.readable(-offset, 0, end) && teacher.readable(-offset - teacher_shift, 0, end_of_teacher);
  }

  DEVICE PackedPair load(int first) const {
    return mask(first, {student.load(first, 0), teacher.load(first, teacher_shift)});
  }

  // Class `c`, counted from a chunk's first; N or more where the chunk does not have it. Unsigned, because
  // the difference of −7 and almost 2³¹ is no int.
  static DEVICE unsigned index_in_chunk(int first, int c) { return unsigned(c) - unsigned(first); }

  // Masks the label's class and what is outside the row. The chunk begins before the row's end.
  DEVICE PackedPair mask(int first, PackedPair pair) const {
    const unsigned label = index_in_chunk(first, y);
    if (unsigned(first) < unsigned(whole) && label >= N) return pair;
    // More than 2³¹ where a row of almost as many classes begins within a vector.
    const unsigned end = index_in_chunk(first, classes());
    unsigned outside = first < 0 ? (1u << -first) - 1 : 0;
    if (end < N) outside |= ~0u << end;
    if (label < N) outside |= 1u << label;
    pair.s.set_where(outside, E::MASKED);
    pair.t.set_where(outside, E::MASKED);
    return pair;
  }

  // Gives the class `top` the label's logit in the target.
  static DEVICE void exchange(int first, PackedPair& pair, int top, float label) {
    if (index_in_chunk(first, top) < N) pair.t.set_where(1u << index_in_chunk(first, top), E::narrow(label));
  }

  static DEVICE Chunk<E, N> chunk(int first, const PackedPair& pair) { return {first, pair.s, pair.t}; }

  DEVICE void store(int first, const float (&g)[N]) const {
    Packing packed = Packing::of(g);
    if (unsigned(first) < unsigned(stored_whole)) {
      const unsigned* w = packed.words;
      store_streaming(gradient + first, uint4{w[0], w[1], w[2], w[3]});
      return;
    }
#pragma unroll 1
    for (unsigned c = first; c != unsigned(first) + N; ++c) {
      const auto bits = packed.shift_in(0);
      if (c < unsigned(classes())) store_element(gradient + int(c), bits);
    }
  }

  DEVICE void store(int c, float g) const { store_element(gradient + c, E::narrow(g)); }
};

// The whole row in registers: at most lanes · STEPS chunks.
template <class E, class RowLanes, int STEPS>
struct Registers : Vectors<E> {
  using Lanes = RowLanes;
  using Rows = Vectors<E>;
  Lanes& lanes;
  typename Rows::PackedPair pair[STEPS];

  DEVICE Registers(Lanes& lanes, const Rows& rows) : Rows(rows), lanes(lanes) {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) {
      if (at(step) < rows.classes()) {
        pair[step] = rows.load(at(step));
      } else {
        pair[step].s.set_where(~0u, E::MASKED);
        pair[step].t.set_where(~0u, E::MASKED);
      }
    }
  }

  DEVICE int at(int step) const {
    return (step * static_cast<int>(Lanes::lanes()) + static_cast<int>(Lanes::lane())) * Rows::N - Rows::offset;
  }

  template <class F>
  DEVICE void each(F f) const {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) f(Rows::chunk(at(step), pair[step]));
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }

  // This lane's chunk that starts at `first`.
  template <class F>
  DEVICE void revisit(int first, F f) const {
    auto found = pair[0];
#pragma unroll
    for (int step = 1; step < STEPS; ++step) {
      if (at(step) == first) found = pair[step];
    }
    f(Rows::chunk(first, found));
  }

  // Probability shift: from now on the class `top` has the label's logit in the target.
  DEVICE void exchange_logits(int top, float label) {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) Rows::exchange(at(step), pair[step], top, label);
  }
};

// The row in memory, read anew for every sweep; from a cache, as long as one holds it.
template <class E, class RowLanes>
struct Stream : Vectors<E> {
  using Lanes = RowLanes;
  using Rows = Vectors<E>;
  Lanes& lanes;
  // The class to which probability shift gives another logit in the target.
  int shifted = -1;
  float shifted_logit = 0.0f;

  DEVICE Stream(Lanes& lanes, const Rows& rows) : Rows(rows), lanes(lanes) {}

  template <class F>
  DEVICE void each(F f) const {
    const long step = static_cast<long>(Lanes::lanes()) * Rows::N;
    const long begin = static_cast<long>(Lanes::lane()) * Rows::N - Rows::offset;
#pragma unroll 1
    for (long first = begin; first < Rows::classes(); first += step) {
      revisit(static_cast<int>(first), f);
    }
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }

  template <class F>
  DEVICE void revisit(int first, F f) const {
    auto pair = Rows::load(first);
    if (shifted >= 0) Rows::exchange(first, pair, shifted, shifted_logit);
    f(Rows::chunk(first, pair));
  }

  DEVICE void exchange_logits(int top, float label) {
    shifted = top;
    shifted_logit = label;
  }
};
