// The row program: stats → revise → gradient.

@group(0) @binding(1) var<uniform> scale: Scale;
@group(0) @binding(4) var<storage, read> labels: array<i32>;
@group(0) @binding(6) var<storage, read> kd_weight: array<u32>;
@group(0) @binding(7) var<storage, read> tau: array<u32>;

const IGNORE = -100;

// What a row comes with besides its logits; 1 where the caller gives nothing.
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

@compute @workgroup_size(WORKGROUP)
fn row(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let lane = lane_of(workgroup, workgroups, local);
  let given = inputs(lane);

  // Stats.
  let x = extremes(lane, given.y);
  if (ends(EXTREMES)) { return; }
  // Below, lanes also read what their neighbours have put into the cache.
  if (CACHE > 1u) { workgroupBarrier(); }
  let wrong = is_wrong(x.teacher);
  var spread_s = Spread(0.0, 0.0, 0.0, 1.0);
  var k = vec2<f32>(1.0 / given.tau);
  if (TEMPERATURE == STANDARDISED) {
    let both = spreads(lane, x);
    if (ends(CENTRE) || ends(VARIANCE)) { return; }
    spread_s = both.student;
    k *= vec2<f32>(both.student.inverse, both.teacher.inverse);
  }
  let exchanged_t = exchanged(x.teacher, wrong);
  let squarings = squarings_of(given.tau);
  let all = sums(lane, given.y, k, squarings, x, exchanged_t);
  if (ends(SUMS)) { return; }

  // Revise.
  var r: Row;
  r.y = given.y;
  r.label = x.student.label;
  r.maximum = maximum(x.student);
  r.student = softmax(k.x, shift(x.student), all.student, x.student.label);
  r.raw = softmax(1.0, shift(x.student), all.student_at_one.x, x.student.label);
  r.p = revise(exchanged_t, k.y, all.teacher, x.teacher, wrong);
  r.spread = spread_s;
  r.squarings = squarings;
  let beta = r.p.beta;

  // Divergence and gradient.
  r.rule = rule_of(wrong, given.y);
  let lambda_kd = select(params.right_lambda_kd, params.wrong_lambda_kd, wrong);
  let lambda_ce = select(params.right_lambda_ce, params.wrong_lambda_ce, wrong);
  let kd_factor = given.weight * lambda_kd * given.kd_weight;
  let ce_factor = select(0.0, given.weight * lambda_ce, given.y != NONE);
  let hidden = masks(x, wrong);
  let infinite = is_infinite(r.rule, hidden);
  let factors = divergence_factors(r.rule.code, given.tau);
  let outer = scale.upstream * select(scale.inverse_right, scale.inverse_wrong, wrong);
  // Reverse KL has no gradient where it is infinite; the others keep their formula.
  let dead = infinite && r.rule.code == REVERSE_KL;
  r.kd = select(outer * kd_factor * factors.y, 0.0, dead);
  r.ce = outer * ce_factor;
  if (r.rule.code == DECOUPLED) {
    if (!(hidden.student_others && hidden.target_others)) { r.rule.beta = 0.0; }
    r.rule.q = r.student.label;
    r.rule.p = r.p.label;
    r.student = without_label(r.student);
    r.p = target_without_label(r.p, x.teacher);
  }
  var mean = 0.0;
  if (is_centred(RIGHT_DIVERGENCE) || is_centred(WRONG_DIVERGENCE)) {
    mean = mean_pull(lane, r);
    if (ends(MEAN)) { return; }
  }
  var back = Pullback(0.0, 0.0);
  if (TEMPERATURE == STANDARDISED) {
    back = pullback_of(lane, r, mean);
    if (ends(PULLBACK)) { return; }
  }
  let refused = (given.flags & (LABEL_OUT_OF_RANGE | BAD_PARAMETER)) != 0u;
  let nonfinite = !refused && (x.student.bad || x.teacher.bad);
  let nan_unless_off = select(NAN, 0u, (given.flags & OFF) != 0u);
  let fill = select(NONE, select(nan_unless_off, 0u, refused), refused || nonfinite);
  let short = blend(r, all.contrast);
  let value = write_gradient(lane, r, short, mean, back, fill);
  if (ends(GRADIENT)) { return; }

  // The record.
  if (STATS_LEVEL == LEVEL_NONE || !finishes(lane)) { return; }
  if (refused) {
    put_refused(lane.row, 0u, 0u, given.flags);
    return;
  }
  if (nonfinite) {
    put_refused(lane.row, nan_unless_off, NAN, given.flags | NONFINITE);
    return;
  }
  let ce = cross_entropy(r.raw, given.y != NONE);
  let ce_infinite = given.y != NONE && x.student.label == MASKED;
  let kd = factors.x * value;
  // A term whose factor is 0 is not evaluated: no 0·∞.
  let of_kd = select(kd_factor * kd, 0.0, kd_factor == 0.0 || infinite);
  let of_ce = select(ce_factor * ce, 0.0, ce_factor == 0.0 || ce_infinite);
  let loss_infinite = (infinite && kd_factor != 0.0) || (ce_infinite && ce_factor != 0.0);
  put_loss(lane.row, 0u, of_kd + of_ce, loss_infinite);
  put_loss(lane.row, 1u, kd, infinite);
  put_loss(lane.row, 2u, ce, ce_infinite);
  put_float(lane.row, 3u, given.tau);
  put_float(lane.row, 4u, beta);
  let of_t = softmax(1.0, shift(x.teacher), all.teacher_at_one.x, x.teacher.label);
  put_scores(lane.row, x, r.raw, of_t, all);
  put(lane.row, 13u, x.teacher.top);
  put(lane.row, 14u, x.student.top);
  var flags = given.flags | select(0u, WRONG, wrong);
  flags |= select(0u, AGREE, x.teacher.top == x.student.top);
  flags |= select(0u, INFINITE, infinite || ce_infinite);
  put(lane.row, 15u, flags);
}

// The divergence of right or of wrong rows; decoupled without a label is the forward KL.
fn rule_of(wrong: bool, y: u32) -> Rule {
  var rule: Rule;
  rule.code = select(RIGHT_DIVERGENCE, WRONG_DIVERGENCE, wrong);
  rule.alpha = select(params.right_alpha, params.wrong_alpha, wrong);
  rule.beta = select(params.right_beta, params.wrong_beta, wrong);
  if (rule.code == DECOUPLED && y == NONE) { rule.code = FORWARD_KL; }
  return rule;
}
