// Fibers for x86-64 (System V): a switch saves the callee's registers and the stack pointer.
#include "fiber.h"

#include <cstdlib>
#include <sys/mman.h>

#include "sanitizer.h"

#if !defined(__x86_64__)
#error "the emulator switches stacks on x86-64 alone"
#endif

extern "C" void simt_switch(void** saved, void* next);
asm(R"(
.text
.globl simt_switch
.hidden simt_switch
.type simt_switch, @function
simt_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size simt_switch, .-simt_switch
)");

namespace simt {
namespace {

struct StackPool {
  char* base = nullptr;
  size_t count = 0;

  void grow(size_t wanted) {
    if (wanted <= count) return;
    if (base) munmap(base, count * STACK_BYTES);
    void* fresh = mmap(nullptr, wanted * STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fresh == MAP_FAILED) std::abort();
    base = static_cast<char*>(fresh);
    count = wanted;
  }
  ~StackPool() {
    if (base) munmap(base, count * STACK_BYTES);
  }
};

// The scheduler's own stack, on which the operating system's thread runs.
struct Home {
  void* stack_pointer = nullptr;
  void* thread_sanitizer = nullptr;
  void* address_sanitizer = nullptr;
  const void* bottom = nullptr;
  size_t size = 0;
};

thread_local StackPool pool;
thread_local Home home;

void switch_home(Fiber& fiber, [[maybe_unused]] void** fake_stack) {
#if defined(SIMT_TSAN)
  __tsan_switch_to_fiber(home.thread_sanitizer, 1);  // 1: switching orders nothing
#elif defined(SIMT_ASAN)
  __sanitizer_start_switch_fiber(fake_stack, home.bottom, home.size);
#endif
  simt_switch(&fiber.stack_pointer, home.stack_pointer);
}

}  // namespace

void reserve_stacks(size_t count) { pool.grow(count); }

void give_stacks(Fiber* fibers, size_t stride, size_t first, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    auto* fiber = reinterpret_cast<Fiber*>(reinterpret_cast<char*>(fibers) + i * stride);
    fiber->stack = pool.base + (first + i) * STACK_BYTES;
  }
}

void prepare(Fiber& fiber, size_t index, void (*entry)()) {
  // Staggered, because stacks at equal offsets would share their cache sets.
  char* top = fiber.stack + STACK_BYTES - (index * 832 & 8191);
  auto* word = reinterpret_cast<void**>(top);
  *--word = nullptr;  // where `entry` would return to
  *--word = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--word = nullptr;
  fiber.stack_pointer = word;
#if defined(SIMT_TSAN)
  home.thread_sanitizer = __tsan_get_current_fiber();
  fiber.thread_sanitizer = __tsan_create_fiber(0);
#endif
}

void entered() {
#if defined(SIMT_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, &home.bottom, &home.size);
#endif
}

void resume(Fiber& fiber) {
#if defined(SIMT_TSAN)
  __tsan_switch_to_fiber(fiber.thread_sanitizer, 1);
#elif defined(SIMT_ASAN)
  __sanitizer_start_switch_fiber(&home.address_sanitizer, fiber.stack, STACK_BYTES);
#endif
  simt_switch(&home.stack_pointer, fiber.stack_pointer);
#if defined(SIMT_ASAN)
  __sanitizer_finish_switch_fiber(home.address_sanitizer, nullptr, nullptr);
#endif
}

void suspend(Fiber& fiber) {
  switch_home(fiber, &fiber.address_sanitizer);
#if defined(SIMT_ASAN)
  __sanitizer_finish_switch_fiber(fiber.address_sanitizer, nullptr, nullptr);
#endif
}

void leave(Fiber& fiber) {
  switch_home(fiber, nullptr);
  std::abort();
}

void dispose([[maybe_unused]] Fiber& fiber) {
#if defined(SIMT_TSAN)
  __tsan_destroy_fiber(fiber.thread_sanitizer);
#endif
}

}  // namespace simt
