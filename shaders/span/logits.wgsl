// Logits of any type, read as the bits of the f32 that they exactly are.

const F32 = 0u;
const F16 = 1u;
const BF16 = 2u;

override STUDENT_FORMAT: u32 = 0u;
override TEACHER_FORMAT: u32 = 0u;

@group(0) @binding(3) var<storage, read> teacher: array<u32>;

// Where the word of this element is.
fn word_of(element: u32, format: u32) -> u32 {
  return select(element >> 1u, element, format == F32);
}

fn widen(word: u32, element: u32, format: u32) -> u32 {
  if (format == F32) { return word; }
  let half = (word >> ((element & 1u) * 16u)) & 0xffffu;
  if (format == BF16) { return half << 16u; }
  if ((half & 0x7c00u) == 0x7c00u) {
    return ((half & 0x8000u) << 16u) | INFINITY | ((half & 0x3ffu) << 13u);
  }
  return bitcast<u32>(unpack2x16float(half).x);
}

// The half-precision number nearest to an f32, ties to even.
fn narrow(bits: u32, format: u32) -> u32 {
  let magnitude = bits & 0x7fffffffu;
  if (format == BF16) {
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(rounded, 0x7fc0u, magnitude > INFINITY);
  }
  let sign = (bits >> 16u) & 0x8000u;
  if (magnitude > INFINITY) { return 0x7e00u; }
  if (magnitude >= 0x477ff000u) { return sign | 0x7c00u; }
  if (magnitude < 0x38800000u) {
    // Adding ½ rounds to multiples of 2⁻²⁴, the smallest f16.
    return sign | (bitcast<u32>(bitcast<f32>(magnitude) + 0.5) - 0x3f000000u);
  }
  return sign | ((magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13u) & 1u)) >> 13u);
}

fn teacher_at(element: u32) -> u32 {
  return widen(teacher[word_of(element, TEACHER_FORMAT)], element, TEACHER_FORMAT);
}
