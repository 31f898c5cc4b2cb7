// The first sweep: maxima, arg-maxima and masks of a pair of rows, the label's class kept apart.

struct Side {
  label: u32,      // bits of the label's logit; MASKED where there is no label
  has_label: bool,
  top_two: vec4<u32>,
  top: u32,        // arg-max over all classes, the lowest index winning ties
  unmasked: u32,   // classes besides the label's that are not masked
  bad: bool,       // NaN, +∞, or −∞ throughout
}

struct Extremes {
  student: Side,
  teacher: Side,
  // Classes besides the label's that only one of the two masks.
  student_only: u32,
  teacher_only: u32,
}

fn extremes(lane: Lane, y: u32) -> Extremes {
  var of_s = NOTHING_YET;
  var of_t = NOTHING_YET;
  var counts = vec4<u32>();
  var labels = vec4<u32>();
  if (sweeps(EXTREMES)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let z = fetch(lane, c);
      if (c == y) {
        labels = vec4<u32>(z, 0u, 0u);
        continue;
      }
      let masked = z == vec2<u32>(MASKED);
      let bad_s = select(BAD, 0u, is_legal_logit(z.x));
      let bad_t = select(BAD, 0u, is_legal_logit(z.y));
      of_s = with_class(of_s, key(z.x), c, bad_s);
      of_t = with_class(of_t, key(z.y), c, bad_t | select(0u, OTHER_MASKS_IT, masked.x));
      counts += select(
        vec4<u32>(),
        vec4<u32>(1u),
        vec4<bool>(!masked.x, !masked.y, masked.x && !masked.y, masked.y && !masked.x)
      );
    }
  }
  of_s = settled_top_two(lane, EXTREMES, STUDENT_TOPS, of_s);
  of_t = settled_top_two(lane, EXTREMES, TEACHER_TOPS, of_t);
  counts = settled_count(lane, EXTREMES, COUNTS, counts);
  labels = settled_count(lane, EXTREMES, LABEL_LOGITS, labels);
  return Extremes(
    side(of_s, y, labels.x, counts.x), side(of_t, y, labels.y, counts.y), counts.z, counts.w
  );
}

fn side(top_two: vec4<u32>, y: u32, label: u32, unmasked: u32) -> Side {
  let has_label = y != NONE;
  let label_bits = select(MASKED, label, has_label);
  let k = key(label_bits);
  let label_leads = has_label && (k > top_two.x || (k == top_two.x && y < top_two.y));
  let all_masked = unmasked == 0u && label_bits == MASKED;
  let bad = (top_two.w & BAD) != 0u || !is_legal_logit(label_bits) || all_masked;
  return Side(label_bits, has_label, top_two, select(top_two.y, y, label_leads), unmasked, bad);
}

// t_y < max t.
fn is_wrong(of_t: Side) -> bool {
  return of_t.has_label && key(of_t.label) < of_t.top_two.x;
}

// The maximum over the classes besides the label's, or the label's own logit where those are masked
// throughout: what is taken away before exponentials.
fn shift(of_row: Side) -> f32 {
  return shifted_by(of_row.top_two.x, of_row.label);
}

fn shifted_by(others: u32, label: u32) -> f32 {
  return select(value_of_key(others), value(label), others == MASKED_KEY && label != MASKED);
}

// The row's maximum over all classes.
fn maximum(of_row: Side) -> f32 {
  return value_of_key(max(of_row.top_two.x, key(of_row.label)));
}

// Unmasked classes, the label's included.
fn classes_of(of_row: Side) -> u32 {
  return of_row.unmasked + select(0u, 1u, of_row.label != MASKED);
}
