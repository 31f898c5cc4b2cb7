// The second sweep: all sums that the softmaxes and the scores are made of, the label's class apart.

struct Sums {
  student: f32,           // Σ exp(k (s_c − shift)) at the row's temperature
  teacher: f32,           // the same of the target's logits
  student_at_one: vec3<f32>,  // at τ = 1: Σ e, Σ e x, Σ e²
  teacher_at_one: vec2<f32>,  // at τ = 1: Σ e, Σ e x
  contrast: f32,          // Σ e_t (x_t − x_s) of the target's logits, x = k (z − shift)
}

fn sums(lane: Lane, y: u32, k: vec2<f32>, squarings: u32, x: Extremes, p: Target) -> Sums {
  let shift_s = shift(x.student);
  let shift_t = shift(x.teacher);
  var at_tau = vec4<f32>();
  var at_one = vec4<f32>();
  if (sweeps(SUMS)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      if (c == y) { continue; }
      let z = logits(lane, c);
      let t = target_logit(p, c, z.y);
      let e_s = relative(k.x, shift_s, z.x);
      let e_t = relative(k.y, p.shift, t);
      at_tau.x += e_s;
      at_tau.y += e_t;
      let e = raised(squarings, e_s, shift_s, z.x);
      at_one += vec4<f32>(e, weighted(e, shift_s, z.x), e * e, contrast(e_t, k, p.shift, shift_s, t, z.x));
      if (STATS_LEVEL == LEVEL_FULL) {
        // Where logits have been exchanged, the target's exponential is not the teacher's.
        var own = squarings;
        if (p.moved != NONE) { own = APART; }
        let of_t = raised(own, e_t, shift_t, z.y);
        at_tau.z += of_t;
        at_tau.w += weighted(of_t, shift_t, z.y);
      }
    }
  }
  at_tau = settled_sum(lane, SUMS, SUMS_AT_TAU, at_tau);
  at_one = settled_sum(lane, SUMS, SUMS_AT_ONE, at_one);
  return Sums(at_tau.x, at_tau.y, at_one.xyz, at_tau.zw, at_one.w);
}

// e_t (x_t − x_s); what only the student masks makes it too large to be exact.
fn contrast(e_t: f32, k: vec2<f32>, shift_t: f32, shift_s: f32, t: u32, s: u32) -> f32 {
  let x_s = select(exponent(k.x, shift_s, s), LOG_ZERO, s == MASKED);
  return select(e_t * (exponent(k.y, shift_t, t) - x_s), 0.0, e_t == 0.0);
}

// e x, 0 where e is 0.
fn weighted(e: f32, shift: f32, bits: u32) -> f32 {
  return select(e * exponent(1.0, shift, bits), 0.0, e == 0.0);
}
