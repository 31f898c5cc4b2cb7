// The student's logits where no gradient is written: for the prologue.

@group(0) @binding(2) var<storage, read> student: array<u32>;

fn student_at(element: u32) -> u32 {
  return widen(student[word_of(element, STUDENT_FORMAT)], element, STUDENT_FORMAT);
}
