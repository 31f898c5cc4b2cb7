// The interface to the machine: the CUDA compiler's keywords, and the few instructions that C++ has no
// name for. Each has a twin in plain C++, on which the emulator of tests/simt runs these kernels.
#pragma once
#ifdef SIMT
#include "simt.h"
#define SHARED(T, name) SIMT_SHARED(T, name)
#define DYNAMIC_SHARED(T, name) auto* name = static_cast<T*>(simt::dynamic_shared())
#else
#include <cstddef>
#define SHARED(T, name) __shared__ T name
// As many bytes as the launch asks for.
#define DYNAMIC_SHARED(T, name) extern __shared__ T name[]
#endif

#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__ void

constexpr unsigned WARP = 32;
constexpr unsigned WHOLE_WARP = 0xffffffffu;

DEVICE float masked() { return __int_as_float(0xff800000); }
DEVICE float infinity() { return __int_as_float(0x7f800000); }
DEVICE float not_a_number() { return __int_as_float(0x7fffffff); }
DEVICE bool is_nan(float x) { return !(x == x); }
// Finite and not negative.
DEVICE bool is_weight(float x) { return x >= 0.0f && x < infinity(); }

// 2ˣ to within 2 units in the last place; a result that would be subnormal is 0, and 2⁰ is 1.
DEVICE float exp2_approximate(float x) {
#ifdef SIMT
  const float y = std::exp2(x);
  return y < 1.17549435e-38f ? 0.0f : simt::with_allowed_error(y, __float_as_uint(x));
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// 1/x to within a unit in the last place, for an x that is neither subnormal nor above 2¹²⁶.
DEVICE float reciprocal(float x) {
#ifdef SIMT
  return simt::with_allowed_error(1.0f / x, __float_as_uint(x));
#else
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// The larger one, NaN if either is; +0 is larger than −0.
DEVICE float max_or_nan(float a, float b) {
#ifdef SIMT
  if (is_nan(a) || is_nan(b)) return not_a_number();
  return a > b || (a == b && !std::signbit(a)) ? a : b;
#else
  float y;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(a), "f"(b));
  return y;
#endif
}

// The smaller one, or the one that is a number.
DEVICE float min_number(float a, float b) {
#ifdef SIMT
  return is_nan(a) || b < a || (b == a && std::signbit(b)) ? b : a;
#else
  return fminf(a, b);
#endif
}

// a · b, rounded: fused with a difference that comes after it, two equal products would not cancel.
DEVICE float product(float a, float b) {
#ifdef SIMT
  float y = a * b;
  asm("" : "+x"(y));
  return y;
#else
  return __fmul_rn(a, b);
#endif
}

DEVICE float widen_f16(unsigned bits) {
#ifdef SIMT
  return static_cast<float>(simt_bits<_Float16>(static_cast<uint16_t>(bits)));
#else
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(static_cast<unsigned short>(bits)));
  return y;
#endif
}

DEVICE float widen_f16(unsigned word, bool upper) { return widen_f16(upper ? word >> 16 : word & 0xffff); }

// The lower or the upper half of a word. Opaque to the compiler, which would otherwise keep the floats
// of a row in registers from sweep to sweep, beside the words that they come from.
DEVICE float widen_bf16(unsigned word, bool upper) {
#ifdef SIMT
  return __uint_as_float(upper ? word & 0xffff0000 : word << 16);
#else
  float y;
  if (upper) {
    asm volatile("and.b32 %0, %1, 0xffff0000;" : "=f"(y) : "r"(word));
  } else {
    asm volatile("shl.b32 %0, %1, 16;" : "=f"(y) : "r"(word));
  }
  return y;
#endif
}

DEVICE unsigned narrow_f16(float x) {
#ifdef SIMT
  return simt_bits<uint16_t>(static_cast<_Float16>(x));
#else
  unsigned short y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#endif
}

DEVICE unsigned narrow_bf16(float x) {
#ifdef SIMT
  const unsigned bits = __float_as_uint(x);
  if (is_nan(x)) return 0x7fff;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
#else
  unsigned short y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
#endif
}

// Instructions on both halves of a word at once. Where the instruction rounds once, its twin rounds twice.
#ifdef SIMT
#define ON_BOTH_HALVES(name, type, instruction, of_floats)                     \
  DEVICE unsigned name##_##type(unsigned a, unsigned b) {                      \
    const auto of = [](float a, float b) { return narrow_##type(of_floats); }; \
    return of(widen_##type(a, false), widen_##type(b, false)) |                \
           of(widen_##type(a, true), widen_##type(b, true)) << 16;             \
  }
#else
#define ON_BOTH_HALVES(name, type, instruction, of_floats) \
  DEVICE unsigned name##_##type(unsigned a, unsigned b) {  \
    unsigned y;                                            \
    asm(instruction : "=r"(y) : "r"(a), "r"(b));           \
    return y;                                              \
  }
#endif
ON_BOTH_HALVES(max_or_nan, f16, "max.NaN.f16x2 %0, %1, %2;", max_or_nan(a, b))
ON_BOTH_HALVES(max_or_nan, bf16, "max.NaN.bf16x2 %0, %1, %2;", max_or_nan(a, b))
ON_BOTH_HALVES(min, f16, "min.f16x2 %0, %1, %2;", min_number(a, b))
ON_BOTH_HALVES(min, bf16, "min.bf16x2 %0, %1, %2;", min_number(a, b))
ON_BOTH_HALVES(minus_epsilon_times, f16, "{.reg .b32 e; mov.b32 e, 0x80108010; fma.rn.f16x2 %0, %2, e, %1;}",
               a - b * 0x1p-20f)
ON_BOTH_HALVES(minus_epsilon_times, bf16, "{.reg .b32 e; mov.b32 e, 0xb580b580; fma.rn.bf16x2 %0, %2, e, %1;}",
               a - b * 0x1p-20f)

// Hides from the compiler where a value comes from, so that loops do not compute it anew in every round,
// and what was made of it earlier does not stay in registers.
DEVICE void opaque(int& x) { asm volatile("" : "+r"(x)); }
DEVICE void opaque(float& x) {
#ifdef SIMT
  asm volatile("" : "+x"(x));
#else
  asm volatile("" : "+f"(x));
#endif
}
template <class T>
DEVICE void opaque(T*& at) {
#ifdef SIMT
  asm volatile("" : "+r"(at));
#else
  asm volatile("" : "+l"(at));
#endif
}

// Two 32-bit words as one of 64, moved right by `bits` < 32: the lower word.
DEVICE unsigned funnel_shift(unsigned low, unsigned high, unsigned bits) {
#ifdef SIMT
  return static_cast<unsigned>((uint64_t(high) << 32 | low) >> bits);
#else
  return __funnelshift_r(low, high, bits);
#endif
}

// The signs of a word's lower or upper two bytes, two bytes of each.
template <bool UPPER>
DEVICE unsigned spread_signs(unsigned word) {
#ifdef SIMT
  const unsigned bytes = UPPER ? word >> 16 : word;
  return (bytes & 0x80 ? 0xffffu : 0) | (bytes & 0x8000 ? 0xffff0000 : 0);
#else
  unsigned y;
  asm("prmt.b32 %0, %1, 0, %2;" : "=r"(y) : "r"(word), "n"(UPPER ? 0xbbaa : 0x9988));
  return y;
#endif
}

// Accesses to rows of logits and gradients in memory; the emulator counts their bytes.
DEVICE uint4 load_vector(const uint4* at) {
#ifdef SIMT
  simt::count_read(16);
#endif
  return *at;
}
template <class T>
DEVICE T load_element(const T* at) {
#ifdef SIMT
  simt::count_read(sizeof(T));
#endif
  return *at;
}
template <class T>
DEVICE void store_element(T* at, T x) {
#ifdef SIMT
  simt::count_written(sizeof(T));
#endif
  *at = x;
}

// Copies 16 bytes from memory to shared memory asynchronously; both addresses are multiples of 16. The
// copies that a thread has issued since its last commit are one group.
DEVICE void copy_async(void* to, const void* from) {
#ifdef SIMT
  simt::count_read(16);
  simt::copy_async(to, from, 16);
#else
  const auto shared = static_cast<unsigned>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(from) : "memory");
#endif
}
DEVICE void commit_copies() {
#ifdef SIMT
  simt::commit_copies();
#else
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
// Waits until at most PENDING of this thread's groups, the latest ones, are in flight.
template <int PENDING>
DEVICE void wait_for_copies() {
#ifdef SIMT
  simt::wait_for_copies(PENDING);
#else
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

// Stores a vector of a gradient, which this kernel does not read again.
DEVICE void store_streaming(void* at, uint4 v) {
#ifdef SIMT
  simt::count_written(16);
  *static_cast<uint4*>(at) = v;
#else
  asm volatile("st.global.cs.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(at), "r"(v.x), "r"(v.y), "r"(v.z),
               "r"(v.w)
               : "memory");
#endif
}

// The blocks of a cluster run together and reach each other's shared memory. This block's rank among them
// and their number; the index of their cluster and the number of clusters in the grid.
DEVICE unsigned cluster_rank() {
#ifdef SIMT
  return simt::here().cluster_rank;
#else
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
#endif
}
DEVICE unsigned cluster_size() {
#ifdef SIMT
  return simt::here().cluster_size;
#else
  unsigned size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
#endif
}
DEVICE unsigned cluster_index() { return blockIdx.x / cluster_size(); }
DEVICE unsigned cluster_count() { return gridDim.x / cluster_size(); }

// Synchronises all threads of the cluster. What they wrote before, to the shared memory of any of its
// blocks and to memory, is visible to all of them afterwards.
DEVICE void sync_cluster() {
#ifdef SIMT
  simt::sync_cluster("sync_cluster");
#else
  asm volatile("barrier.cluster.arrive.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.aligned;" ::: "memory");
#endif
}

// Stores a word in the shared memory of the block with this rank, where this block has `at`.
DEVICE void store_to_peer(unsigned* at, unsigned rank, unsigned word) {
#ifdef SIMT
  *static_cast<unsigned*>(simt::of_peer(at, rank)) = word;
#else
  unsigned there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;"
      : "=r"(there)
      : "r"(static_cast<unsigned>(__cvta_generic_to_shared(at))), "r"(rank));
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(there), "r"(word) : "memory");
#endif
}
