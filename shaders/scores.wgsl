// The record of a row: losses, and the scores at τ = 1 on the raw logits.

@group(0) @binding(9) var<storage, read_write> stats: array<u32>;

const WRONG = 1u;
const IGNORED = 2u;
const AGREE = 4u;
const NONFINITE = 8u;
const LABEL_OUT_OF_RANGE = 16u;
const INFINITE = 32u;
const OFF = 64u;
const BAD_PARAMETER = 128u;
const UNSELECTED = 256u;

const RECORD = 16u; // words, in the order of `RowStats`

fn put(row: u32, field: u32, bits: u32) {
  stats[(params.first_row + row) * RECORD + field] = bits;
}

fn put_float(row: u32, field: u32, x: f32) {
  put(row, field, bitcast<u32>(x));
}

// A loss: a number, or +∞.
fn put_loss(row: u32, field: u32, x: f32, infinite: bool) {
  put(row, field, select(bitcast<u32>(x), INFINITY, infinite));
}

// A row without numbers: `float` throughout, `loss` apart.
fn put_refused(row: u32, loss: u32, float: u32, flags: u32) {
  let full = STATS_LEVEL == LEVEL_FULL;
  put(row, 0u, loss);
  for (var field = 1u; field < 13u; field++) {
    put(row, field, select(0u, float, full || field < 5u));
  }
  put(row, 13u, NONE);
  put(row, 14u, NONE);
  put(row, 15u, flags);
}

fn put_scores(row: u32, x: Extremes, of_s: Softmax, of_t: Softmax, all: Sums) {
  if (STATS_LEVEL != LEVEL_FULL) {
    for (var field = 5u; field < 13u; field++) { put(row, field, 0u); }
    return;
  }
  let labelled = x.student.has_label;
  let others = labelled && params.classes > 1u;
  put_float(row, 5u, confidence(of_t));
  put_loss(row, 6u, cross_entropy(of_t, labelled), labelled && x.teacher.label == MASKED);
  put_float(row, 7u, entropy(of_t, all.teacher_at_one.y));
  put_float(row, 8u, select(0.0, of_t.label.p - of_t.scale, others));
  put_float(row, 9u, confidence(of_s));
  put_float(row, 10u, entropy(of_s, all.student_at_one.y));
  put(row, 11u, select(0u, logit_margin(x.student), others));
  // From the classes besides the label's alone: 1 − q1_y would cancel.
  let rest = of_s.label.rest;
  let squares = all.student_at_one.z * of_s.scale * of_s.scale;
  put_float(row, 12u, select(0.0, sqrt(squares + rest * rest), labelled));
}

// −log q_y, 0 without a label. A subtraction, because a negation would give −0 at q = 1.
fn cross_entropy(all: Softmax, labelled: bool) -> f32 {
  return select(0.0, 0.0 - all.label.log_p, labelled);
}

// From Σ_{c≠y} e x.
fn entropy(all: Softmax, weighted: f32) -> f32 {
  let of_label = select(all.label.p * all.label.log_p, 0.0, all.label.p == 0.0);
  return all.log_norm * all.label.rest - all.scale * weighted - of_label;
}

// The bits of z_y − max_{c≠y} z_c; 0 where both are masked.
fn logit_margin(of_row: Side) -> u32 {
  let label_masked = of_row.label == MASKED;
  let others_masked = of_row.top_two.x == MASKED_KEY;
  if (label_masked && others_masked) { return 0u; }
  if (label_masked) { return MASKED; }
  if (others_masked) { return INFINITY; }
  return bitcast<u32>(value(of_row.label) - value_of_key(of_row.top_two.x));
}
