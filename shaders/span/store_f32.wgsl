// The student's logits and the gradient in f32: one word each.

override IN_PLACE: u32 = 0u;

@group(0) @binding(2) var<storage, read> student: array<u32>;
@group(0) @binding(8) var<storage, read_write> gradient: array<u32>;

const PER_WORD = 1u;

fn student_at(element: u32) -> u32 {
  if (IN_PLACE != 0u) { return gradient[element]; }
  return student[element];
}

// Stores the gradient of a word's elements, those whose bits are set in `inside`: bit 0 for the first.
fn store(word: u32, elements: vec2<u32>, inside: u32) {
  gradient[word] = elements.x;
}
