// Reductions over the lanes of a row with subgroup operations. The lanes are either within a subgroup
// (LANES < WORKGROUP; the host makes sure that subgroups are no smaller) or a whole workgroup. The
// invocations of a subgroup are assumed to be consecutive, as they are in workgroups of one dimension.

var<workgroup> partials: array<vec4<u32>, WORKGROUP>;

fn sum(lane: Lane, x: vec4<f32>) -> vec4<f32> {
  if (LANES < WORKGROUP) {
    var all = x;
    for (var m = 1u; m < LANES; m *= 2u) { all += subgroupShuffleXor(all, m); }
    return all;
  }
  let subgroups = store_subgroup(lane, bitcast<vec4<u32>>(subgroupAdd(x)));
  var all = bitcast<vec4<f32>>(partials[0]);
  for (var i = 1u; i < subgroups; i++) { all += bitcast<vec4<f32>>(partials[i]); }
  workgroupBarrier();
  return all;
}

fn count(lane: Lane, x: vec4<u32>) -> vec4<u32> {
  if (LANES < WORKGROUP) {
    var all = x;
    for (var m = 1u; m < LANES; m *= 2u) { all += subgroupShuffleXor(all, m); }
    return all;
  }
  let subgroups = store_subgroup(lane, subgroupAdd(x));
  var all = partials[0];
  for (var i = 1u; i < subgroups; i++) { all += partials[i]; }
  workgroupBarrier();
  return all;
}

fn largest(lane: Lane, x: vec4<u32>) -> vec4<u32> {
  if (LANES < WORKGROUP) {
    var all = x;
    for (var m = 1u; m < LANES; m *= 2u) { all = max(all, subgroupShuffleXor(all, m)); }
    return all;
  }
  let subgroups = store_subgroup(lane, subgroupMax(x));
  var all = partials[0];
  for (var i = 1u; i < subgroups; i++) { all = max(all, partials[i]); }
  workgroupBarrier();
  return all;
}

fn top_two(lane: Lane, x: vec4<u32>) -> vec4<u32> {
  if (LANES < WORKGROUP) {
    var all = x;
    for (var m = 1u; m < LANES; m *= 2u) { all = merged(all, subgroupShuffleXor(all, m)); }
    return all;
  }
  let largest = subgroupMax(x.x);
  let class_ = subgroupMin(select(NONE, x.y, x.x == largest));
  let leads = x.x == largest && x.y == class_;
  // Where all classes are masked, every lane leads, and the second is masked too.
  let second = subgroupMax(select(x.x, x.z, leads));
  let marks = subgroupOr(select(x.w & NONFINITE_LOGIT, x.w, leads));
  let subgroups = store_subgroup(lane, vec4<u32>(largest, class_, second, marks));
  var all = partials[0];
  for (var i = 1u; i < subgroups; i++) { all = merged(all, partials[i]); }
  workgroupBarrier();
  return all;
}

// Stores every subgroup's result, in order; returns how many there are.
fn store_subgroup(lane: Lane, result: vec4<u32>) -> u32 {
  let size = subgroupAdd(1u);
  if (lane.local % size == 0u) { partials[lane.local / size] = result; }
  workgroupBarrier();
  return WORKGROUP / size;
}
