// The record's scores at τ = 1 on the raw logits: cross-entropies, confidences, entropies, margins, EL2N.

// All 0 unless the record is full.
fn put_scores(row: u32, x: Extremes, of_s: Softmax, of_t: Softmax, all: Sums) {
  if (STATS_LEVEL != LEVEL_FULL) {
    for (var field = 5u; field < 13u; field++) { put(row, field, 0u); }
    return;
  }
  let labelled = x.student.labelled;
  let has_margin = labelled && params.classes > 1u;
  put_float(row, 5u, confidence(of_t));
  put_loss(row, 6u, negative_log(of_t, labelled), labelled && x.teacher.label == MASKED);
  put_float(row, 7u, entropy(of_t, all.weighted.y));
  put_float(row, 8u, select(0.0, margin(of_t), has_margin));
  put_float(row, 9u, confidence(of_s));
  put_float(row, 10u, entropy(of_s, all.weighted.x));
  put(row, 11u, select(0u, logit_margin(x.student), has_margin));
  // From the classes besides the label alone: 1 − q1_y would cancel.
  let rest = of_s.y.rest;
  let squares = all.squares * of_s.scale * of_s.scale;
  put_float(row, 12u, select(0.0, sqrt(squares + rest * rest), labelled));
}

// −log softmax(z)_y, 0 without a label. A subtraction, because a negation would give −0 at p = 1.
fn negative_log(all: Softmax, labelled: bool) -> f32 {
  return select(0.0, 0.0 - all.y.log_p, labelled);
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
