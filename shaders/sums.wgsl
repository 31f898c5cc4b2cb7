// The second sweep: all sums that the softmaxes and the scores are made of, the label's class apart.

struct Sums {
  student: f32,           // Σ exp(k (s_c − shift)) at the row's temperature
  teacher: f32,           // the same of the target's logits
  student_at_one: vec3<f32>,  // at τ = 1: Σ e, Σ e x, Σ e²
  teacher_at_one: vec2<f32>,  // at τ = 1: Σ e, Σ e x
}

fn sums(lane: Lane, y: u32, k: vec2<f32>, x: Extremes, p: Target) -> Sums {
  let shift_s = shift(x.student);
  let shift_t = shift(x.teacher);
  var at_tau = vec4<f32>();
  var at_one = vec4<f32>();
  if (sweeps(SUMS)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      if (c == y) { continue; }
      let z = logits(lane, c);
      at_tau.x += relative(k.x, shift_s, z.x);
      at_tau.y += relative(k.y, p.shift, target_logit(p, c, z.y));
      let e = relative(1.0, shift_s, z.x);
      at_one += vec4<f32>(e, weighted(e, shift_s, z.x), e * e, 0.0);
      if (STATS_LEVEL == LEVEL_FULL) {
        let of_t = relative(1.0, shift_t, z.y);
        at_tau.z += of_t;
        at_tau.w += weighted(of_t, shift_t, z.y);
      }
    }
  }
  at_tau = settled_sum(lane, SUMS, SUMS_AT_TAU, at_tau);
  at_one = settled_sum(lane, SUMS, SUMS_AT_ONE, at_one);
  return Sums(at_tau.x, at_tau.y, at_one.xyz, at_tau.zw);
}

// e x, 0 where e is 0.
fn weighted(e: f32, shift: f32, bits: u32) -> f32 {
  return select(e * exponent(1.0, shift, bits), 0.0, e == 0.0);
}
