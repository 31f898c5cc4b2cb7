// The last sweeps: the divergence's value and the row's gradient.

// Student and revised target of one row, and what the gradient is multiplied by.
struct Row {
  y: u32,
  label: u32,         // bits of the student's logit there
  maximum: f32,       // the student's largest logit
  student: Softmax,   // at the row's temperature
  p: Target,
  raw: Softmax,       // the student's at τ = 1
  rule: Rule,
  spread: Spread,
  squarings: u32,     // from the row's temperature to τ = 1
  kd: f32,            // a part whose factor is 0 is not evaluated
  ce: f32,
}

fn pair_at(r: Row, class_: u32, z: vec2<u32>) -> Pair {
  let t = target_logit(r.p, class_, z.y);
  let q = at(r.student, z.x);
  let p = target_at(r.p, t);
  return Pair(z.x, t, q.x, q.y, p.x, p.y);
}

fn pair_at_label(r: Row) -> Pair {
  let q = r.student.label;
  return Pair(r.label, r.p.label_logit, q.p, q.log_p, r.p.label.p, r.p.label.log_p);
}

// Σ q h over all classes.
fn mean_pull(lane: Lane, r: Row) -> f32 {
  var partial = vec4<f32>();
  if (sweeps(MEAN)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      if (c == r.y) { continue; }
      let at_class = pair_at(r, c, logits(lane, c));
      partial.x += select(at_class.q * pull(r.rule, at_class), 0.0, at_class.q == 0.0);
    }
  }
  var mean = settled_sum(lane, MEAN, MEANS, partial).x;
  let at_label = pair_at_label(r);
  if (r.y != NONE && at_label.q != 0.0) { mean += at_label.q * pull(r.rule, at_label); }
  return mean;
}

// The gradient of standardised logits needs two sums over it before it can be written.
fn pullback_of(lane: Lane, r: Row, mean: f32) -> Pullback {
  var partial = vec4<f32>();
  if (sweeps(PULLBACK)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let z = logits(lane, c);
      if (z.x == MASKED) { continue; }
      let g = slope(r, c, z, mean);
      partial += vec4<f32>(g, g * standardised(r.spread, value(z.x) - r.maximum), 0.0, 0.0);
    }
  }
  return pullback(r.spread, settled_sum(lane, PULLBACK, PULLBACKS, partial).xy);
}

// ∂D/∂z of any class.
fn slope(r: Row, class_: u32, z: vec2<u32>, mean: f32) -> f32 {
  if (class_ == r.y) { return label_gradient(r.rule, pair_at_label(r), mean); }
  return divergence_gradient(r.rule, pair_at(r, class_, z), mean);
}

// Writes the gradient, where there is room for it; D without its factor. `fill` is what a refused
// row's gradient consists of, NONE for all other rows.
fn write_gradient(lane: Lane, r: Row, short: Blend, mean: f32, back: Pullback, fill: u32) -> f32 {
  var partial = vec4<f32>();
  let wanted = is_present(GRADIENT_PRESENT);
  if (sweeps(GRADIENT) && (wanted || !short.applies)) {
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
        var here: f32;
        if (short.applies && c != r.y) {
          here = blended(r, short, c, z);
        } else {
          here = gradient_at(r, c, z, mean, back);
          if (c != r.y) { partial.x += divergence_value(r.rule, pair_at(r, c, z)); }
        }
        g[i] = select(bitcast<u32>(here), fill, fill != NONE);
      }
      if (writes) { store(w, g, inside); }
    }
  }
  var value = settled_sum(lane, GRADIENT, VALUES, partial).x;
  if (r.y != NONE) { value += label_value(r.rule, pair_at_label(r)); }
  return select(value, short.value, short.applies);
}

fn gradient_at(r: Row, class_: u32, z: vec2<u32>, mean: f32, back: Pullback) -> f32 {
  var g = 0.0;
  if (r.kd != 0.0) {
    g = slope(r, class_, z, mean);
    if (TEMPERATURE == STANDARDISED) {
      let whole = pulled_back(r.spread, back, g, value(z.x) - r.maximum);
      g = select(whole, 0.0, z.x == MASKED);
    }
    g *= r.kd;
  }
  if (r.ce != 0.0) {
    if (class_ == r.y) { g -= r.ce * r.raw.label.rest; } else { g += r.ce * probability(r.raw, z.x); }
  }
  return g;
}
