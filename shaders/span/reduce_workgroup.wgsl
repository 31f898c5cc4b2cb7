// Reductions over the lanes of a row through workgroup memory: trees, so that the order is fixed. All
// invocations of a workgroup have to call them together; every lane gets the result.

var<workgroup> partials: array<vec4<u32>, WORKGROUP>;

fn sum(lane: Lane, x: vec4<f32>) -> vec4<f32> {
  partials[lane.local] = bitcast<vec4<u32>>(x);
  workgroupBarrier();
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    if (lane.index < width) {
      let a = bitcast<vec4<f32>>(partials[lane.local]);
      let b = bitcast<vec4<f32>>(partials[lane.local + width]);
      partials[lane.local] = bitcast<vec4<u32>>(a + b);
    }
    workgroupBarrier();
  }
  return bitcast<vec4<f32>>(shared_result(lane));
}

fn count(lane: Lane, x: vec4<u32>) -> vec4<u32> {
  partials[lane.local] = x;
  workgroupBarrier();
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    if (lane.index < width) {
      partials[lane.local] += partials[lane.local + width];
    }
    workgroupBarrier();
  }
  return shared_result(lane);
}

fn largest(lane: Lane, x: vec4<u32>) -> vec4<u32> {
  partials[lane.local] = x;
  workgroupBarrier();
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    if (lane.index < width) {
      partials[lane.local] = max(partials[lane.local], partials[lane.local + width]);
    }
    workgroupBarrier();
  }
  return shared_result(lane);
}

fn top_two(lane: Lane, x: vec4<u32>) -> vec4<u32> {
  partials[lane.local] = x;
  workgroupBarrier();
  for (var width = LANES / 2u; width > 0u; width /= 2u) {
    if (lane.index < width) {
      partials[lane.local] = merged(partials[lane.local], partials[lane.local + width]);
    }
    workgroupBarrier();
  }
  return shared_result(lane);
}

fn shared_result(lane: Lane) -> vec4<u32> {
  let result = partials[lane.local - lane.index];
  // No lane may overwrite it before all have read it.
  workgroupBarrier();
  return result;
}
