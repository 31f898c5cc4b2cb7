// The first sweep: maxima, arg-maxima and masks of a pair of rows, the label's class kept apart.

// The logits of a row's student, or of its teacher.
struct Side {
  label: u32,          // bits of the label's logit; MASKED where there is no label
  labelled: bool,
  top_two: vec4<u32>,  // of the classes besides the label's
  top: u32,            // arg-max over all classes, the lowest index winning ties
  nonfinite: bool,     // NaN, +∞, or −∞ throughout
}

struct Extremes {
  student: Side,
  teacher: Side,
  counts: MaskCounts,
}

fn extremes(lane: Lane, y: u32) -> Extremes {
  var of_s = NO_CLASS_YET;
  var of_t = NO_CLASS_YET;
  var counts = vec4<u32>();
  var labels = vec4<u32>();
  if (sweeps_in(EXTREMES)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let z = fetch(lane, c);
      if (c == y) {
        labels = vec4<u32>(z, 0u, 0u);
        continue;
      }
      let marks_s = select(NONFINITE_LOGIT, 0u, is_legal_logit(z.x));
      let marks_t = select(NONFINITE_LOGIT, 0u, is_legal_logit(z.y));
      of_s = with_class(of_s, key(z.x), c, marks_s);
      of_t = with_class(of_t, key(z.y), c, marks_t | select(0u, OTHER_SIDE_MASKS_IT, z.x == MASKED));
      counts += mask_terms(z);
    }
  }
  of_s = row_top_two(lane, EXTREMES, STUDENT_TOPS, of_s);
  of_t = row_top_two(lane, EXTREMES, TEACHER_TOPS, of_t);
  counts = row_count(lane, EXTREMES, MASK_COUNTS, counts);
  labels = row_count(lane, EXTREMES, LABEL_LOGITS, labels);
  return Extremes(
    side(of_s, y, labels.x, counts.x),
    side(of_t, y, labels.y, counts.y),
    MaskCounts(counts.xy, counts.zw)
  );
}

fn side(top_two: vec4<u32>, y: u32, label: u32, unmasked: u32) -> Side {
  let labelled = y != NONE;
  let label_bits = select(MASKED, label, labelled);
  let k = key(label_bits);
  let label_leads = labelled && (k > top_two.x || (k == top_two.x && y < top_two.y));
  let all_masked = unmasked == 0u && label_bits == MASKED;
  let legal = (top_two.w & NONFINITE_LOGIT) == 0u && is_legal_logit(label_bits);
  return Side(label_bits, labelled, top_two, select(top_two.y, y, label_leads), !legal || all_masked);
}

// Whether the teacher is wrong: t_y < max t.
fn is_wrong(of_t: Side) -> bool {
  return of_t.labelled && key(of_t.label) < of_t.top_two.x;
}

// The maximum over all classes.
fn maximum(of_row: Side) -> f32 {
  return value_of_key(max(of_row.top_two.x, key(of_row.label)));
}

// The maximum over c ≠ y, or the label's own logit where all others are masked.
fn shift(of_row: Side) -> f32 {
  return shift_of(of_row.top_two.x, of_row.label);
}

// A finite shift for the classes besides y, from the key of their maximum.
fn shift_of(max_of_others: u32, label: u32) -> f32 {
  let alone = max_of_others == MASKED_KEY && label != MASKED;
  return select(value_of_key(max_of_others), value(label), alone);
}
