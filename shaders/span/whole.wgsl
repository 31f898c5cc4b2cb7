// A row by LANES lanes of one workgroup, from the first sweep to the last.

fn lane_of(workgroup: vec3<u32>, workgroups: vec3<u32>, local: u32) -> Lane {
  let rows_per_workgroup = WORKGROUP / LANES;
  let row_slot = local / LANES;
  let row = (workgroup.y * workgroups.x + workgroup.x) * rows_per_workgroup + row_slot;
  let exists = row < params.rows;
  return Lane(
    local, local % LANES, row_slot, 0u, select(params.rows - 1u, row, exists), exists, 0u, params.classes
  );
}

// Every phase runs, and none ends the program.
fn sweeps_in(phase: u32) -> bool { return true; }
fn ends_after(phase: u32) -> bool { return false; }

fn row_sum(lane: Lane, phase: u32, slot: u32, x: vec4<f32>) -> vec4<f32> {
  return sum(lane, x);
}

fn row_count(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  return count(lane, x);
}

fn row_top_two(lane: Lane, phase: u32, slot: u32, x: vec4<u32>) -> vec4<u32> {
  return top_two(lane, x);
}
