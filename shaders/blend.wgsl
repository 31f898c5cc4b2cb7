// The specialised forward KL, for rows whose student and target do not nearly agree: D comes with the
// sums of the second sweep, and the gradient is a sum of exponentials.

struct Blend {
  applies: bool,
  value: f32,          // D without its factor
  factors: vec3<f32>,  // a, b and c of g_c = a e_s + b e_t + c e¹
}

// D = Σ p' (log p' − log q) as it stands in textbooks, where its terms do not cancel: less than 4 bits
// are lost. Otherwise kl_term is summed in the last sweep.
fn blend(r: Row, contrast: f32) -> Blend {
  let q = r.student;
  let p = r.p.softmax;
  let scale = p.scale * r.p.beta;
  let share = r.p.label;
  let of_classes = scale * contrast;
  let of_constant = share.rest * (q.log_norm - p.log_norm + r.p.log_beta);
  let of_label = select(share.p * (share.log_p - q.label.log_p), 0.0, share.p == 0.0);
  let value = of_classes + of_constant + of_label;
  let size = abs(of_classes) + abs(of_constant) + abs(of_label);
  let exact = size < -LOG_ZERO && value > max(size, 1.0) / 16.0;
  let plain = r.rule.code == FORWARD_KL && TEMPERATURE != STANDARDISED && r.p.smoothed == 0.0;
  return Blend(exact && plain, value, vec3<f32>(r.kd * q.scale, -r.kd * scale, r.ce * r.raw.scale));
}

// The gradient at a class besides the label.
fn blended(r: Row, by: Blend, class_: u32, z: vec2<u32>) -> f32 {
  let e_s = relative(r.student.k, r.student.shift, z.x);
  let e_t = relative(r.p.softmax.k, r.p.softmax.shift, target_logit(r.p, class_, z.y));
  return dot(by.factors, vec3<f32>(e_s, e_t, raised(r.squarings, e_s, r.student.shift, z.x)));
}
