// The types of logits. Widening is exact, narrowing rounds to the nearest, ties to even.
//
// Functions of words, which hold one element or two: `max_or_nan`, the larger ones, NaN if either is NaN;
// `min`, the smaller ones, ignoring NaN; `minus_epsilon_times`, a − ε·b with an ε so small that the result
// is −∞ only where a is (for b below +∞), and NaN where b is −∞ too.
#pragma once
#include "machine/device.cuh"

struct F32 {
  using Bits = unsigned;
  static constexpr int PER_VECTOR = 4;
  static constexpr unsigned MASKED = 0xff800000;

  static DEVICE float widen(Bits bits) { return __uint_as_float(bits); }
  static DEVICE Bits narrow(float x) { return __float_as_uint(x); }
  static DEVICE bool has_masked(unsigned word) { return word == MASKED; }
  static DEVICE unsigned max_or_nan(unsigned a, unsigned b) { return narrow(::max_or_nan(widen(a), widen(b))); }
  static DEVICE unsigned min(unsigned a, unsigned b) { return narrow(min_number(widen(a), widen(b))); }
  static DEVICE unsigned minus_epsilon_times(unsigned a, unsigned b) { return narrow(widen(a) - widen(b) * 0x1p-30f); }
};

struct F16 {
  using Bits = unsigned short;
  static constexpr int PER_VECTOR = 8;
  static constexpr unsigned MASKED = 0xfc00;

  static DEVICE float widen(Bits bits) { return widen_f16(bits); }
  static DEVICE float widen(unsigned word, bool upper) { return widen_f16(word, upper); }
  static DEVICE Bits narrow(float x) { return static_cast<Bits>(narrow_f16(x)); }
  static DEVICE bool has_masked(unsigned word) { return (word & 0xffff) == MASKED || word >> 16 == MASKED; }
  static DEVICE unsigned max_or_nan(unsigned a, unsigned b) { return max_or_nan_f16(a, b); }
  static DEVICE unsigned min(unsigned a, unsigned b) { return min_f16(a, b); }
  static DEVICE unsigned minus_epsilon_times(unsigned a, unsigned b) { return minus_epsilon_times_f16(a, b); }
};

struct Bf16 {
  using Bits = unsigned short;
  static constexpr int PER_VECTOR = 8;
  static constexpr unsigned MASKED = 0xff80;

  static DEVICE float widen(Bits bits) { return widen_bf16(bits, false); }
  static DEVICE float widen(unsigned word, bool upper) { return widen_bf16(word, upper); }
  static DEVICE Bits narrow(float x) { return static_cast<Bits>(narrow_bf16(x)); }
  static DEVICE bool has_masked(unsigned word) { return (word & 0xffff) == MASKED || word >> 16 == MASKED; }
  static DEVICE unsigned max_or_nan(unsigned a, unsigned b) { return max_or_nan_bf16(a, b); }
  static DEVICE unsigned min(unsigned a, unsigned b) { return min_bf16(a, b); }
  static DEVICE unsigned minus_epsilon_times(unsigned a, unsigned b) { return minus_epsilon_times_bf16(a, b); }
};

// N consecutive elements, packed as in memory. Loops over `words` are unrolled, so that they stay in
// registers.
template <class E, int N>
struct Packed {
  static constexpr int PER_WORD = 4 / sizeof(typename E::Bits);
  static constexpr int WORDS = (N + PER_WORD - 1) / PER_WORD;
  unsigned words[WORDS];

  DEVICE float operator[](int i) const {
    const unsigned word = words[i / PER_WORD];
    if constexpr (PER_WORD == 1) {
      return E::widen(word);
    } else {
      return E::widen(word, i % PER_WORD == 1);
    }
  }

  // The largest element, NaN if one is NaN.
  DEVICE float max() const {
    Packed<E, PER_WORD> max{words[0]};
#pragma unroll
    for (int w = 1; w < WORDS; ++w) max.words[0] = E::max_or_nan(max.words[0], words[w]);
    return PER_WORD == 1 ? max[0] : max_or_nan(max[0], max[PER_WORD - 1]);
  }

  // Notes in `word`, which begins with 0, whether any element is masked here and not in `other`.
  DEVICE void note_only_masked(const Packed& other, unsigned& word) const {
#pragma unroll
    for (int w = 0; w < WORDS; ++w) word = E::min(word, E::minus_epsilon_times(words[w], other.words[w]));
  }

  static DEVICE Packed of(const float (&x)[N]) {
    Packed packed;
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
      packed.words[w] = E::narrow(x[w * PER_WORD]);
      if constexpr (PER_WORD == 2) {
        packed.words[w] |= unsigned(E::narrow(x[w * PER_WORD + 1])) << 16;
      }
    }
    return packed;
  }

  // Sets element i to `bits` wherever bit i of `which` is set.
  DEVICE void set_where(unsigned which, unsigned bits) {
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
      if constexpr (PER_WORD == 1) {
        if (which >> w & 1) words[w] = bits;
      } else {
        // Four bits become the signs of a word's bytes.
        const unsigned signs = (which >> w / 2 * 4 & 15) * 0x10204080;
        const unsigned mask = w % 2 == 0 ? spread_signs<false>(signs) : spread_signs<true>(signs);
        words[w] = (words[w] & ~mask) | ((bits << 16 | bits) & mask);
      }
    }
  }

  // Moves all elements down by one place and puts `last` at the top; returns the one that leaves.
  DEVICE typename E::Bits shift_in(unsigned last) {
    const unsigned out = words[0];
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
      if constexpr (PER_WORD == 1) {
        words[w] = w + 1 < WORDS ? words[w + 1] : last;
      } else {
        words[w] = funnel_shift(words[w], w + 1 < WORDS ? words[w + 1] : last, 16);
      }
    }
    return static_cast<typename E::Bits>(out);
  }
};
