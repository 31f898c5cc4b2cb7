// One step of an optimiser on `rows` parameters w with the gradient g.

@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(8) var<storage, read_write> w: array<f32>;
@group(0) @binding(9) var<storage, read_write> m: array<f32>;
@group(0) @binding(10) var<storage, read_write> v: array<f32>;

// g += decay·w; v = momentum·v + g; w −= rate·(g + momentum·v), rates = (rate, decay, momentum).
@compute @workgroup_size(WORKGROUP)
fn sgd(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows) { return; }
  let momentum = numbers.rates.z;
  let decayed = g[i] + numbers.rates.y * w[i];
  let velocity = momentum * v[i] + decayed;
  v[i] = velocity;
  w[i] -= numbers.rates.x * (decayed + momentum * velocity);
}

// m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²; w −= rate·(decay·w + (m/c1) / (√(v/c2) + ε)),
// rates = (rate, decay, ε), moments = (β1, β2, c1, c2).
@compute @workgroup_size(WORKGROUP)
fn adamw(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let i = workgroup_index(workgroup, workgroups) * WORKGROUP + local;
  if (i >= numbers.rows) { return; }
  let beta = numbers.moments.xy;
  let first = beta.x * m[i] + (1.0 - beta.x) * g[i];
  let second = beta.y * v[i] + (1.0 - beta.y) * g[i] * g[i];
  m[i] = first;
  v[i] = second;
  let root = sqrt(second / numbers.moments.w);
  let direction = (first / numbers.moments.z) / (root + numbers.rates.z);
  w[i] -= numbers.rates.x * (numbers.rates.y * w[i] + direction);
}
