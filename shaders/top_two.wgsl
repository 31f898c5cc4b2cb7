// The two largest of a row's logits besides the label's.

// A vec4<u32>: the largest key, its class (the lowest on a tie), the second largest key (equal on a
// tie), and marks.
const NOTHING_YET = vec4<u32>(MASKED_KEY, NONE, MASKED_KEY, 0u);
const BAD = 1u;            // NaN or +∞ anywhere
const OTHER_MASKS_IT = 2u; // the other row masks the class of the largest

fn with_class(top: vec4<u32>, k: u32, class_: u32, marks: u32) -> vec4<u32> {
  if (k > top.x) {
    return vec4<u32>(k, class_, top.x, (top.w & BAD) | marks);
  }
  return vec4<u32>(top.x, top.y, max(top.z, k), top.w | (marks & BAD));
}

fn merged(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> {
  let b_leads = b.x > a.x || (b.x == a.x && b.y < a.y);
  let lead = select(a, b, b_leads);
  let lesser = select(b, a, b_leads);
  return vec4<u32>(lead.x, lead.y, max(max(lead.z, lesser.z), lesser.x), lead.w | (lesser.w & BAD));
}
