// Chunks of a row's logits: vectors of 16 bytes wherever they lie, also where the row is not aligned.
#pragma once
#include "element.cuh"

// One row of a matrix in memory.
template <class E>
struct Logits {
  using Bits = typename E::Bits;
  const Bits* row;
  // Elements of the whole matrix before this row and from its start on: what may be read.
  long before, after;
  int classes;

  DEVICE Logits(const void* matrix, unsigned rows, unsigned row, unsigned stride, unsigned classes)
      : row(static_cast<const Bits*>(matrix) + static_cast<long>(row) * stride),
        before(static_cast<long>(row) * stride),
        after(static_cast<long>(rows - 1 - row) * stride + classes),
        classes(static_cast<int>(classes)) {}

  DEVICE float at(int c) const { return E::widen(row[c]); }

  // Elements between `c` and the vector boundary at or before it.
  DEVICE int misalignment(int c) const {
    return static_cast<int>((reinterpret_cast<unsigned long>(row + c) & 15) / sizeof(Bits));
  }

  // N elements from class `first` on, which lies `shift` elements behind a vector boundary. Outside
  // the row it gives what is there, or nothing certain: the caller masks it.
  static constexpr int N = E::PER_VECTOR;
  DEVICE Packed<E, N> load(int first, int shift) const {
    // Whole vectors may be read within the matrix. The neighbours' elements are not looked at.
    const int from = first - shift, to = first + N + (shift == 0 ? 0 : N - shift);
#ifdef SIMT_TSAN
    const bool legal = from >= 0 && to <= classes;
#else
    const bool legal = from >= -before && to <= after;
#endif
    Packed<E, N> chunk{};
    if (!legal) {
#pragma unroll 1
      for (int c = first; c < first + N; ++c) {
        chunk.rotate(unsigned(c) < unsigned(classes) ? row[c] : E::MASKED);
      }
      return chunk;
    }
    const auto* vectors = reinterpret_cast<const uint4*>(row + from);
    uint4 v = vectors[0];
    if (shift != 0) v = realigned(v, vectors[1], shift * unsigned(sizeof(Bits)));
    chunk.words[0] = v.x;
    chunk.words[1] = v.y;
    chunk.words[2] = v.z;
    chunk.words[3] = v.w;
    return chunk;
  }

 private:
  // The 16 bytes that start `bytes` < 16 into two vectors.
  static DEVICE uint4 realigned(uint4 a, uint4 b, unsigned bytes) {
    if (bytes & 8) a = {a.z, a.w, b.x, b.y}, b = {b.z, b.w, b.z, b.w};
    if (bytes & 4) a = {a.y, a.z, a.w, b.x}, b.x = b.y;
    const unsigned bits = 8 * (bytes & 3);
    if constexpr (sizeof(Bits) == 4) return a;
    return {funnel(a.x, a.y, bits), funnel(a.y, a.z, bits), funnel(a.z, a.w, bits),
            funnel(a.w, b.x, bits)};
  }
};
