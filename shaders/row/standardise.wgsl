// Logit standardisation: z = (x−μ)/(σ + 1e-7) over a row's unmasked classes.

// Keeps a constant row from a division by 0.
const SIGMA_EPSILON = 1e-7;

// A row's mean and spread.
struct Standardised {
  mean: f32,     // of the logits less the row's maximum
  sigma: f32,
  n: f32,
  maximum: f32,  // the row's largest logit
  inverse: f32,  // 1/(σ + 1e-7), or 1 where there are fewer than two classes
}

struct StandardisedRows {
  student: Standardised,
  teacher: Standardised,
}

// The maximum is taken away first, and the variance is that of the centred values.
fn standardise(lane: Lane, x: Extremes) -> StandardisedRows {
  let top = vec2<f32>(maximum(x.student), maximum(x.teacher));
  let n = vec2<f32>(
    f32(unmasked_classes(x.counts.unmasked.x, x.student)),
    f32(unmasked_classes(x.counts.unmasked.y, x.teacher))
  );
  var first = vec4<f32>();
  if (sweeps_in(CENTRE)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      first += vec4<f32>(centred(logits(lane, c), top, vec2<f32>()), 0.0, 0.0);
    }
  }
  let mean = row_sum(lane, CENTRE, CENTRES, first).xy / n;
  var second = vec4<f32>();
  if (sweeps_in(VARIANCE)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let d = centred(logits(lane, c), top, mean);
      second += vec4<f32>(d * d, 0.0, 0.0);
    }
  }
  let squares = row_sum(lane, VARIANCE, VARIANCES, second);
  return StandardisedRows(
    standardised(top.x, mean.x, squares.x, n.x), standardised(top.y, mean.y, squares.y, n.y)
  );
}

// z − maximum − mean of unmasked classes, 0 of the others.
fn centred(z: vec2<u32>, top: vec2<f32>, mean: vec2<f32>) -> vec2<f32> {
  let d = vec2<f32>(value(z.x), value(z.y)) - top - mean;
  return select(d, vec2<f32>(), z == vec2<u32>(MASKED));
}

// From the mean less the maximum and from Σ (z − maximum − mean)².
fn standardised(maximum: f32, mean: f32, squares: f32, n: f32) -> Standardised {
  if (n < 2.0) { return Standardised(mean, 0.0, n, maximum, 1.0); }
  let sigma = sqrt(squares / (n - 1.0));
  return Standardised(mean, sigma, n, maximum, 1.0 / (sigma + SIGMA_EPSILON));
}

// z of a class that is not masked.
fn z_of(row: Standardised, bits: u32) -> f32 {
  return (value(bits) - row.maximum - row.mean) * row.inverse;
}

// What the chain rule through mean and spread needs to know of G = ∂D/∂z over the whole row.
struct Pullback {
  mean_g: f32,
  variance_term: f32,
}

// From Σ G and Σ G z over the unmasked classes.
fn pullback(row: Standardised, sum_g: f32, sum_gz: f32) -> Pullback {
  let variance_term = sum_gz * (row.sigma + SIGMA_EPSILON) / ((row.n - 1.0) * row.sigma);
  return Pullback(sum_g / row.n, select(0.0, variance_term, row.sigma > 0.0 && row.n >= 2.0));
}

// ∂D/∂s = [G − mean G − z (Σ G z)(σ+1e-7)/((n−1)σ)]/(σ+1e-7); 0 where the class is masked or the only one.
fn apply_pullback(row: Standardised, back: Pullback, g: f32, bits: u32) -> f32 {
  let pulled = (g - back.mean_g - z_of(row, bits) * back.variance_term) * row.inverse;
  return select(pulled, 0.0, row.n < 2.0 || bits == MASKED);
}
