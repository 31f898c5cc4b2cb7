// A layer besides its products: bias and rectifier, forward and backward.

@group(0) @binding(2) var<storage, read> from_: array<f32>;
@group(0) @binding(8) var<storage, read_write> x: array<f32>;

// x[rows, columns] += bias, then max(0, x) where `first` is 1.
@compute @workgroup_size(WORKGROUP)
fn bias_relu(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows * numbers.columns) { return; }
  let sum = x[i] + from_[i % numbers.columns];
  x[i] = select(sum, max(sum, 0.0), numbers.first == 1u);
}

// x = 0 where the activation is 0.
@compute @workgroup_size(WORKGROUP)
fn relu_backward(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows) { return; }
  x[i] = select(0.0, x[i], from_[i] > 0.0);
}

const ACROSS = 16u;
const LANES = 16u;

var<workgroup> partials: array<f32, WORKGROUP>;

// x[columns] = the sums over rows of from_[rows, columns]: 16 columns by each workgroup, 16 lanes to a
// column.
@compute @workgroup_size(WORKGROUP)
fn column_sums(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let column = workgroup_index(workgroup, workgroups) * ACROSS + local % ACROSS;
  let inside = column < numbers.columns;
  var sum = 0.0;
  if (inside) {
    for (var row = local / ACROSS; row < numbers.rows; row += LANES) {
      sum += from_[row * numbers.columns + column];
    }
  }
  partials[local] = sum;
  workgroupBarrier();
  if (local >= ACROSS || !inside) { return; }
  for (var lane = 1u; lane < LANES; lane++) {
    sum += partials[lane * ACROSS + local];
  }
  x[column] = sum;
}
