// A row's weight.

@group(0) @binding(5) var<storage, read> weight: array<u32>;

fn weight_of(row: u32) -> u32 {
  if (is_present(WEIGHT_PRESENT)) { return weight[row]; }
  return bitcast<u32>(1.0);
}
