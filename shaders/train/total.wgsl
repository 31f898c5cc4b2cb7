// One number of a whole batch, added to the total: by one workgroup, in a fixed order.

@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> goal: array<f32>;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(8) var<storage, read_write> output: array<f32>;
@group(0) @binding(13) var<storage, read_write> total: array<f32>;

var<workgroup> partials: array<f32, WORKGROUP>;

// All invocations have to call it together; the first gets the sum.
fn sum(local: u32, x: f32) -> f32 {
  partials[local] = x;
  workgroupBarrier();
  for (var width = WORKGROUP / 2u; width > 0u; width /= 2u) {
    if (local < width) { partials[local] += partials[local + width]; }
    workgroupBarrier();
  }
  return partials[0];
}

// The rows of logits[rows, columns] whose arg-max, the lowest index winning ties, is their label.
@compute @workgroup_size(WORKGROUP)
fn hits(@builtin(local_invocation_index) local: u32) {
  var count = 0.0;
  for (var row = local; row < numbers.rows; row += WORKGROUP) {
    let first = row * numbers.columns;
    var top = 0u;
    for (var c = 1u; c < numbers.columns; c++) {
      if (logits[first + c] > logits[first + top]) { top = c; }
    }
    count += select(0.0, 1.0, i32(top) == labels[row]);
  }
  count = sum(local, count);
  if (local == 0u) { total[0] += count; }
}

// The mean of |output − goal| over `rows` values; sign(output − goal)/rows replaces the output.
@compute @workgroup_size(WORKGROUP)
fn absolute_error(@builtin(local_invocation_index) local: u32) {
  let n = f32(numbers.rows);
  var distance = 0.0;
  for (var i = local; i < numbers.rows; i += WORKGROUP) {
    let x = output[i];
    let y = goal[i];
    distance += abs(x - y);
    output[i] = (select(0.0, 1.0, x > y) - select(0.0, 1.0, x < y)) / n;
  }
  distance = sum(local, distance);
  if (local == 0u) { total[0] += distance / n; }
}
