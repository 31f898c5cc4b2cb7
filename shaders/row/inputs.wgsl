// What a row comes with besides its logits.

@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(6) var<storage, read> kd_weight: array<u32>;
@group(0) @binding(7) var<storage, read> tau: array<u32>;

const IGNORE = -100;

// 1 where the caller gives nothing.
struct Inputs {
  y: u32,         // NONE without a label
  weight: f32,
  kd_weight: f32,
  tau: f32,
  flags: u32,
}

fn inputs(lane: Lane) -> Inputs {
  let row = params.first_row + lane.row;
  let label = labels[row];
  let in_range = label >= 0 && u32(label) < params.classes;
  let w = weight_of(row);
  var kw = bitcast<u32>(1.0);
  var at_tau = bitcast<u32>(params.tau);
  if (is_present(KD_WEIGHT_PRESENT)) { kw = kd_weight[row]; }
  if (is_present(TAU_PRESENT)) { at_tau = tau[row]; }
  let legal = is_legal_weight(w) && is_legal_weight(kw) && is_legal_temperature(at_tau);
  var flags = select(BAD_PARAMETER, 0u, legal);
  flags |= select(0u, IGNORED, label == IGNORE);
  flags |= select(LABEL_OUT_OF_RANGE, 0u, in_range || label == IGNORE);
  flags |= select(0u, OFF, is_zero(w));
  flags |= select(0u, UNSELECTED, is_zero(kw));
  let y = select(NONE, u32(label), in_range);
  return Inputs(y, bitcast<f32>(w), bitcast<f32>(kw), bitcast<f32>(at_tau), flags);
}

// A bad label or parameter: nothing is computed.
fn is_refused(given: Inputs) -> bool {
  return (given.flags & (LABEL_OUT_OF_RANGE | BAD_PARAMETER)) != 0u;
}
