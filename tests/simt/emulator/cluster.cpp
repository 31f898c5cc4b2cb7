// The scheduler above blocks: those of a cluster in turns, in a seeded order.
#include "cluster.h"

#include <algorithm>
#include <array>

#include "sanitizer.h"

namespace simt {
namespace {

thread_local Cluster* cluster = nullptr;

}  // namespace

Cluster::Cluster(dim3 grid, dim3 dim, size_t dynamic_bytes, unsigned size,
                 const std::function<void()>& kernel, uint64_t seed)
    : random_(seed) {
  if (size == 0 || size > MOST_BLOCKS || grid.x % size != 0) {
    fail("clusters of %u blocks in a grid of %u", size, grid.x);
  }
  const size_t threads = size_t(dim.x) * dim.y * dim.z;
  reserve_stacks(size * threads);
  for (unsigned rank = 0; rank < size; ++rank) {
    const uint64_t own_seed = seed == 0 ? 0 : seed + rank;
    blocks_.push_back(std::make_unique<Block>(grid, dim, dynamic_bytes, kernel, own_seed, rank * threads));
    block_order_.push_back(rank);
  }
}

bool Cluster::alive() const {
  for (const auto& block : blocks_) {
    if (block->alive() > 0) return true;
  }
  return false;
}

void Cluster::run(uint3 first) {
  cluster = this;
  const auto size = static_cast<unsigned>(blocks_.size());
  for (unsigned rank = 0; rank < size; ++rank) blocks_[rank]->begin({first.x + rank, first.y, first.z}, rank, size);
  while (alive()) {
    shuffle(block_order_, random_);
    bool moved = false;
    for (unsigned rank : block_order_) moved |= blocks_[rank]->run();
    if (open_barrier(false) || moved || wake()) continue;
    open_barrier(true);
    for (const auto& block : blocks_) {
      if (block->alive() > 0) block->deadlock();
    }
  }
  for (const auto& block : blocks_) block->end();
}

bool Cluster::wake() {
  bool any = false;
  for (const auto& block : blocks_) any |= block->wake();
  return any;
}

bool Cluster::open_barrier(bool stuck) {
  std::array<Block*, MOST_BLOCKS> blocks;
  std::ranges::transform(blocks_, blocks.begin(), [](const auto& block) { return block.get(); });
  return simt::open_barrier({blocks.data(), blocks_.size()}, State::AtCluster, "cluster barrier", stuck);
}

void Cluster::wait(Thread& thread, const char* operation) {
  char* address = &order_[thread.cluster_barriers++ & 1];
  thread.state = State::AtCluster;
  thread.operation = operation;
  release(address);
  suspend(thread.fiber);
  acquire(address);
}

void* Cluster::of_peer(const Thread& thread, const void* at, unsigned rank) {
  if (rank >= blocks_.size()) fail("the shared memory of block %u of a cluster of %zu", rank, blocks_.size());
  Block& peer = *blocks_[rank];
  // All begin together, but which one first nobody knows.
  if (thread.cluster_barriers == 0) fail("the shared memory of block %u of a cluster, which may not have begun", rank);
  if (peer.alive() < peer.threads().size()) fail("the shared memory of block %u of a cluster, which has returned", rank);
  void* there = peer.twin(*blocks_[thread.cluster_rank], at);
  if (!there) fail("what lies at %p is no object of the cluster's shared memory", at);
  return there;
}

void launch(dim3 grid, dim3 dim, size_t shared_bytes, uint64_t seed, const std::function<void()>& kernel,
            unsigned cluster_size) {
  Cluster runner(grid, dim, shared_bytes, cluster_size, kernel, seed * 0x9E3779B97F4A7C15u);
  const uint64_t width = grid.x / cluster_size, clusters = width * grid.y * grid.z;
  for (uint64_t i = 0; i < clusters; ++i) {
    // Odd seeds run them from the last to the first.
    const uint64_t c = seed & 1 ? clusters - 1 - i : i;
    runner.run({unsigned(c % width * cluster_size), unsigned(c / width % grid.y), unsigned(c / (width * grid.y))});
  }
  running = nullptr;
}

void sync_cluster(const char* where) { cluster->wait(*running, where); }
void* of_peer(const void* at, unsigned rank) { return cluster->of_peer(*running, at, rank); }

}  // namespace simt
