// From kernels to rows: which rows a group of lanes, a block or a cluster takes. The kernels are in rows.cu,
// features.cu and batch.cu.
#pragma once
#include "row/row.cuh"
#include "span/any.cuh"
#include "span/ring.cuh"
#include "span/split.cuh"

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

template <class E, class RowLanes>
DEVICE void rows_of_rings(const RowParams& params, const Buffers& buffers) {
  SHARED(typename RowLanes::Partials, partials);
  DYNAMIC_SHARED(uint4, memory);
  Ring<E, RowLanes> lanes(partials, memory, params, buffers);
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    lanes.begin_row();
    row_of<false, Staged<E, RowLanes>>(params, buffers, row, lanes);
    lanes.prefetch_next_row();
  }
}

template <class E, unsigned PHASE>
DEVICE void rows_of_parts(const RowParams& params, const Buffers& buffers) {
  SHARED(Block::Partials, partials);
  Split<PHASE> lanes(partials, buffers.parts);
  for (unsigned row = lanes.index(); row < params.rows; row += lanes.count()) {
    lanes.begin_row(row);
    row_of<false, Part<E, PHASE>>(params, buffers, row, lanes);
  }
}

#define ROW_KERNEL(name, threads, blocks, body)                                                  \
  KERNEL __launch_bounds__(threads, blocks)                                                      \
      name(const __grid_constant__ RowParams params, const __grid_constant__ Buffers buffers) { \
    body(params, buffers);                                                                       \
  }
// The kernels of a family, whose name and whose arguments may be macros themselves.
#define KERNELS(family, ...) family(__VA_ARGS__)
