// Influence on a validation loss through the last layer: an invocation per row.

@group(0) @binding(2) var<storage, read> student: array<u32>;
@group(0) @binding(3) var<storage, read> u: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(8) var<storage, read_write> out: array<u32>;

const IGNORE = -100;

// Σ_c (q1_c − e_y,c) u_c with q1 = softmax(student[rows, columns]): 0 without a label; NaN where the
// logits hold NaN, +∞ or nothing but masks, and where the label is no class.
@compute @workgroup_size(WORKGROUP)
fn influence(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let row = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (row >= numbers.rows) { return; }
  out[row] = of_row(row * numbers.columns, labels[row]);
}

fn of_row(first: u32, label: i32) -> u32 {
  var highest = MASKED_KEY;
  var legal = true;
  for (var c = 0u; c < numbers.columns; c++) {
    let bits = student[first + c];
    legal = legal && is_legal_logit(bits);
    highest = max(highest, key(bits));
  }
  let known = label >= 0 && label < i32(numbers.columns);
  if (!legal || highest == MASKED_KEY || !(known || label == IGNORE)) { return NAN; }
  if (!known) { return 0u; }
  // Σ_c q_c = 1, so u_y can be taken from every class.
  let of_label = u[first + u32(label)];
  var weights = 0.0;
  var weighted = 0.0;
  for (var c = 0u; c < numbers.columns; c++) {
    let bits = student[first + c];
    if (bits == MASKED) { continue; }
    let e = exponential(bitcast<f32>(bits) - value_of_key(highest));
    weights += e;
    weighted += e * (u[first + c] - of_label);
  }
  return bitcast<u32>(weighted / weights);
}
