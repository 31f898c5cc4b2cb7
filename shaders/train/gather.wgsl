// Rows and columns by their indices. Values are moved as words, so that labels may be among them.

@group(0) @binding(2) var<storage, read> from_: array<u32>;
@group(0) @binding(4) var<storage, read> indices: array<u32>;
@group(0) @binding(8) var<storage, read_write> out: array<u32>;

// out[rows, columns]: row i is row indices[first + i].
@compute @workgroup_size(WORKGROUP)
fn gather(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows * numbers.columns) { return; }
  let row = indices[numbers.first + i / numbers.columns];
  out[i] = from_[row * numbers.columns + i % numbers.columns];
}

// out[rows, columns]: column i is column indices[i] of rows of `inner` values.
@compute @workgroup_size(WORKGROUP)
fn gather_columns(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows * numbers.columns) { return; }
  out[i] = from_[i / numbers.columns * numbers.inner + indices[i % numbers.columns]];
}

// The reverse: column indices[i] of rows of `inner` values grows by column i of from_[rows, columns].
@compute @workgroup_size(WORKGROUP)
fn add_columns(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows * numbers.columns) { return; }
  let at = i / numbers.columns * numbers.inner + indices[i % numbers.columns];
  out[at] = bitcast<u32>(bitcast<f32>(out[at]) + bitcast<f32>(from_[i]));
}
