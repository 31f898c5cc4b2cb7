// A row by LANES lanes of one workgroup, from the first sweep to the last.

// Where an invocation works: its place in the workgroup and in the row, its row, and the classes
// `first..last` that it and its neighbours go over. Surplus lanes repeat the last row and write
// nothing, so that barriers are met by all.
struct Lane {
  local: u32,
  index: u32,
  seat: u32,
  row: u32,
  writes: bool,
  first: u32,
  last: u32,
}

fn lane_of(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> Lane {
  let rows_per_group = WORKGROUP / LANES;
  let seat = local / LANES;
  let row = (workgroup.y * workgroups.x + workgroup.x) * rows_per_group + seat;
  let here = row < params.rows;
  return Lane(
    local, local % LANES, seat, select(params.rows - 1u, row, here), here, 0u, params.classes
  );
}

// Every phase runs, and none ends the program.
fn sweeps(phase: u32) -> bool { return true; }
fn ends(phase: u32) -> bool { return false; }
fn finishes(lane: Lane) -> bool { return lane.writes && lane.index == 0u; }

fn settled_sum(lane: Lane, phase: u32, slot: u32, x: vec4<f32>) -> vec4<f32> {
  return sum(lane, x);
}

fn settled_count(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  return count(lane, x);
}

fn settled_top_two(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  return top_two(lane, x);
}
