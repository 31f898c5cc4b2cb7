// A row by PARTS workgroups: one dispatch per phase. Each workgroup reduces its part of the row and
// keeps it in the workspace; the dispatches after it begin by reducing all parts, in their order.
// It is the same program, sweep by sweep, for few rows with very many classes.

struct Lane {
  local: u32,
  index: u32,
  seat: u32,
  row: u32,
  writes: bool,
  first: u32,
  last: u32,
}

override PHASE: u32 = 1u;
override PARTS: u32 = 2u;

// Slots per part, one for each result that a phase leaves behind.
const SLOTS = 16u;

@group(0) @binding(10) var<storage, read_write> workspace: array<vec4<u32>>;

fn lane_of(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> Lane {
  let index = workgroup.y * workgroups.x + workgroup.x;
  let row = min(index / PARTS, params.rows - 1u);
  let part = index % PARTS;
  // Parts begin at even classes; the last may be shorter or empty.
  let length = ((params.classes + PARTS - 1u) / PARTS + 1u) & ~1u;
  let first = min(part * length, params.classes);
  return Lane(
    local, local, part, row, index / PARTS < params.rows, first, min(first + length, params.classes)
  );
}

fn sweeps(phase: u32) -> bool { return PHASE == phase; }
fn ends(phase: u32) -> bool { return PHASE == phase; }
fn finishes(lane: Lane) -> bool { return lane.writes && lane.index == 0u && lane.seat == 0u; }

fn settled_sum(lane: Lane, phase: u32, slot: u32, x: vec4<f32>) -> vec4<f32> {
  let mine = part_of(lane, phase, slot, bitcast<vec4<u32>>(x), vec4<u32>());
  let all = sum(lane, bitcast<vec4<f32>>(mine));
  keep(lane, phase, slot, bitcast<vec4<u32>>(all));
  return all;
}

fn settled_count(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  let all = count(lane, part_of(lane, phase, slot, x, vec4<u32>()));
  keep(lane, phase, slot, all);
  return all;
}

fn settled_top_two(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  let all = top_two(lane, part_of(lane, phase, slot, x, NOTHING_YET));
  keep(lane, phase, slot, all);
  return all;
}

// In its own phase a lane's part, afterwards one part of the row per lane.
fn part_of(lane: Lane, phase: u32, slot: u32, x: vec4<u32>, nothing: vec4<u32>) -> vec4<u32> {
  if (PHASE == phase) { return x; }
  if (lane.index < PARTS) { return workspace[place(lane, lane.index, slot)]; }
  return nothing;
}

fn keep(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) {
  if (PHASE == phase && lane.index == 0u && lane.writes) {
    workspace[place(lane, lane.seat, slot)] = x;
  }
}

fn place(lane: Lane, part: u32, slot: u32) -> u32 {
  return (lane.row * PARTS + part) * SLOTS + slot;
}
