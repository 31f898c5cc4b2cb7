// What a batch has to know of each row before the row program runs: whether the teacher is right, and how
// hard the row is. One word per row in the workspace, which `batch.wgsl` reads.

@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(10) var<storage, read_write> workspace: array<u32>;

const IGNORE = -100;
const FLSW = 0u;

// Marks of `groups`.
const DOES_NOT_COUNT = 0u;
const RIGHT = 1u;
const WRONG = 2u;

fn teacher_logit(lane: Lane, c: u32) -> u32 {
  return teacher_at(params.teacher_offset + lane.row * params.teacher_stride + c);
}

fn student_logit(lane: Lane, c: u32) -> u32 {
  return student_at(params.student_offset + lane.row * params.student_stride + c);
}

// Rows with a weight other than 0, by whether t_y < max t.
@compute @workgroup_size(WORKGROUP)
fn groups(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let lane = lane_of(workgroup, workgroups, local);
  let row = params.first_row + lane.row;
  let label = labels[row];
  let labelled = label >= 0 && u32(label) < params.classes;
  var of_t = NO_CLASS_YET;
  var at_label = vec4<u32>();
  for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
    let z = teacher_logit(lane, c);
    of_t = with_class(of_t, key(z), c, select(NONFINITE_LOGIT, 0u, is_legal_logit(z)));
    if (labelled && c == u32(label)) { at_label.x = key(z); }
  }
  of_t = top_two(lane, of_t);
  at_label = count(lane, at_label);
  if (!is_leader(lane)) { return; }
  let w = weight_of(row);
  let finite = (of_t.w & NONFINITE_LOGIT) == 0u && of_t.x != MASKED_KEY;
  let wrong = labelled && finite && is_legal_weight(w) && at_label.x < of_t.x;
  workspace[row] = select(select(RIGHT, WRONG, wrong), DOES_NOT_COUNT, is_zero(w));
}

// ω of dynamic temperature distillation, NONE for a row that does not enter the mean.
@compute @workgroup_size(WORKGROUP)
fn omegas(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let lane = lane_of(workgroup, workgroups, local);
  let row = params.first_row + lane.row;
  var of_s = NO_CLASS_YET;
  var of_t = NO_CLASS_YET;
  var squares = vec4<f32>();
  for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
    let s = student_logit(lane, c);
    let t = teacher_logit(lane, c);
    of_s = with_class(of_s, key(s), c, select(NONFINITE_LOGIT, 0u, is_legal_logit(s)));
    of_t = with_class(of_t, key(t), c, select(NONFINITE_LOGIT, 0u, is_legal_logit(t)));
    let both = finite_in_both(s, t);
    squares += vec4<f32>(both * both, 0.0, 0.0);
  }
  of_s = top_two(lane, of_s);
  of_t = top_two(lane, of_t);
  let norms = sqrt(sum(lane, squares).xy);

  var partial = vec4<f32>();
  let maximum = value_of_key(of_s.x);
  for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
    let s = student_logit(lane, c);
    if (params.omega == FLSW) {
      let both = finite_in_both(s, teacher_logit(lane, c)) / (norms + NORM_EPSILON);
      partial.x += (both.x - both.y) * (both.x - both.y);
    } else if (s != MASKED) {
      partial.x += exponential(bitcast<f32>(s) - maximum);
    }
  }
  let all = sum(lane, partial).x;
  if (!is_leader(lane)) { return; }
  let w = weight_of(row);
  let label = labels[row];
  let legal = is_legal_weight(w) && !is_zero(w)
    && (label == IGNORE || (label >= 0 && u32(label) < params.classes));
  let finite = ((of_s.w | of_t.w) & NONFINITE_LOGIT) == 0u && of_s.x != MASKED_KEY && of_t.x != MASKED_KEY;
  // max q1 = 1/Σ exp(s − max s).
  let omega = select(all, flsw(all, norms), params.omega == FLSW);
  workspace[row] = select(NONE, bitcast<u32>(omega), legal && finite);
}

const NORM_EPSILON = 1e-4;

fn finite_in_both(s: u32, t: u32) -> vec2<f32> {
  let masked = s == MASKED || t == MASKED;
  return select(vec2<f32>(bitcast<f32>(s), bitcast<f32>(t)), vec2<f32>(), masked);
}

// (1 − cos)^γ, 1 − cos = ½‖ŝ − t̂‖² + ½ r_s (2 − r_s) + ½ r_t (2 − r_t) with ŝ = s/(‖s‖ + ε) and
// r_s = ε/(‖s‖ + ε): no term is negative, so nothing cancels where the rows are almost parallel.
fn flsw(distance: f32, norms: vec2<f32>) -> f32 {
  let r = NORM_EPSILON / (norms + NORM_EPSILON);
  let correction = r * (2.0 - r);
  let x = clamp(0.5 * (distance + correction.x + correction.y), 0.0, 2.0);
  if (params.gamma == 1.0) { return x; }
  return select(exponential(params.gamma * logarithm(max(x, LEAST))), 0.0, x < LEAST);
}
