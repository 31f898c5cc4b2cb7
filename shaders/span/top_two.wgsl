// The two largest of a row's logits besides the label's: a vec4<u32> of the largest key, its class (the
// lowest on a tie), the second largest key (the same on a tie), and marks.

const NO_CLASS_YET = vec4<u32>(MASKED_KEY, NONE, MASKED_KEY, 0u);

// Marks.
const NONFINITE_LOGIT = 1u;     // NaN or +∞ anywhere
const OTHER_SIDE_MASKS_IT = 2u; // the other side masks the class of the largest

fn with_class(top: vec4<u32>, k: u32, class_: u32, marks: u32) -> vec4<u32> {
  if (k > top.x) {
    return vec4<u32>(k, class_, top.x, (top.w & NONFINITE_LOGIT) | marks);
  }
  return vec4<u32>(top.x, top.y, max(top.z, k), top.w | (marks & NONFINITE_LOGIT));
}

fn merged(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  let b_leads = b.x > a.x || (b.x == a.x && b.y < a.y);
  let first = select(a, b, b_leads);
  let other = select(b, a, b_leads);
  let second = max(max(first.z, other.z), other.x);
  return vec4<u32>(first.x, first.y, second, first.w | (other.w & NONFINITE_LOGIT));
}
