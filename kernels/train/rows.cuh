// Rows by their indices, and what the harness computes of rows of logits besides the row program.
#pragma once
#include "machine/params.cuh"
#include "train/operation.cuh"

// out row i = row indices[first + i] of a[inner, columns], where `first` varies. Labels are words of 32
// bits as well. An index beyond the rows gives NaN, which as a label is no class.
DEVICE void gather(const Operation& o) {
  const unsigned first = __float_as_uint(*o.varying);
  for_each(o.rows * o.columns, [&](unsigned i) {
    const unsigned row = o.indices[first + i / o.columns];
    o.out[i] = row < o.inner ? o.a[size_t(row) * o.columns + i % o.columns] : not_a_number();
  });
}

// out[row, i] = a[row, indices[i]], rows of a having `inner` values.
DEVICE void gather_columns(const Operation& o) {
  for_each(o.rows * o.columns, [&](unsigned i) {
    const unsigned column = o.indices[i % o.columns];
    o.out[i] = column < o.inner ? o.a[size_t(i / o.columns) * o.inner + column] : not_a_number();
  });
}

// out[row, indices[i]] += a[row, i], rows of out having `inner` values. No column comes twice.
DEVICE void add_columns(const Operation& o) {
  for_each(o.rows * o.columns, [&](unsigned i) {
    const unsigned column = o.indices[i % o.columns];
    if (column < o.inner) o.out[size_t(i / o.columns) * o.inner + column] += o.a[i];
  });
}

// The arg-max, the lowest index winning ties; 0 where the first logit is NaN, and where none is above −∞. By
// a warp.
DEVICE unsigned top(const float* row, unsigned classes) {
  float best = masked();
  unsigned place = Min::NEUTRAL;
  for (unsigned c = threadIdx.x % WARP; c < classes; c += WARP) {
    if (!(row[c] > best)) continue;
    best = row[c];
    place = c;
  }
  const float max = butterfly<MaxOrNan, WARP>(best, WHOLE_WARP);
  place = butterfly<Min, WARP>(best == max ? place : Min::NEUTRAL, WHOLE_WARP);
  return place == Min::NEUTRAL || is_nan(row[0]) ? 0 : place;
}

// out[0] += the number of rows of a[rows, columns] whose top is their label. One block, for a fixed order.
DEVICE void hits(const Operation& o) {
  SHARED(Block::Partials, partials);
  float count[1] = {0.0f};
  for (unsigned row = threadIdx.x / WARP; row < o.rows; row += blockDim.x / WARP) {
    const bool hit = top(o.a + size_t(row) * o.columns, o.columns) == static_cast<unsigned>(o.indices[row]);
    count[0] += hit && threadIdx.x % WARP == 0;
  }
  Block(partials).reduce<Sum>(count);
  if (threadIdx.x == 0) o.out[0] += count[0];
}

// Σ_c (q1_c − e_y,c) u_c = Σ_{c≠y} q1_c (u_c − u_y), in which nothing cancels where the row is sure. NaN
// for a nonfinite row and for a label that is no class. By a warp.
DEVICE float influence_of(const float* s, const float* u, int y, unsigned classes) {
  const unsigned lane = threadIdx.x % WARP;
  float max = masked();
  for (unsigned c = lane; c < classes; c += WARP) max = max_or_nan(max, s[c]);
  max = butterfly<MaxOrNan, WARP>(max, WHOLE_WARP);
  const bool finite = max > masked() && max < infinity();
  if (!finite || (y != IGNORE && static_cast<unsigned>(y) >= classes)) return not_a_number();
  if (y == IGNORE) return 0.0f;
  float sum = 0.0f, weighted = 0.0f;
  for (unsigned c = lane; c < classes; c += WARP) {
    const float e = exp_approximate(s[c] - max);
    sum += e;
    if (e > 0.0f && c != static_cast<unsigned>(y)) weighted += e * (u[c] - u[y]);
  }
  sum = butterfly<Sum, WARP>(sum, WHOLE_WARP);
  return butterfly<Sum, WARP>(weighted, WHOLE_WARP) / sum;
}

// out[rows]: the influence of rows a[rows, columns], with u in b. A warp per row.
DEVICE void influence(const Operation& o) {
  const Group<WARP> warps;
  for (unsigned row = warps.index(); row < o.rows; row += warps.count()) {
    const size_t at = size_t(row) * o.columns;
    const float influence = influence_of(o.a + at, o.b + at, o.indices[row], o.columns);
    if (warps.lane() == 0) o.out[row] = influence;
  }
}
