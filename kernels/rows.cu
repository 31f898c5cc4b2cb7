// Every kernel of the row program: the most threads of a block, the fewest blocks that a multiprocessor has
// registers for, the lanes that share a row, and the span that holds it. src/cuda/regime.rs decides which
// one runs.
//
//   row_any      every specification and any two types, a block per row, element by element
//   row_stream   forward KL, a block per row, in vectors, read anew for every sweep: any V
//   row_group8, row_group16, row_warp, row_block   forward KL, 8, 16 or 32 lanes or a block per row,
//                the whole row in registers: at most lanes · STEPS vectors
//   row_split_*  forward KL without probability shift, several blocks per row, a launch for each phase
//   row_ring     forward KL, a block for one row after the other, in dynamic shared memory
//   row_cluster  the same for a cluster of blocks, from compute capability 9.0 on
//
// A file of ptx/ has one FAMILY of them, for one ELEMENT: scripts/ptx has the table.
#include "row_kernels.cuh"

#define ANY_ROWS(...) ROW_KERNEL(row_any, 512, 1, (rows_of_blocks<true, Elements<Block>>))
#define SMALL_ROWS(E, type)                                                               \
  ROW_KERNEL(row_group8_##type, 256, 3, (rows_of_groups<Registers<E, Group<8>, 1>>))      \
  ROW_KERNEL(row_group16_##type, 256, 2, (rows_of_groups<Registers<E, Group<16>, 2>>))    \
  ROW_KERNEL(row_stream_##type, 512, 1, (rows_of_blocks<false, Stream<E, Block>>))
#define LARGE_ROWS(E, type)                                                               \
  ROW_KERNEL(row_warp_##type, 256, 2, (rows_of_groups<Registers<E, Group<32>, 4>>))       \
  ROW_KERNEL(row_block_##type, 512, 1, (rows_of_blocks<false, Registers<E, Block, 4>>))
#define SPLIT_ROWS(E, type)                                                               \
  ROW_KERNEL(row_split_extremes_##type, 128, 4, (rows_of_parts<E, EXTREMES_PHASE>))       \
  ROW_KERNEL(row_split_sums_##type, 128, 4, (rows_of_parts<E, SUMS_PHASE>))               \
  ROW_KERNEL(row_split_gradient_##type, 128, 4, (rows_of_parts<E, GRADIENT_PHASE>))       \
  ROW_KERNEL(row_split_record_##type, 128, 4, (rows_of_parts<E, RECORD_PHASE>))
#define RING_ROWS(E, type) ROW_KERNEL(row_ring_##type, 512, 1, (rows_of_rings<E, Block>))
#define CLUSTER_ROWS(E, type) ROW_KERNEL(row_cluster_##type, 512, 1, (rows_of_rings<E, Cluster>))
// All of a type, for the emulator.
#define ALL_ROWS(E, type) \
  SMALL_ROWS(E, type) LARGE_ROWS(E, type) SPLIT_ROWS(E, type) RING_ROWS(E, type) CLUSTER_ROWS(E, type)

#ifdef FAMILY
KERNELS(FAMILY, ELEMENT, TYPE)
#endif
