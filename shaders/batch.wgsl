// Numbers of a whole batch: its scale, its temperatures, its total. One workgroup computes them, in a
// fixed order.

override REDUCTION: u32 = 1u;

@group(0) @binding(1) var<uniform> scale_of_groups: Scale;
@group(0) @binding(9) var<storage, read_write> stats: array<u32>;
@group(0) @binding(10) var<storage, read_write> workspace: array<u32>;
@group(0) @binding(11) var<storage, read_write> tau: array<f32>;
@group(0) @binding(12) var<storage, read_write> scale_out: Scale;
@group(0) @binding(13) var<storage, read_write> total_out: u32;
@group(0) @binding(14) var<storage, read> upstream: f32;

const NOTHING_TO_COUNT = 0u;
const MEAN = 1u;
const RIGHT = 1u;
const WRONG = 2u;

fn inverse(n: u32) -> f32 {
  return select(1.0 / f32(n), 0.0, n == 0u);
}

// 1/N of right and of wrong rows (of all rows with a weight other than 0, or of those within each
// group), and upstream.
@compute @workgroup_size(WORKGROUP)
fn scale(@builtin(local_invocation_index) local: u32) {
  let lane = lane_of_batch(local);
  var counts = vec4<u32>();
  for (var row = local; row < params.rows; row += WORKGROUP) {
    if (REDUCTION == MEAN) {
      if (!is_zero(weight_of(row))) { counts.x += 1u; }
    } else if (REDUCTION != NOTHING_TO_COUNT) {
      counts.x += select(0u, 1u, workspace[row] == RIGHT);
      counts.y += select(0u, 1u, workspace[row] == WRONG);
    }
  }
  counts = count(lane, counts);
  if (local != 0u) { return; }
  // The host has written what is not computed here.
  if (is_present(UPSTREAM_PRESENT)) { scale_out.upstream = upstream; }
  if (REDUCTION == MEAN) {
    scale_out.inverse_right = inverse(counts.x);
    scale_out.inverse_wrong = inverse(counts.x);
  } else if (REDUCTION != NOTHING_TO_COUNT) {
    scale_out.inverse_right = inverse(counts.x);
    scale_out.inverse_wrong = inverse(counts.y);
  }
}

// τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b)), with ω divided by Σ_j ω_j first where it is
// normalised; τ0 for rows without ω, and for all rows where Σ ω = 0.
@compute @workgroup_size(WORKGROUP)
fn temperatures(@builtin(local_invocation_index) local: u32) {
  let lane = lane_of_batch(local);
  var sums = vec4<f32>();
  var rows = vec4<u32>();
  for (var row = local; row < params.rows; row += WORKGROUP) {
    let omega = workspace[row];
    if (omega != NONE) {
      sums.x += bitcast<f32>(omega);
      rows.x += 1u;
    }
  }
  let all = sum(lane, sums).x;
  let n = count(lane, rows).x;
  let norm = select(1.0, all, params.normalise != 0u);
  for (var row = local; row < params.rows; row += WORKGROUP) {
    let omega = workspace[row];
    var tau_b = params.tau0;
    if (omega != NONE && all > 0.0) {
      let easiness = (all / f32(n) - bitcast<f32>(omega)) / norm;
      tau_b = max(params.tau_min, params.tau0 + params.bias * easiness);
    }
    tau[row] = tau_b;
  }
}

// total = upstream · Σ_b loss_b · inv_n(group of b): NaN if a loss is, infinite if one is whose factor is
// not 0. A chunk of a batch adds to the total of the chunks before it.
@compute @workgroup_size(WORKGROUP)
fn total(@builtin(local_invocation_index) local: u32) {
  let lane = lane_of_batch(local);
  var sums = vec4<f32>();
  var nonfinite = vec4<u32>(); // terms that are NaN, +∞, −∞
  for (var row = local; row < params.rows; row += WORKGROUP) {
    let record = (params.first_row + row) * 16u;
    let loss = stats[record];
    let wrong = (stats[record + 15u] & 1u) != 0u;
    let of_group = select(scale_of_groups.inverse_right, scale_of_groups.inverse_wrong, wrong);
    let factor = of_group * scale_of_groups.upstream;
    if ((loss & 0x7fffffffu) > INFINITY) {
      nonfinite.x += 1u;
    } else if (loss == INFINITY) {
      nonfinite.y += select(0u, 1u, factor > 0.0);
      nonfinite.z += select(0u, 1u, factor < 0.0);
    } else {
      sums.x += factor * bitcast<f32>(loss);
    }
  }
  let all = sum(lane, sums).x;
  nonfinite = count(lane, nonfinite);
  if (local != 0u) { return; }
  var before = 0u;
  if (is_present(TOTAL_CONTINUES)) { before = total_out; }
  total_out = with_total(before, all, nonfinite);
}

// total = ± upstream · (1/N) Σ_b w_b dist_b of features, whose records are their distances: NaN if one is
// whose weight is not 0.
@compute @workgroup_size(WORKGROUP)
fn total_distance(@builtin(local_invocation_index) local: u32) {
  let lane = lane_of_batch(local);
  var sums = vec4<f32>();
  var nonfinite = vec4<u32>();
  for (var row = params.first_row + local; row < params.first_row + params.rows; row += WORKGROUP) {
    let w = weight_of(row);
    let of_row = stats[row];
    if (is_zero(w)) { continue; }
    if ((of_row & 0x7fffffffu) > INFINITY) {
      nonfinite.x += 1u;
    } else {
      sums.x += bitcast<f32>(w) * bitcast<f32>(of_row);
    }
  }
  let all = sum(lane, sums).x;
  nonfinite = count(lane, nonfinite);
  if (local != 0u) { return; }
  var before = 0u;
  if (is_present(TOTAL_CONTINUES)) { before = total_out; }
  let factor = params.right_lambda_kd * scale_of_groups.upstream * scale_of_groups.inverse_right;
  total_out = with_total(before, factor * all, nonfinite);
}

fn with_total(before: u32, sum: f32, nonfinite: vec4<u32>) -> u32 {
  if (nonfinite.x > 0u || (before & 0x7fffffffu) > INFINITY) { return NAN; }
  if (nonfinite.y > 0u) { return INFINITY; }
  if (nonfinite.z > 0u) { return MASKED; }
  if ((before & 0x7fffffffu) == INFINITY) { return before; }
  return bitcast<u32>(bitcast<f32>(before) + sum);
}

fn lane_of_batch(local: u32) -> Lane {
  return Lane(local, local, 0u, 0u, 0u, true, 0u, params.classes);
}
