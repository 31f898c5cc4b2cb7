// out[rows, columns] = op(a) · op(b): a tile of 32 × 32 by each workgroup, 2 × 2 of it by each invocation.
// Strips of both factors are staged in workgroup memory, so that each value is read once per tile. Every
// sum runs over `inner` in order.

// Which factor is stored transposed.
override FORM: u32 = 0u;
const LEFT_TRANSPOSED = 1u;
const RIGHT_TRANSPOSED = 2u;

@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(8) var<storage, read_write> out: array<f32>;

const TILE = 32u;
const HALF = 16u;
const DEPTH = 16u;
// One more than TILE, so that neither way to fill a strip strides by a power of two.
const STRIDE = 33u;

var<workgroup> strip_a: array<f32, DEPTH * STRIDE>;
var<workgroup> strip_b: array<f32, DEPTH * STRIDE>;

@compute @workgroup_size(WORKGROUP)
fn multiply(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let tile = workgroup_index(workgroup, workgroups);
  let across = (numbers.columns + TILE - 1u) / TILE;
  let row = tile / across * TILE;
  let column = tile % across * TILE;
  let at_row = local / HALF;
  let at_column = local % HALF;
  var sums = vec4<f32>();
  for (var start = 0u; start < numbers.inner; start += DEPTH) {
    fill(local, row, column, start);
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let of_a = k * STRIDE + at_row;
      let of_b = k * STRIDE + at_column;
      let left = vec2<f32>(strip_a[of_a], strip_a[of_a + HALF]);
      let right = vec2<f32>(strip_b[of_b], strip_b[of_b + HALF]);
      sums += left.xxyy * right.xyxy;
    }
    // No invocation may overwrite the strips before all have read them.
    workgroupBarrier();
  }
  put(row + at_row, column + at_column, sums.x);
  put(row + at_row, column + at_column + HALF, sums.y);
  put(row + at_row + HALF, column + at_column, sums.z);
  put(row + at_row + HALF, column + at_column + HALF, sums.w);
}

// Neighbouring invocations read neighbouring values, whichever way a factor is stored.
fn fill(local: u32, row: u32, column: u32, start: u32) {
  for (var i = local; i < TILE * DEPTH; i += WORKGROUP) {
    let along = vec2<u32>(i % DEPTH, i / DEPTH);
    let across = vec2<u32>(i / TILE, i % TILE);
    let left = select(along, across, FORM == LEFT_TRANSPOSED);
    let right = select(across, along, FORM == RIGHT_TRANSPOSED);
    strip_a[left.x * STRIDE + left.y] = a_at(row + left.y, start + left.x);
    strip_b[right.x * STRIDE + right.y] = b_at(start + right.x, column + right.y);
  }
}

// 0 beyond the matrix.
fn a_at(row: u32, k: u32) -> f32 {
  if (row >= numbers.rows || k >= numbers.inner) { return 0.0; }
  if (FORM == LEFT_TRANSPOSED) { return a[k * numbers.rows + row]; }
  return a[row * numbers.inner + k];
}

fn b_at(k: u32, column: u32) -> f32 {
  if (column >= numbers.columns || k >= numbers.inner) { return 0.0; }
  if (FORM == RIGHT_TRANSPOSED) { return b[column * numbers.inner + k]; }
  return b[k * numbers.columns + column];
}

fn put(row: u32, column: u32, value: f32) {
  if (row < numbers.rows && column < numbers.columns) {
    out[row * numbers.columns + column] = value;
  }
}
