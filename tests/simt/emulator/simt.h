// CUDA C++ on the CPU, for tests: what a kernel's source sees instead of the CUDA headers.
//
// Every CUDA thread is a fiber, and the emulator decides who runs next, by a seed. It finds what a
// GPU would let pass now and punish later:
//   - barriers of a block or of a cluster that some threads do not reach, masks that name absent lanes,
//     threads that wait for each other: it stops with a message;
//   - shared memory of another block of the cluster, if that may not have begun or has returned;
//   - shared memory that is read before it is written: it starts as NaN;
//   - asynchronous copies that are not waited for: they land as late as is legal, and are NaN before;
//   - under AddressSanitizer accesses beyond a shared object, and copies that are touched early;
//   - under ThreadSanitizer accesses that no barrier orders. Shuffles order nothing, as on a GPU.
// Approximate functions have the errors that their documentation allows.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__ __attribute__((visibility("default")))
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
#define __grid_constant__

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};

namespace simt {

// Where a thread is.
struct Position {
  uint3 thread_index, block_index;
  dim3 block_dim, grid_dim;
  unsigned cluster_rank, cluster_size;
};

// What lanes of a warp do together.
enum class Meeting : uint8_t { Sync, Shuffle, Ballot };

struct Thread;
extern thread_local Thread* running;
extern thread_local const Position* position;

#if defined(SIMT_TSAN)
__attribute__((no_sanitize_thread, noinline))
#endif
inline const Position&
here() {
  return *position;
}

// Runs a kernel over a grid, in clusters of so many blocks along x; `seed` 0 runs threads in order,
// others shuffle them.
void launch(dim3 grid, dim3 block, size_t shared_bytes, uint64_t seed,
            const std::function<void()>& kernel, unsigned cluster_size = 1);

// Bytes of logits and gradients that this thread's launches have moved.
struct Moved {
  uint64_t read, written;
};
void count_read(uint64_t bytes);
void count_written(uint64_t bytes);
// What has been counted since it was last asked for.
Moved moved();

void sync_block(const char* where);
void sync_cluster(const char* where);
// Where the block with this rank in the cluster has what this one has at `at`, in shared memory.
void* of_peer(const void* at, unsigned rank);
uint64_t meet(Meeting meeting, unsigned mask, uint64_t value, unsigned source, const char* operation);
unsigned lane();
void* shared_object(const void* key, size_t bytes, size_t alignment);
void* dynamic_shared();

// cp.async: a thread's copies in groups; `wait_for_copies(n)` waits until at most the n latest are in flight.
void copy_async(void* to, const void* from, size_t bytes);
void commit_copies();
void wait_for_copies(unsigned pending);
// cp.async.bulk and its barriers in shared memory.
void mbarrier_init(void* mbarrier, unsigned arrivals);
void mbarrier_arrive(void* mbarrier, size_t expected_bytes);
void copy_bulk(void* to, const void* from, size_t bytes, void* mbarrier);
void mbarrier_wait(void* mbarrier, unsigned parity);

// A shared object; `Tag` is a type of its own for each declaration.
template <class T, class Tag>
T& shared(Tag) {
  static const char key = 0;
  return *static_cast<T*>(shared_object(&key, sizeof(T), alignof(T)));
}

template <class T>
T exchange(unsigned mask, T value, unsigned source, const char* operation) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = meet(Meeting::Shuffle, mask, bits, source, operation);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The bits as a float, moved by up to two units in the last place, the same way for the same bits.
float with_allowed_error(float exact, uint32_t argument_bits);

}  // namespace simt

#define threadIdx (simt::here().thread_index)
#define blockIdx (simt::here().block_index)
#define blockDim (simt::here().block_dim)
#define gridDim (simt::here().grid_dim)

#define SIMT_TEXT_(x) #x
#define SIMT_TEXT(x) SIMT_TEXT_(x)
#define __syncthreads() simt::sync_block("__syncthreads at " __FILE__ ":" SIMT_TEXT(__LINE__))
#define __syncwarp(mask) ((void)simt::meet(simt::Meeting::Sync, mask, 0, 0, "__syncwarp"))
#define SIMT_SHARED(T, name) auto& name = simt::shared<T>([] {})

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = simt::lane();
  return simt::exchange(mask, value, (lane & ~(width - 1)) + (source & (width - 1)), "__shfl_sync");
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance) {
  return simt::exchange(mask, value, simt::lane() ^ distance, "__shfl_xor_sync");
}
inline unsigned __ballot_sync(unsigned mask, bool vote) {
  return static_cast<unsigned>(simt::meet(simt::Meeting::Ballot, mask, vote, 0, "__ballot_sync"));
}
inline bool __any_sync(unsigned mask, bool vote) { return __ballot_sync(mask, vote) != 0; }

template <class To, class From>
To simt_bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline int __float_as_int(float x) { return simt_bits<int>(x); }
inline float __int_as_float(int x) { return simt_bits<float>(x); }
inline unsigned __float_as_uint(float x) { return simt_bits<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return simt_bits<float>(x); }
