// Rows of any two types, chosen at run time, element by element; read anew for every sweep.
#pragma once
#include "span/span.cuh"

// One row of some type in memory.
struct AnyRow {
  void* row;
  unsigned format;

  DEVICE AnyRow(const void* matrix, unsigned format, long element)
      : row(nullptr), format(format) {
    const long bytes = format == IS_F32 ? 4 : 2;
    if (matrix) row = static_cast<char*>(const_cast<void*>(matrix)) + element * bytes;
  }

  DEVICE float at(int c) const {
    if (format == IS_F32) return static_cast<const float*>(row)[c];
    const unsigned short bits = static_cast<const unsigned short*>(row)[c];
    return format == IS_F16 ? F16::widen(bits) : Bf16::widen(bits);
  }

  DEVICE void store(int c, float x) const {
    if (format == IS_F32) {
      static_cast<float*>(row)[c] = x;
    } else {
      static_cast<unsigned short*>(row)[c] = format == IS_F16 ? F16::narrow(x) : Bf16::narrow(x);
    }
  }
};

struct AnyRows {
  using Element = F32;
  AnyRow student, teacher, gradient;
  static constexpr bool HAS_PROBABILITY_SHIFT = true;
  int y, count;

  DEVICE AnyRows(const RowParams& params, const Buffers& buffers, unsigned row, int y)
      : student(buffers.student, buffers.student_format, static_cast<long>(row) * params.student_stride),
        teacher(buffers.teacher, buffers.teacher_format, static_cast<long>(row) * params.teacher_stride),
        gradient(buffers.gradient, buffers.student_format, static_cast<long>(row) * params.gradient_stride),
        y(y),
        count(static_cast<int>(params.classes)) {}

  DEVICE int classes() const { return count; }
  DEVICE bool has_gradient() const { return gradient.row != nullptr; }
  DEVICE float student_at(int c) const { return student.at(c); }
  DEVICE float teacher_at(int c) const { return teacher.at(c); }
  DEVICE void store(int c, const float (&g)[1]) const { gradient.store(c, g[0]); }
  DEVICE void store(int c, float g) const { gradient.store(c, g); }
};

template <class RowLanes>
struct Elements : AnyRows {
  using Lanes = RowLanes;
  using Rows = AnyRows;
  Lanes& lanes;
  // The class to which probability shift gives another logit in the target.
  int shifted = -1;
  float shifted_logit = 0.0f;

  DEVICE Elements(Lanes& lanes, const AnyRows& rows) : AnyRows(rows), lanes(lanes) {}

  template <class F>
  DEVICE void each(F f) const {
#pragma unroll 1
    for (long c = Lanes::lane(); c < count; c += Lanes::lanes()) revisit(static_cast<int>(c), f);
  }
  template <class F>
  DEVICE void last(F f) const {
    each(f);
  }

  template <class F>
  DEVICE void revisit(int c, F f) const {
    Chunk<F32, 1> chunk{c, {F32::MASKED}, {F32::MASKED}};
    if (c != y) {
      chunk.s.words[0] = F32::narrow(student.at(c));
      chunk.t.words[0] = F32::narrow(c == shifted ? shifted_logit : teacher.at(c));
    }
    f(chunk);
  }

  DEVICE void exchange_logits(int top, float label) {
    shifted = top;
    shifted_logit = label;
  }
};
