// A stack of one's own for each CUDA thread: the emulator switches between them by hand, so that it,
// and not an operating system, decides who runs next.
#pragma once
#include <cstddef>

namespace simt {

struct Fiber {
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  // What the sanitizers have to remember of a fiber that is not running.
  void* thread_sanitizer = nullptr;
  void* address_sanitizer = nullptr;
};

constexpr size_t STACK_BYTES = 64 << 10;  // address space; only touched pages cost memory

// Makes a pool of so many stacks, which the operating system's thread keeps, as long as nobody runs.
void reserve_stacks(size_t count);
// Gives each of `count` fibers a stack of the pool, from its `first` on.
void give_stacks(Fiber* fibers, size_t stride, size_t first, size_t count);
// Prepares a fiber to run `entry`, which must end in `leave`.
void prepare(Fiber& fiber, size_t index, void (*entry)());
// The first words of `entry`, the only place where a fiber learns that it has been started.
void entered();
// From the scheduler into a fiber, until that suspends itself.
void resume(Fiber& fiber);
// From a fiber back into the scheduler, until that resumes it.
void suspend(Fiber& fiber);
// From a fiber into the scheduler, for good.
[[noreturn]] void leave(Fiber& fiber);
// Frees what `prepare` took.
void dispose(Fiber& fiber);

}  // namespace simt
