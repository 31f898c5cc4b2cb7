//! Distances of feature vectors, row by row.

use super::sum::{Sum, sum};
use crate::spec::{ArgumentError, Distance, FeatureSpec};

/// One batch of B rows with D features. Values are widened to f64, exactly for f32, f16 and bf16.
#[derive(Clone, Copy, Debug)]
pub struct FeatureBatch<'a> {
    /// The student's features `x[B,D]`, dense.
    pub student: &'a [f64],
    /// The target's features `y[B,D]`, dense.
    pub target: &'a [f64],
    /// B.
    pub rows: usize,
    /// D.
    pub width: usize,
    /// Row weights `w[B]`, finite and ≥ 0; 1 where absent.
    pub weight: Option<&'a [f32]>,
    /// λ and whatever else total and gradient are multiplied by.
    pub upstream: f32,
}

/// What a batch of features comes to.
#[derive(Clone, Debug)]
pub struct FeatureOutput {
    /// `± upstream · (1/N) Σ_b w_b dist_b`; 0 without rows that count.
    pub total: f64,
    /// `dist_b`, `[B]`: without sign, weight and upstream.
    pub distance: Vec<f64>,
    /// `g = ∂total/∂x`, `[B,D]`, dense.
    pub gradient: Vec<f64>,
    /// The scale of each row's rounding errors, `[B]`: gradients in f32 are judged against
    /// `k · max(max_i |g_i|, G)` with `G = |w · upstream/N| · a · m/‖x‖`, where `a` is 1/D for L1, 2/D
    /// for squared L2 and 1 for cosine, and m is 1 for L1 and else `max_i max(|x̂_i|, |ŷ_i|)`. 0 where
    /// the gradient is.
    pub bound: Vec<f64>,
}

/// The feature loss of [`FeatureSpec`], its gradient and its distances.
///
/// ```
/// use fused_kd::reference::{FeatureBatch, features};
/// use fused_kd::spec::{Distance, FeatureSpec, Relation};
///
/// let spec = FeatureSpec { distance: Distance::L1, relation: Relation::Inherit };
/// let batch = FeatureBatch {
///     student: &[3.0, 0.0],
///     target: &[0.0, 5.0],
///     rows: 1,
///     width: 2,
///     weight: None,
///     upstream: 1.0,
/// };
/// let output = features(&spec, &batch)?;
/// assert_eq!(output.total, 1.0); // (|1 − 0| + |0 − 1|)/2
/// assert_eq!(output.gradient, [0.0, -1.0 / 6.0]); // turn towards y; along x nothing changes
/// # Ok::<(), fused_kd::spec::ArgumentError>(())
/// ```
///
/// # Errors
/// [`ArgumentError`], as every engine on the host: lengths, an `upstream` that is not finite, then
/// the first weight that is out of range.
pub fn features(spec: &FeatureSpec, batch: &FeatureBatch) -> Result<FeatureOutput, ArgumentError> {
    batch.check()?;
    let weight = |b: usize| f64::from(batch.weight.map_or(1.0, |w| w[b]));
    let n = (0..batch.rows).filter(|&b| weight(b) != 0.0).count();
    let sign = f64::from(spec.relation.sign());
    let factor = sign * f64::from(batch.upstream) / n.max(1) as f64;
    let mut total = Sum::default();
    let mut output = FeatureOutput {
        total: 0.0,
        distance: Vec::with_capacity(batch.rows),
        gradient: Vec::with_capacity(batch.student.len()),
        bound: Vec::with_capacity(batch.rows),
    };
    for b in 0..batch.rows {
        let of_row = b * batch.width..(b + 1) * batch.width;
        let (x, y) = (&batch.student[of_row.clone()], &batch.target[of_row]);
        let row = Row::of(spec.distance, x, y);
        let scale = factor * weight(b);
        output.distance.push(row.distance);
        if weight(b) != 0.0 {
            total.add(scale * row.distance);
            output
                .gradient
                .extend(row.gradient.iter().map(|g| scale * g));
            output.bound.push((scale * row.bound).abs());
        } else {
            output.gradient.extend(x.iter().map(|_| 0.0));
            output.bound.push(0.0);
        }
    }
    output.total = total.value();
    Ok(output)
}

/// A row's distance, `∂dist/∂x` and its part of G.
struct Row {
    distance: f64,
    gradient: Vec<f64>,
    bound: f64,
}

impl Row {
    fn of(distance: Distance, x: &[f64], y: &[f64]) -> Self {
        let width = x.len() as f64;
        if !x.iter().chain(y).all(|v| v.is_finite()) {
            return Self {
                distance: f64::NAN,
                gradient: vec![f64::NAN; x.len()],
                bound: 0.0,
            };
        }
        let (norm, norm_y) = (norm(x), norm(y));
        let (unit_x, unit_y) = (normalised(x, norm), normalised(y, norm_y));
        let differences: Vec<f64> = unit_x.iter().zip(&unit_y).map(|(x, y)| x - y).collect();
        let squares = sum(differences.iter().map(|d| d * d));
        let (value, a, h): (f64, f64, fn(f64) -> f64) = match distance {
            Distance::L1 => {
                let absolute = sum(differences.iter().map(|d| d.abs()));
                (absolute / width, 1.0 / width, sign)
            }
            Distance::SquaredL2 => (squares / width, 2.0 / width, |d| d),
            // 1 − ⟨x̂, ŷ⟩ without the cancellation.
            Distance::Cosine if norm > 0.0 && norm_y > 0.0 => (squares / 2.0, 1.0, |d| d),
            Distance::Cosine => (1.0, 1.0, |d| d),
        };
        let along = sum(differences.iter().zip(&unit_x).map(|(&d, x)| h(d) * x));
        let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        let gradient = differences.iter().zip(&unit_x);
        let largest = match distance {
            Distance::L1 => 1.0,
            _ => unit_x
                .iter()
                .chain(&unit_y)
                .fold(0.0_f64, |m, u| m.max(u.abs())),
        };
        Self {
            distance: value,
            gradient: gradient
                .map(|(&d, x)| a * (h(d) - x * along) * inverse)
                .collect(),
            bound: a * largest * inverse,
        }
    }
}

/// −1, 0 or 1.
fn sign(d: f64) -> f64 {
    if d == 0.0 { 0.0 } else { d.signum() }
}

/// f32 has no number whose square overflows or underflows here.
fn norm(x: &[f64]) -> f64 {
    sum(x.iter().map(|x| x * x)).sqrt()
}

fn normalised(x: &[f64], norm: f64) -> Vec<f64> {
    let unit = |x: &f64| if norm > 0.0 { x / norm } else { 0.0 };
    x.iter().map(unit).collect()
}

impl FeatureBatch<'_> {
    fn check(&self) -> Result<(), ArgumentError> {
        let (rows, width) = (self.rows, self.width);
        if width == 0 {
            return Err(ArgumentError::Scalar {
                argument: "width",
                given: 0.0,
                expected: "at least 1",
            });
        }
        let too_large = ArgumentError::TooLarge {
            rows,
            stride: width,
        };
        let values = rows.checked_mul(width).ok_or(too_large)?;
        let weights = self.weight.map_or(rows, <[f32]>::len);
        for (argument, given, needed) in [
            ("student", self.student.len(), values),
            ("target", self.target.len(), values),
            ("weight", weights, rows),
        ] {
            if given != needed {
                return Err(ArgumentError::Length {
                    argument,
                    given,
                    needed,
                    rows,
                });
            }
        }
        if !self.upstream.is_finite() {
            return Err(ArgumentError::Scalar {
                argument: "upstream",
                given: self.upstream,
                expected: "finite",
            });
        }
        let legal = |w: f32| w.is_finite() && w >= 0.0;
        let weights = self.weight.unwrap_or_default();
        match weights.iter().position(|&w| !legal(w)) {
            None => Ok(()),
            Some(row) => Err(ArgumentError::RowParameter {
                argument: "weight",
                row,
                given: weights[row],
                expected: "finite and ≥ 0",
            }),
        }
    }
}
