// The scheduler: runs the threads of a block in a seeded order and says where the program is wrong.
#include "block.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "sanitizer.h"

namespace simt {

thread_local Thread* running = nullptr;
thread_local const Position* position = nullptr;

namespace {

thread_local Block* block = nullptr;

constexpr size_t GAP = 128;  // forbidden bytes between shared objects

void entry() {
  entered();
  Thread& thread = *running;
  block->kernel()();
  block->finish(thread);
  leave(thread.fiber);
}

void go(Thread& thread) {
  running = &thread;
  position = &thread;
  resume(thread.fiber);
}

uint64_t next_random(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

}  // namespace

void shuffle(std::vector<unsigned>& order, uint64_t& random) {
  if (random == 0) return;
  for (size_t i = order.size() - 1; i > 0; --i) {
    std::swap(order[i], order[next_random(random) % (i + 1)]);
  }
}

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::fputs("simt: ", stderr);
  std::vfprintf(stderr, format, arguments);
  if (running) {
    const Thread& t = *running;
    std::fprintf(stderr, " (block %u, thread %u)", t.block_index.x, t.linear);
  }
  std::fputc('\n', stderr);
  std::abort();
}

void Block::Free::operator()(char* p) const {
  ::operator delete[](p, std::align_val_t(128));
}

Block::Block(dim3 grid, dim3 dim, size_t dynamic_bytes, const std::function<void()>& kernel,
             uint64_t seed, size_t first_stack)
    : grid_(grid), dim_(dim), dynamic_bytes_(dynamic_bytes), kernel_(kernel), random_(seed) {
  const unsigned count = dim.x * dim.y * dim.z;
  if (count == 0 || count > 1024) fail("a block of %u threads", count);
  if (dynamic_bytes > DYNAMIC_SHARED_BYTES) fail("%zu bytes of dynamic shared memory", dynamic_bytes);
  threads_ = std::vector<Thread>(count);
  warps_.resize((count + WARP - 1) / WARP);
  for (unsigned i = 0; i < warps_.size(); ++i) warp_order_.push_back(i);
  for (unsigned i = 0; i < WARP; ++i) lane_order_.push_back(i);
  auto memory = [](size_t bytes) {
    return static_cast<char*>(::operator new[](bytes, std::align_val_t(128)));
  };
  static_.reset(memory(STATIC_SHARED_BYTES + 64 * GAP));
  dynamic_.reset(memory(std::max<size_t>(dynamic_bytes, 1)));
  static_used_ = STATIC_SHARED_BYTES + 64 * GAP;
  give_stacks(&threads_[0].fiber, sizeof(Thread), first_stack, count);
}

Block::~Block() { permit(static_.get(), STATIC_SHARED_BYTES + 64 * GAP); }

void Block::begin(uint3 index, unsigned rank, unsigned cluster_size) {
  // Shared memory starts as NaN, never as lucky zeros.
  permit(static_.get(), STATIC_SHARED_BYTES + 64 * GAP);
  std::memset(static_.get(), 0xff, static_used_);
  forbid(static_.get(), STATIC_SHARED_BYTES + 64 * GAP);
  std::memset(dynamic_.get(), 0xff, dynamic_bytes_);
  static_used_ = 0;
  objects_.clear();
  under_way_.clear();
  mbarriers_.clear();
  for (Warp& warp : warps_) warp.present = 0;
  alive_ = static_cast<unsigned>(threads_.size());
  for (unsigned i = 0; i < alive_; ++i) {
    Thread& thread = threads_[i];
    thread.thread_index = {i % dim_.x, i / dim_.x % dim_.y, i / (dim_.x * dim_.y)};
    thread.block_index = index;
    thread.block_dim = dim_;
    thread.grid_dim = grid_;
    thread.cluster_rank = rank;
    thread.cluster_size = cluster_size;
    thread.linear = i;
    thread.lane = i % WARP;
    thread.warp = i / WARP;
    thread.state = State::Ready;
    thread.block_barriers = thread.warp_barriers = thread.cluster_barriers = 0;
    warps_[thread.warp].present |= 1u << thread.lane;
    prepare(thread.fiber, i, entry);
  }
}

bool Block::run() {
  if (alive_ == 0) return false;
  block = this;
  shuffle(warp_order_, random_);
  bool moved = false;
  for (unsigned warp : warp_order_) moved |= run_warp(warp);
  running = nullptr;
  return (alive_ > 0 && open_block_barrier(false)) || moved;
}

bool Block::wake() { return alive_ > 0 && (open_block_barrier(true) || wake_mbarrier_waiters()); }

void Block::end() {
  for (Thread& thread : threads_) dispose(thread.fiber);
  acquire(&order_[2]);
}

// Runs a warp until each of its lanes waits for somebody else; says whether any moved.
bool Block::run_warp(unsigned warp) {
  Thread* lanes = &threads_[warp * WARP];
  const unsigned present = warps_[warp].present;
  bool moved = false;
  for (;;) {
    shuffle(lane_order_, random_);
    bool ran = false;
    for (unsigned lane : lane_order_) {
      if ((present >> lane & 1) && lanes[lane].state == State::Ready) {
        go(lanes[lane]);
        ran = true;
      }
    }
    moved |= ran;
    if (!let_meetings_happen(warp) && !ran) return moved;
  }
}

// Lets lanes go on that have all met; says whether any have.
bool Block::let_meetings_happen(unsigned warp) {
  Thread* lanes = &threads_[warp * WARP];
  const unsigned present = warps_[warp].present;
  unsigned waiting = 0, returned = 0;
  for (unsigned l = 0; l < WARP; ++l) {
    if (!(present >> l & 1)) continue;
    waiting |= unsigned(lanes[l].state == State::AtWarp) << l;
    returned |= unsigned(lanes[l].state == State::Done) << l;
  }
  bool any = false;
  for (unsigned left = waiting; left != 0;) {
    const Thread& first = lanes[__builtin_ctz(left)];
    const unsigned mask = first.mask;
    running = const_cast<Thread*>(&first);
    if (mask & ~present) fail("%s: mask %08x names lanes that do not exist", first.operation, mask);
    if (mask & returned) fail("%s: mask %08x names lanes that have returned", first.operation, mask);
    left &= ~mask;
    bool all_here = (mask & ~waiting) == 0;
    for (unsigned l = 0; all_here && l < WARP; ++l) {
      if (!(mask >> l & 1)) continue;
      all_here = lanes[l].mask == mask;
      if (all_here && std::strcmp(lanes[l].operation, first.operation) != 0) {
        fail("lanes of a warp meet in %s and in %s", first.operation, lanes[l].operation);
      }
    }
    if (!all_here) continue;
    complete_meeting(lanes, mask);
    any = true;
  }
  return any;
}

void Block::complete_meeting(Thread* lanes, unsigned mask) {
  unsigned ballot = 0;
  for (unsigned l = 0; l < WARP; ++l) {
    if (mask >> l & 1) ballot |= unsigned(lanes[l].offered != 0) << l;
  }
  for (unsigned l = 0; l < WARP; ++l) {
    if (!(mask >> l & 1)) continue;
    Thread& thread = lanes[l];
    if (thread.meeting == Meeting::Ballot) thread.received = ballot;
    if (thread.meeting == Meeting::Shuffle) {
      if (thread.source >= WARP || !(mask >> thread.source & 1)) {
        running = &thread;
        fail("%s: reads lane %u, which is not in mask %08x", thread.operation, thread.source, mask);
      }
      thread.received = lanes[thread.source].offered;
    }
    thread.state = State::Ready;
  }
}

bool open_barrier(std::span<Block* const> blocks, State at, const char* kind, bool stuck) {
  const Thread* first = nullptr;
  unsigned waiting = 0, alive = 0, all = 0;
  bool copies = false;
  for (Block* block : blocks) {
    alive += block->alive();
    all += static_cast<unsigned>(block->threads().size());
    for (const Thread& thread : block->threads()) {
      copies |= thread.state == State::AtMbarrier;
      if (thread.state != at) continue;
      waiting += 1;
      if (!first) first = &thread;
      if (std::strcmp(thread.operation, first->operation) != 0) {
        fail("divergent %ss: threads wait at %s and at %s", kind, first->operation, thread.operation);
      }
    }
  }
  if (waiting == 0) return false;
  if (waiting == alive && alive != all) {
    fail("divergent %s: %u of %u threads reach %s, the others have returned", kind, waiting, all,
         first->operation);
  }
  if (waiting < all) {
    // A copy may yet land and free others.
    if (stuck && !copies) fail("divergent %s: %u of %u threads reach %s", kind, waiting, all, first->operation);
    return false;
  }
  for (Block* block : blocks) {
    for (Thread& thread : block->threads()) thread.state = State::Ready;
  }
  return true;
}

bool Block::open_block_barrier(bool stuck) {
  Block* const self[] = {this};
  return open_barrier(self, State::AtBlock, "barrier", stuck);
}

void Block::deadlock() {
  for (const Thread& thread : threads_) {
    if (thread.state == State::Done || thread.state == State::Ready) continue;
    running = const_cast<Thread*>(&thread);
    fail("deadlock: nobody can go on; a thread waits in %s, mask %08x", thread.operation, thread.mask);
  }
  fail("deadlock");
}

void Block::finish(Thread& thread) {
  // A group of none may be left.
  const auto is_empty = [](const auto& group) { return group.empty(); };
  if (!thread.open_group.empty() || !std::all_of(thread.groups.begin(), thread.groups.end(), is_empty)) {
    fail("a thread returns with asynchronous copies that it has not waited for");
  }
  thread.state = State::Done;
  alive_ -= 1;
  release(&order_[2]);
}

void Block::wait_for_block(Thread& thread, const char* operation) {
  char* address = &order_[thread.block_barriers++ & 1];
  thread.state = State::AtBlock;
  thread.operation = operation;
  release(address);
  suspend(thread.fiber);
  acquire(address);
}

uint64_t Block::meet(Thread& thread, Meeting meeting, unsigned mask, uint64_t value, unsigned source,
                     const char* operation) {
  if (!(mask >> thread.lane & 1)) {
    fail("%s: the calling lane %u is not in its own mask %08x", operation, thread.lane, mask);
  }
  thread.state = State::AtWarp;
  thread.operation = operation;
  thread.meeting = meeting;
  thread.mask = mask;
  thread.offered = value;
  thread.source = source;
  char* address = &warps_[thread.warp].order[thread.warp_barriers & 1];
  if (meeting == Meeting::Sync) {
    thread.warp_barriers += 1;
    release(address);
  }
  suspend(thread.fiber);
  if (meeting == Meeting::Sync) acquire(address);
  return thread.received;
}

// A shared object lies in the block's memory from its first use on, with forbidden neighbours.
void* Block::shared_object(const void* key, size_t bytes, size_t alignment) {
  for (const Object& object : objects_) {
    if (object.key == key) return object.at;
  }
  const size_t step = std::max(alignment, GAP);
  const size_t at = (static_used_ + GAP / 2 + step - 1) / step * step;
  if (objects_.size() == 32 || at + bytes > STATIC_SHARED_BYTES + 32 * GAP) {
    fail("more than 48 KiB or 32 objects of static shared memory");
  }
  static_used_ = at + bytes;
  char* object = static_.get() + at;
  permit(object, bytes);
  objects_.push_back({key, object, bytes});
  return object;
}

void* Block::twin(const Block& other, const void* at) const {
  const auto* p = static_cast<const char*>(at);
  const char* dynamic = other.dynamic_.get();
  if (dynamic <= p && p < dynamic + dynamic_bytes_) return dynamic_.get() + (p - dynamic);
  for (const Object& theirs : other.objects_) {
    if (p < theirs.at || p >= theirs.at + theirs.bytes) continue;
    for (const Object& mine : objects_) {
      if (mine.key == theirs.key) return mine.at + (p - theirs.at);
    }
  }
  return nullptr;
}

thread_local Moved counted{};

void count_read(uint64_t bytes) { counted.read += bytes; }
void count_written(uint64_t bytes) { counted.written += bytes; }
Moved moved() { return std::exchange(counted, Moved{}); }

void sync_block(const char* where) { block->wait_for_block(*running, where); }

uint64_t meet(Meeting meeting, unsigned mask, uint64_t value, unsigned source, const char* operation) {
  return block->meet(*running, meeting, mask, value, source, operation);
}

unsigned lane() { return running->lane; }

void* shared_object(const void* key, size_t bytes, size_t alignment) {
  return block->shared_object(key, bytes, alignment);
}

void* dynamic_shared() { return block->dynamic_shared(); }

void copy_async(void* to, const void* from, size_t bytes) {
  block->copy_async(*running, to, from, bytes);
}
void commit_copies() { block->commit_copies(*running); }
void wait_for_copies(unsigned pending) { block->wait_for_copies(*running, pending); }
void mbarrier_init(void* at, unsigned arrivals) { block->mbarrier_init(at, arrivals); }
void mbarrier_arrive(void* at, size_t bytes) { block->mbarrier_arrive(*running, at, bytes); }
void copy_bulk(void* to, const void* from, size_t bytes, void* at) {
  block->copy_bulk(to, from, bytes, at);
}
void mbarrier_wait(void* at, unsigned parity) { block->mbarrier_wait(*running, at, parity); }

float with_allowed_error(float exact, uint32_t argument_bits) {
  if (!(exact > 1.2e-38f) || !(exact < 3.3e38f) || exact == 1.0f) return exact;
  const uint32_t hash = (argument_bits ^ argument_bits >> 15) * 0x9E3779B1u;
  return simt_bits<float>(simt_bits<uint32_t>(exact) + (hash >> 29) % 5 - 2);
}

}  // namespace simt
