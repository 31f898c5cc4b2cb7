// Forward KL of rows whose student and target do not nearly agree: D comes with the sums of the second
// sweep, and the gradient is a sum of exponentials.

struct TextbookKl {
  exact: bool,
  value: f32,  // D without its factor
}

// Where the textbook's sum is less than this part of its terms, it cancels too much (4 bits), and kl_term
// is summed in the last sweep instead.
const CANCELS_BELOW = 0.0625;

// D = Σ p' (log p' − log q) as it stands in textbooks, from Σ e_t (x_t − x_s).
fn textbook_kl(r: Gradient, contrast: f32) -> TextbookKl {
  let q = r.student;
  let p = r.p.softmax;
  let label = r.p.label;
  let of_classes = p.scale * contrast;
  let of_constant = label.rest * (q.log_norm - p.log_norm);
  let of_label = select(label.p * (label.log_p - q.y.log_p), 0.0, label.p == 0.0);
  let value = of_classes + of_constant + of_label;
  let size = abs(of_classes) + abs(of_constant) + abs(of_label);
  let exact = size < -LOG_ZERO && value > CANCELS_BELOW * max(size, 1.0);
  return TextbookKl(exact && is_proportional(r), value);
}

// Whether the divergence is forward KL, of a target proportional to the teacher's softmax at every class
// besides the label.
fn is_proportional(r: Gradient) -> bool {
  return r.rule.code == FORWARD_KL && TEMPERATURE != STANDARDISED && r.p.smoothed == 0.0;
}

// g_c = student·e_s + teacher·e_t + unit·e¹ at every class besides the label.
struct GradientFactors {
  student: f32,
  teacher: f32,
  unit: f32,
}

fn gradient_factors(r: Gradient) -> GradientFactors {
  return GradientFactors(r.kd * r.student.scale, -r.kd * r.p.softmax.scale, r.ce * r.unit.scale);
}

// The gradient at a class besides the label.
fn gradient_by(by: GradientFactors, r: Gradient, class_: u32, z: vec2<u32>) -> f32 {
  let q = r.student;
  let p = r.p.softmax;
  let e_s = shifted_exp(q.k, q.shift, z.x);
  let e_t = shifted_exp(p.k, p.shift, target_logit(r.p, class_, z.y));
  let unit = unit_exp(r.power, e_s, q.shift, z.x);
  return dot(vec3<f32>(by.student, by.teacher, by.unit), vec3<f32>(e_s, e_t, unit));
}
