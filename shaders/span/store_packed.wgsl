// The student's logits and the gradient in f16 or bf16: two to a word. The words are atomic, because
// neighbouring rows may share one: each row changes its own half alone, so that no order changes the
// result.

override IN_PLACE: u32 = 0u;

@group(0) @binding(2) var<storage, read> student: array<u32>;
@group(0) @binding(8) var<storage, read_write> gradient: array<atomic<u32>>;

const PER_WORD = 2u;

fn student_at(element: u32) -> u32 {
  if (IN_PLACE != 0u) { return widen(atomicLoad(&gradient[element >> 1u]), element, STUDENT_FORMAT); }
  return widen(student[element >> 1u], element, STUDENT_FORMAT);
}

// Stores the gradient of a word's elements, those whose bits are set in `inside`: bit 0 for the first.
fn store(word: u32, elements: vec2<u32>, inside: u32) {
  let low = narrow(elements.x, STUDENT_FORMAT);
  let high = narrow(elements.y, STUDENT_FORMAT) << 16u;
  if (inside == 3u) {
    atomicStore(&gradient[word], low | high);
  } else if (inside == 1u) {
    atomicAnd(&gradient[word], 0xffff0000u);
    atomicOr(&gradient[word], low);
  } else if (inside == 2u) {
    atomicAnd(&gradient[word], 0x0000ffffu);
    atomicOr(&gradient[word], high);
  }
}
