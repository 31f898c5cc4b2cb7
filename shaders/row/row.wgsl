// The row program: stats → revise → gradient.

@group(0) @binding(1) var<uniform> scale: Scale;

// A row whose target is known, and what multiplies its terms.
struct Revised {
  wrong: bool,
  infinite: bool,     // D = +∞
  value_factor: f32,  // of D
  kd_factor: f32,
  ce_factor: f32,
  gradient: Gradient,
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
  if (ends_after(EXTREMES)) { return; }
  // From here on, lanes read what others have put into the cache.
  if (CACHE > 1u) { workgroupBarrier(); }
  var rows: StandardisedRows;
  var k = vec2<f32>(1.0 / given.tau);
  if (TEMPERATURE == STANDARDISED) {
    rows = standardise(lane, x);
    if (ends_after(CENTRE) || ends_after(VARIANCE)) { return; }
    k *= vec2<f32>(rows.student.inverse, rows.teacher.inverse);
  }
  let wrong = is_wrong(x.teacher);
  let exchanged_t = exchanged(x.teacher, wrong);
  let power = power_of(given.tau);
  let all = sums(lane, given.y, k, power, x, exchanged_t);
  if (ends_after(SUMS)) { return; }

  // Revise.
  let p = revise(exchanged_t, k.y, all.tempered.y, x.counts.unmasked.y, wrong);
  var revised = revised_row(given, x, k.x, all, p, wrong);
  revised.gradient.power = power;
  revised.gradient.standardised = rows.student;

  // Divergence and gradient.
  var mean = 0.0;
  if (is_centred(RIGHT_DIVERGENCE) || is_centred(WRONG_DIVERGENCE)) {
    mean = mean_slope(lane, revised.gradient);
    if (ends_after(MEAN)) { return; }
  }
  var back = Pullback(0.0, 0.0);
  if (TEMPERATURE == STANDARDISED) {
    back = pullback_of(lane, revised.gradient, mean);
    if (ends_after(PULLBACK)) { return; }
  }
  let refused = is_refused(given);
  let nonfinite = !refused && (x.student.nonfinite || x.teacher.nonfinite);
  let nan_unless_off = select(NAN, 0u, (given.flags & OFF) != 0u);
  let fill = select(NONE, select(nan_unless_off, 0u, refused), refused || nonfinite);
  let textbook = textbook_kl(revised.gradient, all.contrast);
  let value = write_gradient(lane, revised.gradient, textbook, mean, back, fill);
  if (ends_after(GRADIENT)) { return; }

  // The record.
  if (STATS_LEVEL == LEVEL_NONE || !is_leader(lane)) { return; }
  if (refused) {
    put_without_numbers(lane.row, 0u, 0u, given.flags);
  } else if (nonfinite) {
    put_without_numbers(lane.row, nan_unless_off, NAN, given.flags | NONFINITE);
  } else {
    put_record(lane.row, given, x, all, revised, revised.value_factor * value);
  }
}

// What follows in O(1) from a row's extremes and sums, before its gradient.
fn revised_row(
  given: Inputs, x: Extremes, k: f32, all: Sums, p: Target, wrong: bool
) -> Revised {
  var r: Gradient;
  r.y = given.y;
  r.label = x.student.label;
  r.student = softmax(k, shift(x.student), all.tempered.x, x.student.label);
  r.unit = softmax(1.0, shift(x.student), all.unit.x, x.student.label);
  r.p = p;
  r.rule = rule_of(wrong, given.y);
  let lambda_kd = select(params.right_lambda_kd, params.wrong_lambda_kd, wrong);
  let lambda_ce = select(params.right_lambda_ce, params.wrong_lambda_ce, wrong);
  let kd_factor = given.weight * lambda_kd * given.kd_weight;
  let ce_factor = select(0.0, given.weight * lambda_ce, given.y != NONE);
  let masks_ = masks(x, wrong);
  let infinite = is_infinite(r.rule, masks_);
  let factor = factors(r.rule.code, given.tau);
  let outer = scale.upstream * select(scale.inverse_right, scale.inverse_wrong, wrong);
  // Reverse KL has no gradient where it is infinite; the others keep their formula.
  let dead = infinite && r.rule.code == REVERSE_KL;
  r.kd = select(outer * kd_factor * factor.slope, 0.0, dead);
  r.ce = outer * ce_factor;
  if (r.rule.code == DECOUPLED) {
    if (!(masks_.s_others && masks_.p_others)) { r.rule.beta = 0.0; }
    r.rule.q = r.student.y;
    r.rule.p = r.p.label;
    r.student = without_label(r.student);
    r.p = target_without_label(r.p, x.counts.unmasked.y);
  }
  return Revised(wrong, infinite, factor.value, kd_factor, ce_factor, r);
}

// The record of a row with numbers; `kd` is D where that is finite.
fn put_record(row: u32, given: Inputs, x: Extremes, all: Sums, revised: Revised, kd: f32) {
  let unit_s = revised.gradient.unit;
  let unit_t = softmax(1.0, shift(x.teacher), all.unit.y, x.teacher.label);
  let ce = negative_log(unit_s, given.y != NONE);
  let ce_infinite = given.y != NONE && x.student.label == MASKED;
  let infinite = revised.infinite;
  // A term whose factor is 0 is not evaluated: no 0·∞.
  let has_kd = revised.kd_factor != 0.0;
  let has_ce = revised.ce_factor != 0.0;
  let of_kd = select(0.0, revised.kd_factor * kd, has_kd && !infinite);
  let of_ce = select(0.0, revised.ce_factor * ce, has_ce && !ce_infinite);
  put_loss(row, 0u, of_kd + of_ce, (infinite && has_kd) || (ce_infinite && has_ce));
  put_loss(row, 1u, kd, infinite);
  put_loss(row, 2u, ce, ce_infinite);
  put_float(row, 3u, given.tau);
  put_float(row, 4u, revised.gradient.p.beta);
  put_scores(row, x, unit_s, unit_t, all);
  put(row, 13u, x.teacher.top);
  put(row, 14u, x.student.top);
  var flags = given.flags | select(0u, WRONG, revised.wrong);
  flags |= select(0u, AGREE, x.teacher.top == x.student.top);
  flags |= select(0u, INFINITE, infinite || ce_infinite);
  put(row, 15u, flags);
}
