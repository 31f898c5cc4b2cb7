// Logits and what is written are classified by their bits: WGSL lets an implementation assume that
// no float is NaN or infinite, and `x != x` is false for NaN on many of them.

const MASKED = 0xff800000u;      // −∞
const INFINITY = 0x7f800000u;
const NAN = 0x7fc00000u;
const NONE = 0xffffffffu;        // no class, no label

// Stands for −∞ in arithmetic whose result is discarded.
const FAR_BELOW = -3e38;

// Neither NaN nor +∞; −∞ is legal.
fn is_legal_logit(bits: u32) -> bool {
  return bits == MASKED || (bits & 0x7fffffffu) < INFINITY;
}

// A weight: finite and not negative (−0 is 0).
fn is_legal_weight(bits: u32) -> bool {
  return bits < INFINITY || bits == 0x80000000u;
}

// A temperature: finite and above 0.
fn is_legal_temperature(bits: u32) -> bool {
  return bits > 0u && bits < INFINITY;
}

fn is_zero(bits: u32) -> bool {
  return (bits & 0x7fffffffu) == 0u;
}

// Orders floats as integers, −0 equal to +0, subnormals as they are.
fn key(bits: u32) -> u32 {
  if (bits == 0x80000000u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

const MASKED_KEY = 0x007fffffu;

// The logit of a key; a finite stand-in for −∞.
fn value_of_key(k: u32) -> f32 {
  return value(select(~k, k & 0x7fffffffu, k >= 0x80000000u));
}

// The logit of these bits; a finite stand-in for −∞.
fn value(bits: u32) -> f32 {
  return select(bitcast<f32>(bits), FAR_BELOW, bits == MASKED);
}
