// The second sweep: every sum that the softmaxes and the scores need of a row's exponentials.

// Over the classes besides the label; d is a logit less the shift.
struct Sums {
  tempered: vec2<f32>,  // Σ exp(k d) of the student and of the target
  unit: vec2<f32>,      // Σ exp(d) of student and teacher; the teacher's in full records only
  weighted: vec2<f32>,  // Σ exp(d) d of student and teacher, in full records only
  squares: f32,         // Σ exp(d)² of the student, in full records only
  contrast: f32,        // Σ exp(k_t d_t) (k_t d_t − k_s d_s) of the target's logits
}

// How exp(d) comes from e = exp(d/τ): as a power of it, or by an exponential of its own.
const FIRST_POWER = 1u;
const SECOND_POWER = 2u;
const FOURTH_POWER = 4u;
const OTHER_POWER = 0u;

fn power_of(tau: f32) -> u32 {
  if (TEMPERATURE == STANDARDISED) { return OTHER_POWER; }
  if (tau == 1.0) { return FIRST_POWER; }
  if (tau == 2.0) { return SECOND_POWER; }
  return select(OTHER_POWER, FOURTH_POWER, tau == 4.0);
}

// exp(z − shift) of a logit's bits, from e = exp((z − shift)/τ).
fn unit_exp(power: u32, e: f32, shift: f32, bits: u32) -> f32 {
  if (power == OTHER_POWER) { return shifted_exp(1.0, shift, bits); }
  let squared = select(e * e, e, power == FIRST_POWER);
  return select(squared, squared * squared, power == FOURTH_POWER);
}

fn sums(lane: Lane, y: u32, k: vec2<f32>, power: u32, x: Extremes, p: Target) -> Sums {
  let shift_s = shift(x.student);
  let shift_t = shift(x.teacher);
  let shift_p = p.softmax.shift;
  var exponentials = vec4<f32>();
  var products = vec4<f32>();
  if (sweeps_in(SUMS)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      if (c == y) { continue; }
      let z = logits(lane, c);
      let t = target_logit(p, c, z.y);
      let e_s = shifted_exp(k.x, shift_s, z.x);
      let e_t = shifted_exp(k.y, shift_p, t);
      let unit_s = unit_exp(power, e_s, shift_s, z.x);
      exponentials += vec4<f32>(e_s, e_t, unit_s, 0.0);
      products.w += contrast(e_t, k, shift_p, shift_s, t, z.x);
      if (STATS_LEVEL == LEVEL_FULL) {
        // Where logits have been exchanged, the target's exponential is not the teacher's.
        let power_t = select(OTHER_POWER, power, p.shifted_class == NONE);
        let unit_t = unit_exp(power_t, e_t, shift_t, z.y);
        exponentials.w += unit_t;
        let weighted_s = weighted(unit_s, shift_s, z.x);
        let weighted_t = weighted(unit_t, shift_t, z.y);
        products += vec4<f32>(weighted_s, weighted_t, unit_s * unit_s, 0.0);
      }
    }
  }
  exponentials = row_sum(lane, SUMS, SUMS_OF_EXPONENTIALS, exponentials);
  products = row_sum(lane, SUMS, SUMS_OF_PRODUCTS, products);
  return Sums(exponentials.xy, exponentials.zw, products.xy, products.z, products.w);
}

// e_t (x_t − x_s) with x = k (z − shift); what only the student masks makes it too large to be exact.
fn contrast(e_t: f32, k: vec2<f32>, shift_t: f32, shift_s: f32, t: u32, s: u32) -> f32 {
  let x_s = select(exponent(k.x, shift_s, s), LOG_ZERO, s == MASKED);
  return select(e_t * (exponent(k.y, shift_t, t) - x_s), 0.0, e_t == 0.0);
}

// e d, 0 where e is 0.
fn weighted(e: f32, shift: f32, bits: u32) -> f32 {
  return select(e * exponent(1.0, shift, bits), 0.0, e == 0.0);
}
