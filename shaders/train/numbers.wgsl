// What the operations of a training step share: the numbers of an operation, and the index of a
// workgroup.

// Same layout as `Numbers` in src/wgsl/harness/kernel.rs.
struct Numbers {
  rows: u32,
  columns: u32,
  inner: u32,
  first: u32,
  rates: vec4<f32>,
  moments: vec4<f32>,
}

@group(0) @binding(15) var<uniform> numbers: Numbers;

const WORKGROUP = 256u;

fn workgroup_index(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.y * workgroups.x + workgroup.x;
}
