// Masks: how many classes student and teacher mask, and what that makes of a divergence. Decided on
// logits, never on probabilities that underflowed.

// Counts over the classes besides y.
struct MaskCounts {
  unmasked: vec2<u32>,  // by the student, and by the teacher
  only: vec2<u32>,      // masked by the student alone, and by the teacher alone
}

// What a class adds to the counts.
fn mask_terms(z: vec2<u32>) -> vec4<u32> {
  let masked = z == vec2<u32>(MASKED);
  return select(
    vec4<u32>(),
    vec4<u32>(1u),
    vec4<bool>(!masked.x, !masked.y, masked.x && !masked.y, masked.y && !masked.x)
  );
}

// Unmasked classes of a student or of a teacher, the label's included.
fn unmasked_classes(others: u32, of_row: Side) -> u32 {
  return others + select(0u, 1u, of_row.label != MASKED);
}

// Which classes are masked after revision.
struct Masks {
  // Whether the label's class is unmasked in the student and in the target.
  s_y: bool,
  p_y: bool,
  // Whether any other class is.
  s_others: bool,
  p_others: bool,
  // Whether there are other classes that only one of the two masks.
  student_only: bool,
  target_only: bool,
}

fn masks(x: Extremes, wrong: bool) -> Masks {
  let t_y = x.teacher.label != MASKED;
  // Probability shift gives the teacher's top the label's mask, if that is masked.
  let gives = REVISION == PROBABILITY_SHIFT && wrong && !t_y;
  let moved = select(0u, 1u, gives);
  let from_student = select(0u, 1u, gives && (x.teacher.top_two.w & OTHER_SIDE_MASKS_IT) != 0u);
  return Masks(
    x.student.label != MASKED,
    t_y || (wrong && REVISION != 0u),
    x.counts.unmasked.x > 0u,
    x.counts.unmasked.y > moved,
    x.counts.only.x > from_student,
    x.counts.only.y + moved > from_student
  );
}

// Whether D = +∞.
fn is_infinite(rule: Rule, m: Masks) -> bool {
  switch (rule.code) {
    case FORWARD_KL: { return m.student_only || (m.p_y && !m.s_y); }
    case REVERSE_KL: { return m.target_only || (m.s_y && !m.p_y); }
    case MSE_LOGITS: { return m.student_only || m.target_only || m.p_y != m.s_y; }
    case DECOUPLED: {
      let label = (m.p_y && !m.s_y) || (m.p_others && !m.s_others);
      let others = m.s_others && m.student_only;
      return (rule.alpha != 0.0 && label) || (rule.beta != 0.0 && others);
    }
    default: { return false; }
  }
}
