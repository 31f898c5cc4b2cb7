// From kernels to rows: which lanes share a row, and how they hold it. Which kernel runs is decided in
// src/cuda/regime.rs.
//
//   row_any      every specification and any two types, a block per row, element by element
//   row_stream   forward KL, a block per row, in vectors, read anew for every sweep: any V
//   row_group8, row_group16, row_warp, row_block   forward KL, 8, 16 or 32 lanes or a block per row,
//                everything in registers: at most lanes · STEPS vectors
//   row_split_*  forward KL without probability shift, several blocks per row, a launch for each phase
//   row_ring     forward KL, a block for one row after the other, in the shared memory that it is given
//   row_cluster  the same for a cluster of blocks, of compute capability 9.0 on
#pragma once
#include "any_span.cuh"
#include "ring.cuh"
#include "row.cuh"
#include "split.cuh"

template <class Span>
DEVICE void rows_of_groups(const RowParams& params, const Buffers& buffers) {
  typename Span::Lanes lanes;
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    row_of<false, Span>(params, buffers, row, lanes);
  }
}

template <bool ANY, class Span>
DEVICE void rows_of_blocks(const RowParams& params, const Buffers& buffers) {
  SHARED(Block::Partials, partials);
  Block lanes(partials);
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    row_of<ANY, Span>(params, buffers, row, lanes);
  }
}

template <class E, class Together>
DEVICE void rows_of_rings(const RowParams& params, const Buffers& buffers) {
  SHARED(typename Together::Partials, partials);
  SHARED_BY_HOST(uint4, memory);
  Ring<E, Together> lanes(partials, memory, params, buffers);
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    lanes.begin();
    row_of<false, Staged<E, Together>>(params, buffers, row, lanes);
    lanes.hand_over();
  }
}

template <class E, unsigned PHASE>
DEVICE void rows_of_parts(const RowParams& params, const Buffers& buffers) {
  SHARED(Block::Partials, partials);
  Split<PHASE> lanes(partials, buffers.parts);
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    lanes.begin(row);
    row_of<false, Part<E, PHASE>>(params, buffers, row, lanes);
  }
}

#define ROW_KERNEL(name, threads, blocks, body)                                                  \
  KERNEL __launch_bounds__(threads, blocks)                                                      \
      name(const __grid_constant__ RowParams params, const __grid_constant__ Buffers buffers) { \
    body(params, buffers);                                                                       \
  }
#define SMALL_ROW_KERNELS(E, type)                                                        \
  ROW_KERNEL(row_group8_##type, 256, 3, (rows_of_groups<Registers<E, Group<8>, 1>>))      \
  ROW_KERNEL(row_group16_##type, 256, 2, (rows_of_groups<Registers<E, Group<16>, 2>>))    \
  ROW_KERNEL(row_stream_##type, 512, 1, (rows_of_blocks<false, Stream<E, Block>>))
#define LARGE_ROW_KERNELS(E, type)                                                        \
  ROW_KERNEL(row_warp_##type, 256, 2, (rows_of_groups<Registers<E, Group<32>, 4>>))       \
  ROW_KERNEL(row_block_##type, 512, 1, (rows_of_blocks<false, Registers<E, Block, 4>>))
#define SPLIT_ROW_KERNELS(E, type)                                                          \
  ROW_KERNEL(row_split_extremes_##type, 128, 4, (rows_of_parts<E, OF_EXTREMES>))            \
  ROW_KERNEL(row_split_sums_##type, 128, 4, (rows_of_parts<E, OF_SUMS>))                    \
  ROW_KERNEL(row_split_gradient_##type, 128, 4, (rows_of_parts<E, OF_GRADIENT>))            \
  ROW_KERNEL(row_split_record_##type, 128, 4, (rows_of_parts<E, OF_RECORD>))
#define RING_ROW_KERNELS(E, type) ROW_KERNEL(row_ring_##type, 512, 1, (rows_of_rings<E, Block>))
#define CLUSTER_ROW_KERNELS(E, type) ROW_KERNEL(row_cluster_##type, 512, 1, (rows_of_rings<E, Cluster>))
