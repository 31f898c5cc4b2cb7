// Logit standardisation: z = (x−μ)/(σ + 1e-7) over a row's unmasked classes.

const SIGMA_EPSILON = 1e-7;

struct Spread {
  mean: f32,     // of the logits less the row's maximum
  sigma: f32,
  n: f32,
  inverse: f32,  // 1/(σ + 1e-7), or 1 where there are fewer than two classes
}

struct Spreads {
  student: Spread,
  teacher: Spread,
}

// The maximum is taken away first, and the variance is that of the centred values.
fn spreads(lane: Lane, x: Extremes) -> Spreads {
  let top = vec2<f32>(maximum(x.student), maximum(x.teacher));
  let n = vec2<f32>(f32(classes_of(x.student)), f32(classes_of(x.teacher)));
  var first = vec4<f32>();
  if (sweeps(CENTRE)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let z = logits(lane, c);
      first += vec4<f32>(below(z, top, vec2<f32>()), 0.0, 0.0);
    }
  }
  let mean = settled_sum(lane, CENTRE, CENTRES, first).xy / n;
  var second = vec4<f32>();
  if (sweeps(VARIANCE)) {
    for (var c = lane.first + lane.index; c < lane.last; c += LANES) {
      let centred = below(logits(lane, c), top, mean);
      second += vec4<f32>(centred * centred, 0.0, 0.0);
    }
  }
  let squares = settled_sum(lane, VARIANCE, VARIANCES, second);
  return Spreads(spread(mean.x, squares.x, n.x), spread(mean.y, squares.y, n.y));
}

// z − max − mean of unmasked classes, 0 of the others.
fn below(z: vec2<u32>, top: vec2<f32>, mean: vec2<f32>) -> vec2<f32> {
  let centred = vec2<f32>(value(z.x), value(z.y)) - top - mean;
  return select(centred, vec2<f32>(), z == vec2<u32>(MASKED));
}

fn spread(mean: f32, squares: f32, n: f32) -> Spread {
  if (n < 2.0) { return Spread(mean, 0.0, n, 1.0); }
  let sigma = sqrt(squares / (n - 1.0));
  return Spread(mean, sigma, n, 1.0 / (sigma + SIGMA_EPSILON));
}

// z of a class that is not masked, given its logit less the row's maximum.
fn standardised(row: Spread, below_maximum: f32) -> f32 {
  return (below_maximum - row.mean) * row.inverse;
}

// What the chain rule through mean and spread needs of G = ∂D/∂z over the whole row.
struct Pullback {
  mean: f32,
  tilt: f32,
}

// From Σ G and Σ G z over the unmasked classes.
fn pullback(row: Spread, sums: vec2<f32>) -> Pullback {
  let tilt = sums.y * (row.sigma + SIGMA_EPSILON) / ((row.n - 1.0) * row.sigma);
  return Pullback(sums.x / row.n, select(0.0, tilt, row.sigma > 0.0 && row.n >= 2.0));
}

// ∂D/∂s of a class that is not masked.
fn pulled_back(row: Spread, back: Pullback, g: f32, below_maximum: f32) -> f32 {
  let slope = (g - back.mean - standardised(row, below_maximum) * back.tilt) * row.inverse;
  return select(slope, 0.0, row.n < 2.0);
}
