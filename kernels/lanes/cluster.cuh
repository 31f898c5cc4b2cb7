// The lanes of a cluster: blocks that run together, from compute capability 9.0 on, for rows that the
// shared memory of one block does not hold.
//
// Only a few numbers per reduction pass from block to block. Each block writes its own to all of them, and
// all combine the same numbers in the order of the ranks, so that every block has the same bits. No block
// reads another block's memory, and what is written to a block arrives before the barrier at which it
// waits: after its last reduction a block may leave at any time.
#pragma once
#include "lanes/reduce.cuh"

struct Cluster : Block {
  static constexpr unsigned MAX_BLOCKS = 8;

  // Double buffered here too, so that one barrier is enough: a block that writes to a half again has passed
  // the barrier of the reduction between, which blocks reach after they have read that half.
  struct Partials {
    Block::Partials of_warps;
    unsigned of_blocks[2][8][MAX_BLOCKS];
  };
  // As in src/cuda/regime.rs.
  static_assert(sizeof(Partials) == 2560);
  Partials& partials;
  unsigned turn = 0;

  // Waits until all blocks have begun: before, they cannot be written to.
  DEVICE explicit Cluster(Partials& partials) : Block(partials.of_warps), partials(partials) { sync_cluster(); }

  DEVICE void sync() const { sync_cluster(); }
  static DEVICE unsigned lane() { return cluster_rank() * blockDim.x + threadIdx.x; }
  static DEVICE unsigned lanes() { return cluster_size() * blockDim.x; }
  static DEVICE unsigned index() { return cluster_index(); }
  static DEVICE unsigned count() { return cluster_count(); }

  template <class Op, int K, class T>
  DEVICE void reduce(T (&values)[K]) {
    Block::reduce<Op>(values);
    auto& half = partials.of_blocks[turn];
    turn ^= 1;
    if (threadIdx.x < cluster_size()) {
#pragma unroll
      for (int k = 0; k < K; ++k) store_to_peer(&half[k][cluster_rank()], threadIdx.x, bits(values[k]));
    }
    __syncwarp(WHOLE_WARP);
    sync_cluster();
    combine<Op>(values, half, cluster_size());
  }
};
