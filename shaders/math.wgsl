// Exponentials and logarithms within 3 units in the last place. WGSL's own `log` may be off by 1e-4 near
// 1, and its `exp` by 3 + 2|x| units in the last place.

const LOG2_E = 1.44269504;
const LN_2 = 0.69314718;
// The smallest normal number: below it results may be flushed to 0.
const LEAST = 1.1754944e-38;
// Stands for log 0.
const LOG_ZERO = -1e30;

// eˣ for x ≤ 88; 0 below the smallest normal number.
fn exponential(x: f32) -> f32 {
  let clamped = clamp(x, -87.3, 88.0);
  let n = round(clamped * LOG2_E);
  // ln 2 in two parts, the first with few bits, so that n · first is exact.
  let r = (clamped - n * 0.693359375) + n * 2.12194440e-4;
  // The minimax polynomial of (eʳ − 1 − r)/r² on |r| ≤ ½ ln 2 (Cephes).
  var p = 1.9875691e-4;
  p = p * r + 1.3981999e-3;
  p = p * r + 8.3334519e-3;
  p = p * r + 4.1665795e-2;
  p = p * r + 1.6666665e-1;
  p = p * r + 0.5;
  let power = bitcast<f32>(u32(i32(n) + 127) << 23u);
  return select((p * r * r + r + 1.0) * power, 0.0, x < -87.3);
}

// 2 artanh(s) = ln((1+s)/(1−s)) for 0 ≤ |s| ≤ ⅓.
fn twice_artanh(s: f32) -> f32 {
  let s2 = s * s;
  var p = 1.0 / 15.0;
  p = p * s2 + 1.0 / 13.0;
  p = p * s2 + 1.0 / 11.0;
  p = p * s2 + 1.0 / 9.0;
  p = p * s2 + 1.0 / 7.0;
  p = p * s2 + 0.2;
  p = p * s2 + 1.0 / 3.0;
  return 2.0 * s + 2.0 * s * s2 * p;
}

// ln x for normal x > 0.
fn logarithm(x: f32) -> f32 {
  // x = m · 2ⁿ with √½ ≤ m < √2.
  let bits = bitcast<u32>(x) - 0x3f3504f3u;
  let n = f32(bitcast<i32>(bits) >> 23u);
  let m = bitcast<f32>((bits & 0x007fffffu) + 0x3f3504f3u);
  return n * LN_2 + twice_artanh((m - 1.0) / (m + 1.0));
}

// ln(1 + x) for 0 ≤ x ≤ 1.
fn logarithm_1p(x: f32) -> f32 {
  return twice_artanh(x / (2.0 + x));
}

// ln(1 + eˣ), without overflow and without loss near 0.
fn softplus(x: f32) -> f32 {
  return max(x, 0.0) + logarithm_1p(exponential(-abs(x)));
}

// One term of KL(a‖b) = Σ a φ(log a − log b), φ(δ) = e^{−δ} − 1 + δ ≥ 0: never negative, and exact
// where a ≈ b. At a = 0 the term is b.
fn kl_term(a: f32, log_a: f32, b: f32, log_b: f32) -> f32 {
  let delta = log_a - log_b;
  // φ's series up to δ¹¹, good for |δ| < 1.
  var series = 1.0 / 39916800.0;
  series = 1.0 / 3628800.0 - series * delta;
  series = 1.0 / 362880.0 - series * delta;
  series = 1.0 / 40320.0 - series * delta;
  series = 1.0 / 5040.0 - series * delta;
  series = 1.0 / 720.0 - series * delta;
  series = 1.0 / 120.0 - series * delta;
  series = 1.0 / 24.0 - series * delta;
  series = 1.0 / 6.0 - series * delta;
  series = 0.5 - series * delta;
  let near = a * (delta * delta * series);
  let far = max(a * delta - a + b, 0.0);
  let term = select(far, near, abs(delta) < 1.0);
  return select(term, b, a == 0.0);
}
