// Normalised distances of features, and their gradient: magnitudes → norms → distance → gradient. Features
// are bound where the row program has logits, and distances where it has records.

@group(0) @binding(1) var<uniform> scale: Scale;
@group(0) @binding(9) var<storage, read_write> stats: array<u32>;

// `right_divergence` of the parameter block.
const L1 = 0u;
const COSINE = 2u;

// Features that a lane sums up before it adds them to the rest, so that rounding costs a long row no more
// than a short one.
const CHAIN = 64u;

// ‖x‖ as a power of two and a factor near 1, so that no square leaves the range of f32.
struct Norm {
  exponent: i32,
  inverse: f32,  // 2^exponent/‖x‖; 0 for a zero vector
}

struct Norms {
  x: Norm,
  y: Norm,
  finite: bool,
}

// What distance and gradient need to know of all features, with h = sign(x̂ − ŷ) for the L1, else x̂ − ŷ.
struct Sums {
  apart: f32,  // Σ |x̂ − ŷ|, or Σ (x̂ − ŷ)²
  along: f32,  // Σ h x̂
}

@compute @workgroup_size(WORKGROUP)
fn features(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32
) {
  let lane = lane_of(workgroup, workgroups, local);
  let row = params.first_row + lane.row;
  let w = weight_of(row);
  let of_row = norms(lane);
  let all = sums(lane, of_row);
  let without_numbers = !of_row.finite || !is_legal_weight(w);
  // A row without weight has no gradient, whatever is in it.
  let fill = select(select(NONE, NAN, without_numbers), 0u, is_zero(w));
  let factor = params.right_lambda_kd * scale.upstream * scale.inverse_right * bitcast<f32>(w);
  write_gradient(lane, of_row, all.along, factor, fill);
  if (is_leader(lane)) {
    stats[row] = select(bitcast<u32>(distance(of_row, all.apart)), NAN, without_numbers);
  }
}

fn norms(lane: Lane) -> Norms {
  var magnitudes = vec4<u32>();
  for (var c = lane.index; c < params.classes; c += LANES) {
    let bits = fetch(lane, c) & vec2<u32>(0x7fffffffu);
    magnitudes = max(magnitudes, vec4<u32>(bits, 0u, 0u));
  }
  magnitudes = largest(lane, magnitudes);
  // From here on, lanes read what others have put into the cache.
  if (CACHE > 1u) { workgroupBarrier(); }
  let of_x = exponent_of(magnitudes.x);
  let of_y = exponent_of(magnitudes.y);
  var squares = vec4<f32>();
  for (var start = lane.index; start < params.classes; start += CHAIN * LANES) {
    var partial = vec2<f32>();
    for (var c = start; c < min(start + CHAIN * LANES, params.classes); c += LANES) {
      let bits = logits(lane, c);
      let z = vec2<f32>(scaled(bits.x, of_x), scaled(bits.y, of_y));
      partial += z * z;
    }
    squares += vec4<f32>(partial, 0.0, 0.0);
  }
  squares = sum(lane, squares);
  let finite = max(magnitudes.x, magnitudes.y) < INFINITY;
  return Norms(norm(of_x, squares.x), norm(of_y, squares.y), finite);
}

fn norm(exponent: i32, squares: f32) -> Norm {
  if (!(squares > 0.0)) { return Norm(exponent, 0.0); }
  return Norm(exponent, 1.0 / sqrt(squares));
}

fn sums(lane: Lane, of_row: Norms) -> Sums {
  var all = vec4<f32>();
  for (var start = lane.index; start < params.classes; start += CHAIN * LANES) {
    var partial = vec2<f32>();
    for (var c = start; c < min(start + CHAIN * LANES, params.classes); c += LANES) {
      let u = units(of_row, logits(lane, c));
      let d = apart(u);
      let measure = select(d * d, abs(d), params.right_divergence == L1);
      partial += vec2<f32>(measure, slope(u) * u.x);
    }
    all += vec4<f32>(partial, 0.0, 0.0);
  }
  all = sum(lane, all);
  return Sums(all.x, all.y);
}

fn distance(of_row: Norms, apart: f32) -> f32 {
  if (params.right_divergence != COSINE) { return apart / f32(params.classes); }
  // 1 − ⟨x̂, ŷ⟩ without the cancellation.
  return select(0.5 * apart, 1.0, of_row.x.inverse == 0.0 || of_row.y.inverse == 0.0);
}

// factor · a (h − x̂ Σ h x̂)/‖x‖ over the features, where there is room for it; `fill` everywhere,
// unless that is NONE.
fn write_gradient(lane: Lane, of_row: Norms, along: f32, factor: f32, fill: u32) {
  if (!lane.writes || !is_present(GRADIENT_PRESENT)) { return; }
  var a = 1.0;
  if (params.right_divergence != COSINE) { a = 1.0 / f32(params.classes); }
  if (params.right_divergence != L1 && params.right_divergence != COSINE) { a *= 2.0; }
  let k = factor * a * of_row.x.inverse;
  let first = params.gradient_offset + lane.row * params.gradient_stride;
  let last = first + params.classes;
  // A lane owns whole words of the gradient.
  for (var w = first / PER_WORD + lane.index; w * PER_WORD < last; w += LANES) {
    var g = vec2<u32>();
    var inside = 0u;
    for (var i = 0u; i < PER_WORD; i++) {
      let element = w * PER_WORD + i;
      if (element < first || element >= last) { continue; }
      let u = units(of_row, logits(lane, element - first));
      let projected = (slope(u) - u.x * along) * k;
      inside |= 1u << i;
      g[i] = select(bitcast<u32>(times_power(projected, -of_row.x.exponent)), fill, fill != NONE);
    }
    store(w, g, inside);
  }
}

// x̂ and ŷ of a pair of features.
fn units(of_row: Norms, bits: vec2<u32>) -> vec2<f32> {
  return vec2<f32>(
    scaled(bits.x, of_row.x.exponent) * of_row.x.inverse,
    scaled(bits.y, of_row.y.exponent) * of_row.y.inverse
  );
}

// x̂ − ŷ. The compiler may fuse the difference with the product before it, which would not give 0 where
// both are equal; a comparison cannot be fused.
fn apart(u: vec2<f32>) -> f32 {
  return select(u.x - u.y, 0.0, u.x == u.y);
}

// h: the sign for the L1, else the difference itself.
fn slope(u: vec2<f32>) -> f32 {
  if (params.right_divergence != L1) { return apart(u); }
  return select(0.0, 1.0, u.x > u.y) - select(0.0, 1.0, u.x < u.y);
}

// ⌊log₂⌋ of a magnitude's bits, −149 of 0.
fn exponent_of(magnitude: u32) -> i32 {
  if (magnitude < 0x00800000u) { return max(i32(firstLeadingBit(magnitude)), 0) - 149; }
  return i32(magnitude >> 23u) - 127;
}

// x · 2^−exponent. Arithmetic may take subnormal numbers for 0, so they come from their integers.
fn scaled(bits: u32, exponent: i32) -> f32 {
  let magnitude = bits & 0x7fffffffu;
  if (magnitude < 0x00800000u) {
    let x = f32(magnitude) * power_of_two(-149 - exponent);
    return select(x, -x, bits != magnitude);
  }
  return bitcast<f32>(bits) * power_of_two(-exponent);
}

// 2ⁿ for −126 ≤ n ≤ 127, and the nearest of these for others.
fn power_of_two(n: i32) -> f32 {
  return bitcast<f32>(u32(clamp(n, -126, 127) + 127) << 23u);
}

// x · 2ⁿ where 2ⁿ itself may leave the range of f32.
fn times_power(x: f32, n: i32) -> f32 {
  return x * power_of_two(n / 2) * power_of_two(n - n / 2);
}
