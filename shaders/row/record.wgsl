// The record of a row, word by word.

@group(0) @binding(9) var<storage, read_write> stats: array<u32>;

const WRONG = 1u;
const IGNORED = 2u;
const AGREE = 4u;
const NONFINITE = 8u;
const LABEL_OUT_OF_RANGE = 16u;
const INFINITE = 32u;
const OFF = 64u;
const BAD_PARAMETER = 128u;
const UNSELECTED = 256u;

const RECORD = 16u; // words, in the order of `RowStats`

fn put(row: u32, field: u32, bits: u32) {
  stats[(params.first_row + row) * RECORD + field] = bits;
}

fn put_float(row: u32, field: u32, x: f32) {
  put(row, field, bitcast<u32>(x));
}

// A loss: a number, or +∞.
fn put_loss(row: u32, field: u32, x: f32, infinite: bool) {
  put(row, field, select(bitcast<u32>(x), INFINITY, infinite));
}

// The record of a row without numbers: `float` in every float that the level has, besides the loss.
fn put_without_numbers(row: u32, loss: u32, float: u32, flags: u32) {
  let full = STATS_LEVEL == LEVEL_FULL;
  put(row, 0u, loss);
  for (var field = 1u; field < 13u; field++) {
    put(row, field, select(0u, float, full || field < 5u));
  }
  put(row, 13u, NONE);
  put(row, 14u, NONE);
  put(row, 15u, flags);
}
