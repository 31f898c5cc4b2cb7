// The blocks of one cluster, which run together; a launch without clusters has clusters of one block.
#pragma once
#include <memory>
#include <vector>

#include "block.h"

namespace simt {

class Cluster {
 public:
  static constexpr unsigned MOST_BLOCKS = 8;

  Cluster(dim3 grid, dim3 dim, size_t dynamic_bytes, unsigned size, const std::function<void()>& kernel,
          uint64_t seed);

  // Runs the cluster of the grid with this first block to its end.
  void run(uint3 first);

  // For the running thread.
  void wait(Thread& thread, const char* operation);
  void* of_peer(const Thread& thread, const void* at, unsigned rank);

 private:
  bool alive() const;
  bool open_barrier(bool stuck);
  bool wake();

  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<unsigned> block_order_;
  uint64_t random_;
  char order_[2] = {};  // addresses for ThreadSanitizer
};

}  // namespace simt
