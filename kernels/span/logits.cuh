// Loads a row's logits in vectors of 16 bytes, also where the row is not aligned.
#pragma once
#include "machine/element.cuh"

// One row of a matrix in memory.
template <class E>
struct Logits {
  using Bits = typename E::Bits;
  static constexpr int N = E::PER_VECTOR;
  const Bits* row;
  // What may be read: elements of the whole matrix before this row's start and from it on, as far as a
  // vector reaches. At most the last int, so that it is less for a row of almost 2³¹ classes.
  int before, after;
  int classes;

  DEVICE Logits(const void* matrix, unsigned rows, unsigned row, unsigned stride, unsigned classes)
      : row(static_cast<const Bits*>(matrix) + static_cast<long>(row) * stride),
        before(reach(row, stride)),
        after(until(reach(rows - 1 - row, stride), static_cast<int>(classes))),
        classes(static_cast<int>(classes)) {
    opaque(before);
    opaque(after);
  }

  static DEVICE int reach(unsigned rows, unsigned stride) {
    const unsigned long elements = static_cast<unsigned long>(rows) * stride;
    return elements < 2 * N ? static_cast<int>(elements) : 2 * N;
  }

  static DEVICE int until(int reach, int classes) {
    constexpr int LAST = 0x7fffffff;
    return classes + (reach < LAST - classes ? reach : LAST - classes);
  }

  // Not counted, because all lanes of a row read its label's at once.
  DEVICE float at(int c) const { return E::widen(row[c]); }

  // Elements between `c` and the vector boundary at or before it.
  DEVICE int misalignment(int c) const {
    return static_cast<int>((reinterpret_cast<unsigned long>(row + c) & 15) / sizeof(Bits));
  }

  // N elements from class `first` on, which is `shift` elements behind a vector boundary. Elements outside
  // the row are whatever memory has there, or anything: the caller masks them.
  DEVICE Packed<E, N> load(int first, int shift) const {
    // Whole vectors may be read within the matrix. The elements of neighbouring rows are not used.
    const int from = first - shift;
    // Near the last int a sum would wrap: `readable` subtracts from the end instead.
    if (!readable(from, first, N + (shift == 0 ? 0 : N - shift))) return elements(first);
    const auto* vectors = reinterpret_cast<const uint4*>(row + from);
    const uint4 v = load_vector(vectors);
    return shift == 0 ? packed(v) : realigned(v, load_vector(vectors + 1), shift);
  }

  // Whether the matrix has these elements, counted from the row's start: those from `from` on, and `more`
  // from `first` on.
  DEVICE bool readable(int from, int first, int more) const {
#ifdef SIMT_TSAN
    return from >= 0 && first <= classes - more;
#else
    return from >= -before && first <= after - more;
#endif
  }

  // N elements from `first` on, one by one; masked beyond the row.
  DEVICE Packed<E, N> elements(int first) const {
    Packed<E, N> chunk{};
#pragma unroll 1
    for (unsigned c = first; c != unsigned(first) + N; ++c) {
      chunk.shift_in(c < unsigned(classes) ? load_element(row + int(c)) : E::MASKED);
    }
    return chunk;
  }

  static DEVICE Packed<E, N> packed(uint4 v) { return {{v.x, v.y, v.z, v.w}}; }

  // The N elements that start `shift` into two vectors.
  static DEVICE Packed<E, N> realigned(uint4 a, uint4 b, int shift) {
    const unsigned bytes = static_cast<unsigned>(shift) * unsigned(sizeof(Bits));
    if (bytes & 8) a = {a.z, a.w, b.x, b.y}, b = {b.z, b.w, b.z, b.w};
    if (bytes & 4) a = {a.y, a.z, a.w, b.x}, b.x = b.y;
    const unsigned bits = 8 * (bytes & 3);
    if constexpr (sizeof(Bits) == 4) return packed(a);
    return packed({funnel_shift(a.x, a.y, bits), funnel_shift(a.y, a.z, bits), funnel_shift(a.z, a.w, bits),
                   funnel_shift(a.w, b.x, bits)});
  }
};
