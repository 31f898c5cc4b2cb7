// Asynchronous copies into shared memory. They land as late as is legal, and until then their bytes
// are NaN, and forbidden under AddressSanitizer: a kernel that forgets to wait cannot pass.
#include <cstring>
#include <iterator>

#include "block.h"
#include "sanitizer.h"

namespace simt {
namespace {

bool aligned(const void* at, size_t bytes) { return reinterpret_cast<uintptr_t>(at) % bytes == 0; }

}  // namespace

bool Block::is_shared(const void* at) const {
  const auto* p = static_cast<const char*>(at);
  const bool in_objects = static_.get() <= p && p < static_.get() + static_used_;
  return in_objects || (dynamic_.get() <= p && p < dynamic_.get() + dynamic_bytes_);
}

void Block::start_copy(const Copy& copy, const char* operation) {
  if (!is_shared(copy.to)) fail("%s: the destination is not shared memory", operation);
  // Those under way do not overlap, so that the last one that begins before this one ends decides.
  const auto after = under_way_.lower_bound(copy.to + copy.bytes);
  if (after != under_way_.begin()) {
    const auto& [to, bytes] = *std::prev(after);
    if (copy.to < to + bytes) {
      fail("%s: a stage is reused while a copy into it is still under way", operation);
    }
  }
  writes(copy.to, copy.bytes);
  std::memset(copy.to, 0xff, copy.bytes);
  forbid(copy.to, copy.bytes);
  under_way_[copy.to] = copy.bytes;
}

void Block::land(const Copy& copy) {
  permit(copy.to, copy.bytes);
  reads(copy.from, copy.bytes);
  writes(copy.to, copy.bytes);
  std::memcpy(copy.to, copy.from, copy.bytes);
  under_way_.erase(copy.to);
}

void Block::copy_async(Thread& thread, void* to, const void* from, size_t bytes) {
  if (bytes != 4 && bytes != 8 && bytes != 16) fail("cp.async: %zu bytes", bytes);
  if (!aligned(to, bytes) || !aligned(from, bytes)) fail("cp.async: not aligned to %zu bytes", bytes);
  const Copy copy{static_cast<char*>(to), static_cast<const char*>(from), bytes};
  start_copy(copy, "cp.async");
  thread.open_group.push_back(copy);
}

void Block::commit_copies(Thread& thread) {
  thread.groups.push_back(std::move(thread.open_group));
  thread.open_group.clear();
}

void Block::wait_for_copies(Thread& thread, unsigned pending) {
  while (thread.groups.size() > pending) {
    for (const Copy& copy : thread.groups.front()) land(copy);
    thread.groups.pop_front();
  }
}

Mbarrier& Block::mbarrier(const void* at, const char* operation) {
  const auto found = mbarriers_.find(at);
  if (found == mbarriers_.end()) fail("%s: this mbarrier has not been initialised", operation);
  return found->second;
}

void Block::mbarrier_init(void* at, unsigned arrivals) {
  if (arrivals == 0) fail("mbarrier.init: 0 arrivals");
  Mbarrier barrier;
  barrier.arrivals_per_phase = barrier.pending = arrivals;
  mbarriers_[at] = barrier;
  writes(at, 8);
}

void Block::complete_phase(Mbarrier& barrier, const char* who) {
  if (barrier.expected_bytes != barrier.bytes_under_way()) {
    fail("%s: wrong byte count: the phase expects %ld bytes, its copies bring %ld", who,
         barrier.expected_bytes, barrier.bytes_under_way());
  }
  for (const Copy& copy : barrier.copies) land(copy);
  barrier.copies.clear();
  barrier.expected_bytes = 0;
  barrier.pending = barrier.arrivals_per_phase;
  barrier.phase += 1;
}

void Block::mbarrier_arrive(Thread&, void* at, size_t bytes) {
  Mbarrier& barrier = mbarrier(at, "mbarrier.arrive");
  // An arrival at the next phase: by now this one's copies have landed.
  if (barrier.pending == 0) complete_phase(barrier, "mbarrier.arrive");
  barrier.pending -= 1;
  barrier.expected_bytes += static_cast<long>(bytes);
  release(at);
  if (barrier.pending == 0 && barrier.expected_bytes == 0 && barrier.copies.empty()) {
    complete_phase(barrier, "mbarrier.arrive");
  }
}

void Block::copy_bulk(void* to, const void* from, size_t bytes, void* at) {
  Mbarrier& barrier = mbarrier(at, "cp.async.bulk");
  if (!aligned(to, 16) || !aligned(from, 16) || bytes % 16 != 0) {
    fail("cp.async.bulk: addresses and the number of bytes must be multiples of 16");
  }
  const Copy copy{static_cast<char*>(to), static_cast<const char*>(from), bytes};
  start_copy(copy, "cp.async.bulk");
  barrier.copies.push_back(copy);
  release(at);
}

void Block::mbarrier_wait(Thread& thread, void* at, unsigned parity) {
  Mbarrier& barrier = mbarrier(at, "mbarrier.wait");
  while ((barrier.phase & 1) == parity) {
    thread.state = State::AtMbarrier;
    thread.operation = "mbarrier.wait";
    thread.mbarrier = at;
    thread.parity = parity;
    suspend(thread.fiber);
    // Resumed when nobody else could go on: the copies land in the name of this thread.
    if ((barrier.phase & 1) == parity && barrier.pending == 0) {
      acquire(at);
      complete_phase(barrier, "mbarrier.wait");
      release(at);
    }
  }
  acquire(at);
}

// When nobody else can go on, those who wait for phases that are complete, or could be.
bool Block::wake_mbarrier_waiters() {
  bool any = false;
  for (Thread& thread : threads_) {
    if (thread.state != State::AtMbarrier) continue;
    const Mbarrier& barrier = mbarrier(thread.mbarrier, "mbarrier.wait");
    if ((barrier.phase & 1) == thread.parity && barrier.pending != 0) continue;
    thread.state = State::Ready;
    any = true;
  }
  return any;
}

}  // namespace simt
