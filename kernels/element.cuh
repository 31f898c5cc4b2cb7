// The types that logits come in. Widening is exact, narrowing rounds to the nearest, ties to even.
#pragma once
#include "device.cuh"

struct F32 {
  using Bits = unsigned;
  static constexpr int PER_VECTOR = 4;
  static constexpr unsigned MASKED = 0xff800000;

  static DEVICE float widen(Bits bits) { return __uint_as_float(bits); }
  static DEVICE Bits narrow(float x) { return __float_as_uint(x); }
};

struct F16 {
  using Bits = unsigned short;
  static constexpr int PER_VECTOR = 8;
  static constexpr unsigned MASKED = 0xfc00;

  static DEVICE float widen(Bits bits) { return widen_f16(bits); }
  static DEVICE float widen(unsigned word, bool upper) { return widen_f16(upper ? word >> 16 : word & 0xffff); }
  static DEVICE Bits narrow(float x) { return static_cast<Bits>(narrow_f16(x)); }
};

struct Bf16 {
  using Bits = unsigned short;
  static constexpr int PER_VECTOR = 8;
  static constexpr unsigned MASKED = 0xff80;

  static DEVICE float widen(Bits bits) { return widen_bf16(bits, false); }
  static DEVICE float widen(unsigned word, bool upper) { return widen_bf16(word, upper); }
  static DEVICE Bits narrow(float x) { return static_cast<Bits>(narrow_bf16(x)); }
};

// N consecutive elements, packed as in memory. Loops over `words` are unrolled, so that they stay in
// registers.
template <class E, int N>
struct Packed {
  static constexpr int PER_WORD = 4 / sizeof(typename E::Bits);
  static constexpr int WORDS = (N + PER_WORD - 1) / PER_WORD;
  unsigned words[WORDS];

  DEVICE float get(int i) const {
    const unsigned word = words[i / PER_WORD];
    if constexpr (PER_WORD == 1) {
      return E::widen(word);
    } else {
      return E::widen(word, i % PER_WORD == 1);
    }
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

  // Element i becomes `bits` wherever bit i of `which` is set.
  DEVICE void put(unsigned which, unsigned bits) {
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
      unsigned mask = 0u - (which >> w * PER_WORD & 1);
      if constexpr (PER_WORD == 2) {
        mask = (mask & 0xffff) | (0u - (which >> (w * PER_WORD + 1) & 1)) << 16;
      }
      words[w] = (words[w] & ~mask) | ((PER_WORD == 1 ? bits : bits << 16 | bits) & mask);
    }
  }

  // All elements move down by one place; `last` comes in at the top. The one that leaves is given.
  DEVICE typename E::Bits rotate(unsigned last) {
    const unsigned out = words[0];
#pragma unroll
    for (int w = 0; w < WORDS; ++w) {
      if constexpr (PER_WORD == 1) {
        words[w] = w + 1 < WORDS ? words[w + 1] : last;
      } else {
        words[w] = funnel(words[w], w + 1 < WORDS ? words[w + 1] : last, 16);
      }
    }
    return static_cast<typename E::Bits>(out);
  }
};
