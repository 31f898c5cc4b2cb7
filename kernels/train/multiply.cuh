// out[rows, columns] = op(a) · op(b), a tile of 32×32 per block. Tiles of both factors pass through shared
// memory. Each thread keeps 2×4 sums in registers, and prefetches the next tile's values while it works on
// this tile's. Tiles are small because the layers are: 128×256 outputs are 32 blocks.
#pragma once
#include "train/operation.cuh"

constexpr unsigned TILE = 32;
constexpr unsigned MULTIPLY_THREADS = 128;
// Values of a tile that each thread moves.
constexpr unsigned VALUES_EACH = TILE * TILE / MULTIPLY_THREADS;
constexpr unsigned ROWS_EACH = 2, COLUMNS_EACH = 4;

// [k][line]; rows start at multiples of 16 bytes, so that a thread reads its lines in one load.
struct alignas(16) Tile {
  float of[TILE][TILE + 4];
};

// A factor as lines of `inner` values: rows of the left one, columns of the right one. CONTIGUOUS: a line's
// values are contiguous in memory; otherwise those of one k are.
template <bool CONTIGUOUS>
struct Factor {
  const float* at;
  unsigned lines, inner, first;
  float values[VALUES_EACH];

  // Neighbouring threads take neighbours in memory.
  static DEVICE uint2 line_and_k(unsigned i) {
    const unsigned at = i * MULTIPLY_THREADS + threadIdx.x, slow = at / TILE, fast = at % TILE;
    return CONTIGUOUS ? uint2{slow, fast} : uint2{fast, slow};
  }

  // Loads this thread's values of the tile that begins at k; 0 beyond the matrix.
  DEVICE void load(unsigned k) {
#pragma unroll
    for (unsigned i = 0; i < VALUES_EACH; ++i) {
      const uint2 place = line_and_k(i);
      const size_t line = first + place.x, of_line = k + place.y;
      const bool inside = line < lines && of_line < inner;
      values[i] = inside ? at[CONTIGUOUS ? line * inner + of_line : of_line * lines + line] : 0.0f;
    }
  }

  DEVICE void store(Tile& tile) const {
#pragma unroll
    for (unsigned i = 0; i < VALUES_EACH; ++i) {
      const uint2 place = line_and_k(i);
      tile.of[place.y][place.x] = values[i];
    }
  }
};

// Adds the products of a tile's values. Each tile has a sum of its own, so that no chain of additions is
// longer than a tile or than the number of tiles.
DEVICE void add_products(const Tile& left, const Tile& right, unsigned row, unsigned column,
                         float (&sums)[ROWS_EACH][COLUMNS_EACH]) {
  float part[ROWS_EACH][COLUMNS_EACH] = {};
#pragma unroll
  for (unsigned k = 0; k < TILE; ++k) {
#pragma unroll
    for (unsigned i = 0; i < ROWS_EACH; ++i) {
#pragma unroll
      for (unsigned j = 0; j < COLUMNS_EACH; ++j) {
        part[i][j] = fmaf(left.of[k][row + i], right.of[k][column + j], part[i][j]);
      }
    }
  }
#pragma unroll
  for (unsigned i = 0; i < ROWS_EACH; ++i) {
#pragma unroll
    for (unsigned j = 0; j < COLUMNS_EACH; ++j) sums[i][j] += part[i][j];
  }
}

template <bool LEFT_TRANSPOSED, bool RIGHT_TRANSPOSED>
DEVICE void multiply(const Operation& o) {
  SHARED(Tile, left_tile);
  SHARED(Tile, right_tile);
  const unsigned across = (o.columns + TILE - 1) / TILE;
  const unsigned first_row = blockIdx.x / across * TILE, first_column = blockIdx.x % across * TILE;
  Factor<!LEFT_TRANSPOSED> left{o.a, o.rows, o.inner, first_row, {}};
  Factor<RIGHT_TRANSPOSED> right{o.b, o.columns, o.inner, first_column, {}};
  const unsigned row = threadIdx.x / (TILE / COLUMNS_EACH) * ROWS_EACH;
  const unsigned column = threadIdx.x % (TILE / COLUMNS_EACH) * COLUMNS_EACH;
  float sums[ROWS_EACH][COLUMNS_EACH] = {};
  left.load(0);
  right.load(0);
  for (unsigned k = 0; k < o.inner; k += TILE) {
    left.store(left_tile);
    right.store(right_tile);
    __syncthreads();
    left.load(k + TILE);
    right.load(k + TILE);
    add_products(left_tile, right_tile, row, column, sums);
    __syncthreads();
  }
#pragma unroll
  for (unsigned i = 0; i < ROWS_EACH; ++i) {
    const size_t r = first_row + row + i;
#pragma unroll
    for (unsigned j = 0; j < COLUMNS_EACH; ++j) {
      const unsigned c = first_column + column + j;
      if (r < o.rows && c < o.columns) o.out[r * o.columns + c] = sums[i][j];
    }
  }
}
