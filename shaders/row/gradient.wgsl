// The last sweeps: the divergence's value and the row's gradient.

// Student and revised target of a row, and what the gradient is multiplied by. A part whose factor is 0
// is not evaluated.
struct Gradient {
  y: u32,
  label: u32,        // bits of the student's logit at the label
  student: Softmax,  // q, at the row's temperature
  p: Target,         // p'
  unit: Softmax,     // q1, the student's at τ = 1
  power: u32,        // by which exp(d) comes from exp(d/τ)
  rule: Rule,
  standardised: Standardised,
  kd: f32,
  ce: f32,
}

fn at_class(r: Gradient, class_: u32, z: vec2<u32>) -> AtClass {
  let t = target_logit(r.p, class_, z.y);
  let q = softmax_at(r.student, z.x);
  let p = target_at(r.p, t);
  return AtClass(z.x, t, q.x, q.y, p.x, p.y);
}

fn at_label_class(r: Gradient) -> AtClass {
  let q = r.student.y;
  let p = r.p.label;
  return AtClass(r.label, r.p.label_logit, q.p, q.log_p, p.p, p.log_p);
}

// Σ q h over all classes.
fn mean_slope(lane: Lane, r: Gradient) -> f32 {
  var partial = vec4<f32>();
  if (sweeps_in(MEAN)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      if (c == r.y) { continue; }
      partial.x += weighted_slope(r.rule, at_class(r, c, logits(lane, c)));
    }
  }
  var mean = row_sum(lane, MEAN, MEANS, partial).x;
  if (r.y != NONE) { mean += weighted_slope(r.rule, at_label_class(r)); }
  return mean;
}

// The gradient of standardised logits needs two sums over it before it can be written.
fn pullback_of(lane: Lane, r: Gradient, mean: f32) -> Pullback {
  var partial = vec4<f32>();
  if (sweeps_in(PULLBACK)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let z = logits(lane, c);
      if (z.x == MASKED) { continue; }
      let g = class_gradient(r, c, z, mean);
      partial += vec4<f32>(g, g * z_of(r.standardised, z.x), 0.0, 0.0);
    }
  }
  let all = row_sum(lane, PULLBACK, PULLBACKS, partial);
  return pullback(r.standardised, all.x, all.y);
}

// ∂D/∂z of any class.
fn class_gradient(r: Gradient, class_: u32, z: vec2<u32>, mean: f32) -> f32 {
  if (class_ == r.y) { return label_gradient(r.rule, at_label_class(r), mean); }
  return divergence_gradient(r.rule, at_class(r, class_, z), mean);
}

// Writes the gradient, where there is room for it; returns D without its factor. `fill` is what the
// gradient of a row without numbers consists of, NONE for all other rows.
fn write_gradient(
  lane: Lane, r: Gradient, textbook: TextbookKl, mean: f32, back: Pullback, fill: u32
) -> f32 {
  var partial = vec4<f32>();
  let wanted = is_present(GRADIENT_PRESENT);
  if (sweeps_in(GRADIENT) && (wanted || !textbook.exact)) {
    let by = gradient_factors(r);
    let start = params.gradient_offset + lane.row * params.gradient_stride;
    let writes = lane.writes && wanted;
    // A lane owns whole words of the gradient.
    let first = start + lane.first;
    let last = start + lane.last;
    for (var w = first / PER_WORD + lane.index; w * PER_WORD < last; w += LANES) {
      var g = vec2<u32>();
      var inside = 0u;
      for (var i = 0u; i < PER_WORD; i++) {
        let element = w * PER_WORD + i;
        if (element < first || element >= last) { continue; }
        let c = element - start;
        let z = logits(lane, c);
        inside |= 1u << i;
        var at_element: f32;
        if (textbook.exact && c != r.y) {
          at_element = gradient_by(by, r, c, z);
        } else {
          at_element = gradient_at(r, c, z, mean, back);
          if (c != r.y) { partial.x += divergence_value(r.rule, at_class(r, c, z)); }
        }
        g[i] = select(bitcast<u32>(at_element), fill, fill != NONE);
      }
      if (writes) { store(w, g, inside); }
    }
  }
  var value = row_sum(lane, GRADIENT, VALUES, partial).x;
  if (r.y != NONE) { value += label_value(r.rule, at_label_class(r)); }
  return select(value, textbook.value, textbook.exact);
}

// The gradient at any class, by any rule.
fn gradient_at(r: Gradient, class_: u32, z: vec2<u32>, mean: f32, back: Pullback) -> f32 {
  var g = 0.0;
  if (r.kd != 0.0) {
    g = class_gradient(r, class_, z, mean);
    if (TEMPERATURE == STANDARDISED) { g = apply_pullback(r.standardised, back, g, z.x); }
    g *= r.kd;
  }
  if (r.ce != 0.0) {
    // At the label from the other classes alone.
    if (class_ == r.y) { g -= r.ce * r.unit.y.rest; } else { g += r.ce * probability(r.unit, z.x); }
  }
  return g;
}
