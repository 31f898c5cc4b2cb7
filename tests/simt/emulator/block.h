// One block of CUDA threads: who waits for whom, shared memory, copies under way.
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "fiber.h"
#include "simt.h"

namespace simt {

constexpr unsigned WARP = 32;
constexpr size_t STATIC_SHARED_BYTES = 48 << 10;
constexpr size_t DYNAMIC_SHARED_BYTES = 227 << 10;

// xorshift64 from this state, which 0 leaves as it is: then the order stays too.
void shuffle(std::vector<unsigned>& order, uint64_t& random);

[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

enum class State : uint8_t { Ready, AtWarp, AtBlock, AtCluster, AtMbarrier, Done };

// An asynchronous copy: its bytes are NaN in shared memory until it lands, and its source is read
// only then.
struct Copy {
  char* to;
  const char* from;
  size_t bytes;
};

// A barrier in shared memory that counts arrivals and bytes.
struct Mbarrier {
  unsigned arrivals_per_phase = 0;
  unsigned pending = 0;
  unsigned phase = 0;
  long expected_bytes = 0;
  std::vector<Copy> copies;

  long bytes_under_way() const {
    long bytes = 0;
    for (const Copy& copy : copies) bytes += static_cast<long>(copy.bytes);
    return bytes;
  }
};

struct Thread : Position {
  Fiber fiber;
  unsigned lane = 0, warp = 0, linear = 0;
  State state = State::Ready;
  // What a waiting thread waits in.
  const char* operation = "";
  // AtWarp: with whom, what it brings, whose it wants, what it got.
  unsigned mask = 0, source = 0;
  Meeting meeting = Meeting::Sync;
  uint64_t offered = 0, received = 0;
  // AtMbarrier.
  const void* mbarrier = nullptr;
  unsigned parity = 0;
  // Barriers passed; two addresses in turn for ThreadSanitizer, so that a fast thread's next
  // barrier orders nothing for a slow one that leaves this one.
  unsigned block_barriers = 0, warp_barriers = 0, cluster_barriers = 0;
  // Copies by cp.async: complete groups, oldest first, and the group that is still open.
  std::deque<std::vector<Copy>> groups;
  std::vector<Copy> open_group;
};

class Block;

// Opens a barrier of this kind when all threads of these blocks have reached it, and says whether it did;
// where all are stuck, one that only some have reached is an error.
bool open_barrier(std::span<Block* const> blocks, State at, const char* kind, bool stuck);

class Block {
 public:
  // With the stacks from `first_stack` on.
  Block(dim3 grid, dim3 dim, size_t dynamic_bytes, const std::function<void()>& kernel, uint64_t seed,
        size_t first_stack);
  ~Block();

  // One block of the grid, from its begin to its end.
  void begin(uint3 index, unsigned rank, unsigned cluster_size);
  // Runs each thread until it waits for somebody else; says whether any moved.
  bool run();
  // Where nobody in the cluster moves: whether a copy's arrival lets a thread go on.
  bool wake();
  void end();
  [[noreturn]] void deadlock();

  std::vector<Thread>& threads() { return threads_; }
  unsigned alive() const { return alive_; }
  // Where this block has what another one has at `at`; null where that has no such thing.
  void* twin(const Block& other, const void* at) const;

  // For the running thread.
  void wait_for_block(Thread& thread, const char* operation);
  uint64_t meet(Thread& thread, Meeting meeting, unsigned mask, uint64_t value, unsigned source,
                const char* operation);
  void* shared_object(const void* key, size_t bytes, size_t alignment);
  void* dynamic_shared() { return dynamic_.get(); }
  void copy_async(Thread& thread, void* to, const void* from, size_t bytes);
  void commit_copies(Thread& thread);
  void wait_for_copies(Thread& thread, unsigned pending);
  void mbarrier_init(void* at, unsigned arrivals);
  void mbarrier_arrive(Thread& thread, void* at, size_t bytes);
  void copy_bulk(void* to, const void* from, size_t bytes, void* mbarrier);
  void mbarrier_wait(Thread& thread, void* at, unsigned parity);

  const std::function<void()>& kernel() const { return kernel_; }
  void finish(Thread& thread);

 private:
  struct Warp {
    unsigned present = 0;
    char order[2] = {};  // addresses for ThreadSanitizer
  };
  struct Object {
    const void* key;
    char* at;
    size_t bytes;
  };

  bool run_warp(unsigned warp);
  bool let_meetings_happen(unsigned warp);
  void complete_meeting(Thread* lanes, unsigned mask);
  bool open_block_barrier(bool stuck);
  bool wake_mbarrier_waiters();
  bool is_shared(const void* at) const;
  void complete_phase(Mbarrier& barrier, const char* who);
  Mbarrier& mbarrier(const void* at, const char* operation);
  void start_copy(const Copy& copy, const char* operation);
  void land(const Copy& copy);

  dim3 grid_, dim_;
  size_t dynamic_bytes_;
  const std::function<void()>& kernel_;
  uint64_t random_;
  unsigned alive_ = 0;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<unsigned> warp_order_, lane_order_;
  char order_[3] = {};  // addresses for ThreadSanitizer: two for barriers, one for the block's end

  struct Free {
    void operator()(char* p) const;
  };
  std::unique_ptr<char, Free> static_, dynamic_;
  size_t static_used_ = 0;
  std::vector<Object> objects_;
  std::map<char*, size_t> under_way_;  // where to, and how many bytes
  std::map<const void*, Mbarrier> mbarriers_;
};

}  // namespace simt
