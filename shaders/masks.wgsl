// Which classes are masked after revision; decided on logits, never on probabilities that
// underflowed.

struct Masks {
  // Whether the label's class is unmasked in the student and in the target.
  student_label: bool,
  target_label: bool,
  // Whether any other class is.
  student_others: bool,
  target_others: bool,
  // Other classes that only one of the two masks.
  student_only: u32,
  target_only: u32,
}

fn masks(x: Extremes, wrong: bool) -> Masks {
  let teacher_label = x.teacher.label != MASKED;
  // Probability shift gives the teacher's top the label's mask, if that is masked.
  let gives = REVISION == PROBABILITY_SHIFT && wrong && !teacher_label;
  let moved = select(0u, 1u, gives);
  let from_student = select(0u, 1u, gives && (x.teacher.top_two.w & OTHER_MASKS_IT) != 0u);
  return Masks(
    x.student.label != MASKED,
    teacher_label || (wrong && REVISION != 0u),
    x.student.unmasked > 0u,
    x.teacher.unmasked > moved,
    x.student_only - from_student,
    x.teacher_only + moved - from_student
  );
}

// Whether D = +∞.
fn is_infinite(rule: Rule, m: Masks) -> bool {
  switch (rule.code) {
    case FORWARD_KL: { return m.student_only > 0u || (m.target_label && !m.student_label); }
    case REVERSE_KL: { return m.target_only > 0u || (m.student_label && !m.target_label); }
    case MSE_LOGITS: {
      return m.student_only + m.target_only > 0u || m.target_label != m.student_label;
    }
    case DECOUPLED: {
      let label = (m.target_label && !m.student_label) || (m.target_others && !m.student_others);
      let others = m.student_others && m.student_only > 0u;
      return (rule.alpha != 0.0 && label) || (rule.beta != 0.0 && others);
    }
    default: { return false; }
  }
}
