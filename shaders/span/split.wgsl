// A row by PARTS workgroups, with one dispatch per phase: for few rows of very many classes. The program
// is the same, sweep by sweep. A workgroup reduces its part of the row and stores the result in the
// workspace; later dispatches begin by reducing the results of all parts, in the order of the parts.

override PHASE: u32 = 1u;
override PARTS: u32 = 2u;

// Slots per part, one for each result of a phase.
const SLOTS = 16u;

@group(0) @binding(10) var<storage, read_write> workspace: array<vec4<u32>>;

fn lane_of(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> Lane {
  let index = workgroup.y * workgroups.x + workgroup.x;
  let row = min(index / PARTS, params.rows - 1u);
  let part = index % PARTS;
  // Parts begin at even classes; the last may be shorter or empty.
  let length = ((params.classes + PARTS - 1u) / PARTS + 1u) & ~1u;
  let first = min(part * length, params.classes);
  let last = min(first + length, params.classes);
  return Lane(local, local, 0u, part, row, index / PARTS < params.rows, first, last);
}

fn sweeps_in(phase: u32) -> bool { return PHASE == phase; }
fn ends_after(phase: u32) -> bool { return PHASE == phase; }

fn row_sum(lane: Lane, phase: u32, slot: u32, x: vec4<f32>) -> vec4<f32> {
  let partial = load_partial(lane, phase, slot, bitcast<vec4<u32>>(x), vec4<u32>());
  let all = sum(lane, bitcast<vec4<f32>>(partial));
  store_partial(lane, phase, slot, bitcast<vec4<u32>>(all));
  return all;
}

fn row_count(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  let all = count(lane, load_partial(lane, phase, slot, x, vec4<u32>()));
  store_partial(lane, phase, slot, all);
  return all;
}

fn row_top_two(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  let all = top_two(lane, load_partial(lane, phase, slot, x, NO_CLASS_YET));
  store_partial(lane, phase, slot, all);
  return all;
}

// In its own phase what the lane has found; afterwards one part's result per lane.
fn load_partial(lane: Lane, phase: u32, slot: u32, x: vec4<u32>, identity: vec4<u32>) -> vec4<u32> {
  if (PHASE == phase) { return x; }
  if (lane.index < PARTS) { return workspace[slot_of(lane, lane.index, slot)]; }
  return identity;
}

fn store_partial(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) {
  if (PHASE == phase && lane.index == 0u && lane.writes) {
    workspace[slot_of(lane, lane.part, slot)] = x;
  }
}

fn slot_of(lane: Lane, part: u32, slot: u32) -> u32 {
  return (lane.row * PARTS + part) * SLOTS + slot;
}
