// What AddressSanitizer and ThreadSanitizer have to be told. The emulator itself is compiled without
// them; SIMT_ASAN or SIMT_TSAN says that the kernels are compiled with one.
#pragma once
#include <cstddef>

#if defined(SIMT_ASAN)
extern "C" {
void __asan_poison_memory_region(const volatile void*, size_t);
void __asan_unpoison_memory_region(const volatile void*, size_t);
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* size);
}
#elif defined(SIMT_TSAN)
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __tsan_read_range(void* address, unsigned long size);
void __tsan_write_range(void* address, unsigned long size);
}
#endif

namespace simt {

// Nobody may touch these bytes from now on.
inline void forbid([[maybe_unused]] const void* at, [[maybe_unused]] size_t bytes) {
#if defined(SIMT_ASAN)
  __asan_poison_memory_region(at, bytes);
#endif
}

inline void permit([[maybe_unused]] const void* at, [[maybe_unused]] size_t bytes) {
#if defined(SIMT_ASAN)
  __asan_unpoison_memory_region(at, bytes);
#endif
}

// What was done before a release is done for whoever acquires the same address afterwards.
inline void release([[maybe_unused]] void* at) {
#if defined(SIMT_TSAN)
  __tsan_release(at);
#endif
}

inline void acquire([[maybe_unused]] void* at) {
#if defined(SIMT_TSAN)
  __tsan_acquire(at);
#endif
}

// Accesses that the emulator makes in the name of the running CUDA thread.
inline void reads([[maybe_unused]] const void* at, [[maybe_unused]] size_t bytes) {
#if defined(SIMT_TSAN)
  __tsan_read_range(const_cast<void*>(at), bytes);
#endif
}

inline void writes([[maybe_unused]] void* at, [[maybe_unused]] size_t bytes) {
#if defined(SIMT_TSAN)
  __tsan_write_range(at, bytes);
#endif
}

}  // namespace simt
