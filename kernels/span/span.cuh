// How the lanes of a row hold its logits: in registers, or read anew for every sweep.
//
// A span gives the row in chunks of SIZE classes. The label's class, which the row program keeps apart,
// and classes outside the row are masked in both rows, so that sweeps need no conditions. It also writes
// the gradient, chunk by chunk; after the last sweep nobody looks at the row again. Here are the two for
// a student and a teacher of the same type, whose chunks start at vector boundaries of the student's row;
// ring.cuh and any_span.cuh have the others.
#pragma once
#include "span/logits.cuh"
#include "machine/params.cuh"
#include "lanes/reduce.cuh"

// Packed as in memory: whoever looks at an element widens it.
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
  // Whether probability shift is among what it does.
  static constexpr bool SHIFTS = true;
  using Packing = Packed<E, N>;
  struct Raw {
    Packing s, t;
  };

  Logits<E> student, teacher;
  typename E::Bits* gradient;
  int y;
  // Elements between the row's start and the vector boundary before it, and between that and the
  // teacher's.
  int offset, teacher_shift;
  // A chunk is all the row's if its first class is one of the `whole` first ones. The gradient takes it
  // as a vector if it is one of `stored_whole`: as many, or 0 where it does not lie at boundaries.
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
    keep(gradient);
    keep(whole);
    keep(stored_whole);
  }

  DEVICE int classes() const { return student.classes; }
  DEVICE bool has_gradient() const { return gradient != nullptr; }
  DEVICE float student_at(int c) const { return student.at(c); }
  DEVICE float teacher_at(int c) const { return teacher.at(c); }

  // Whether the matrices have all of the vectors that the row's chunks lie in.
  DEVICE bool in_whole_vectors() const {
    const int end = (classes() + offset + N - 1) / N * N - offset;
    const int end_of_teacher = end + (teacher_shift == 0 ? 0 : N - teacher_shift);
    return student.readable(-offset, 0, end) && teacher.readable(-offset - teacher_shift, 0, end_of_teacher);
  }

  DEVICE Raw load(int first) const {
    return mask(first, {student.load(first, 0), teacher.load(first, teacher_shift)});
  }

  // Class `c`, counted from a chunk's first; at least N where the chunk does not have it. Unsigned, because
  // the difference of −7 and almost 2³¹ is no int.
  static DEVICE unsigned within(int first, int c) { return unsigned(c) - unsigned(first); }

  // What is not among the other classes is masked. The chunk begins before the row's end.
  DEVICE Raw mask(int first, Raw raw) const {
    const unsigned label = within(first, y);
    if (unsigned(first) < unsigned(whole) && label >= N) return raw;
    // More than 2³¹ where a row of almost as many begins within a vector.
    const unsigned end = within(first, classes());
    unsigned outside = first < 0 ? (1u << -first) - 1 : 0;
    if (end < N) outside |= ~0u << end;
    if (label < N) outside |= 1u << label;
    raw.s.put(outside, E::MASKED);
    raw.t.put(outside, E::MASKED);
    return raw;
  }

  // In the target the class `top` has the label's logit.
  static DEVICE void exchange(int first, Raw& raw, int top, float label) {
    if (within(first, top) < N) raw.t.put(1u << within(first, top), E::narrow(label));
  }

  static DEVICE Chunk<E, N> chunk(int first, const Raw& raw) { return {first, raw.s, raw.t}; }

  DEVICE void store(int first, const float (&g)[N]) const {
    Packing packed = Packing::of(g);
    if (unsigned(first) < unsigned(stored_whole)) {
      const unsigned* w = packed.words;
      store_streaming(gradient + first, uint4{w[0], w[1], w[2], w[3]});
      return;
    }
#pragma unroll 1
    for (unsigned c = first; c != unsigned(first) + N; ++c) {
      const auto bits = packed.rotate(0);
      if (c < unsigned(classes())) store_element(gradient + int(c), bits);
    }
  }

  DEVICE void store(int c, float g) const { store_element(gradient + c, E::narrow(g)); }
};

// Everything in registers: a row of at most lanes · STEPS chunks.
template <class E, class Together, int STEPS>
struct Registers : Vectors<E> {
  using Lanes = Together;
  using Rows = Vectors<E>;
  Lanes& lanes;
  typename Rows::Raw raw[STEPS];

  DEVICE Registers(Lanes& lanes, const Rows& rows) : Rows(rows), lanes(lanes) {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) {
      if (at(step) < rows.classes()) {
        raw[step] = rows.load(at(step));
      } else {
        raw[step].s.put(~0u, E::MASKED);
        raw[step].t.put(~0u, E::MASKED);
      }
    }
  }

  DEVICE int at(int step) const {
    return (step * static_cast<int>(Lanes::lanes()) + static_cast<int>(Lanes::lane())) * Rows::N - Rows::offset;
  }

  template <class F>
  DEVICE void each(F f) const {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) f(Rows::chunk(at(step), raw[step]));
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }

  // The chunk of this lane that starts at `first`, once more.
  template <class F>
  DEVICE void again(int first, F f) const {
    auto found = raw[0];
#pragma unroll
    for (int step = 1; step < STEPS; ++step) {
      if (at(step) == first) found = raw[step];
    }
    f(Rows::chunk(first, found));
  }

  // Probability shift: in the target the class `top` has the label's logit from now on.
  DEVICE void shift(int top, float label) {
#pragma unroll
    for (int step = 0; step < STEPS; ++step) Rows::exchange(at(step), raw[step], top, label);
  }
};

// The row is read anew for every sweep, from a cache as long as one holds it.
template <class E, class Together>
struct Stream : Vectors<E> {
  using Lanes = Together;
  using Rows = Vectors<E>;
  Lanes& lanes;
  int shifted = -1;
  float shifted_label = 0.0f;

  DEVICE Stream(Lanes& lanes, const Rows& rows) : Rows(rows), lanes(lanes) {}

  template <class F>
  DEVICE void each(F f) const {
    const long step = static_cast<long>(Lanes::lanes()) * Rows::N;
#pragma unroll 1
    for (long first = static_cast<long>(Lanes::lane()) * Rows::N - Rows::offset; first < Rows::classes(); first += step) {
      again(static_cast<int>(first), f);
    }
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }

  template <class F>
  DEVICE void again(int first, F f) const {
    auto raw = Rows::load(first);
    if (shifted >= 0) Rows::exchange(first, raw, shifted, shifted_label);
    f(Rows::chunk(first, raw));
  }

  DEVICE void shift(int top, float label) {
    shifted = top;
    shifted_label = label;
  }
};
