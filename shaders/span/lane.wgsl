// Where an invocation works.

struct Lane {
  local: u32,     // among the invocations of the workgroup
  index: u32,     // among the lanes of the row, or of the row's part
  row_slot: u32,  // which of the workgroup's rows
  part: u32,      // which part of a split row, else 0
  row: u32,
  writes: bool,   // surplus lanes repeat the last row and write nothing, so that all meet the barriers
  first: u32,     // this lane and its neighbours go over the classes `first..last`
  last: u32,
}

// The lane that writes what a row has once.
fn is_leader(lane: Lane) -> bool {
  return lane.writes && lane.index == 0u && lane.part == 0u;
}
