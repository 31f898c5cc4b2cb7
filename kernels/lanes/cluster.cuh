// The lanes of a cluster: blocks that run together, of compute capability 9.0 on, for rows that the
// shared memory of one of them does not hold.
//
// A few numbers per reduction are all that crosses from block to block. Each block writes its own to
// all of them, and all combine the same numbers in the order of the ranks, so that every block has the
// same bits. Nobody reads another block's memory, and what is written to a block is there before the
// barrier that it waits at: after its last reduction a block may leave when it likes.
#pragma once
#include "lanes/reduce.cuh"

struct Cluster : Block {
  static constexpr unsigned MOST_BLOCKS = 8;

  // Two halves in turn, here too, so that one barrier is enough: who writes to a half again has passed
  // the barrier of the reduction between, to which blocks come when they have read it.
  struct Partials {
    Block::Partials of_warps;
    unsigned of_blocks[2][8][MOST_BLOCKS];
  };
  // As in src/cuda/regime.rs.
  static_assert(sizeof(Partials) == 2560);
  Partials& partials;
  unsigned turn = 0;

  // A block that has not begun cannot be written to.
  DEVICE explicit Cluster(Partials& partials) : Block(partials.of_warps), partials(partials) { sync_cluster(); }

  DEVICE void order() const { sync_cluster(); }
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
