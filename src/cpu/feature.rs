//! Distances of feature vectors: norms, distance and gradient while a row is in the cache.

use super::Parallelism;
use super::regime::LEAF_FEATURES;
use super::sweep::matrix::{Matrix, MatrixMut, matrices};
use super::sweep::vectors::{NO_LABEL, RowGradient, Source};
use super::sweep::{Formats, with_formats};
use crate::batch::{Element, FeatureBatch, check, weighted, written};
use crate::spec::{ArgumentError, Distance, FeatureSpec, SpecError};

/// A feature loss over rows of `D` features: checked once, run often.
///
/// ```
/// use fused_kd::cpu::{FeatureBatch, FeaturePlan, Parallelism};
/// use fused_kd::spec::{Distance, FeatureSpec, Relation};
///
/// let spec = FeatureSpec { distance: Distance::L1, relation: Relation::Inherit };
/// let plan = FeaturePlan::new(&spec, 2)?;
/// let (target, mut features) = ([0.0_f32, 5.0], [3.0_f32, 0.0]);
/// let mut distances = [0.0; 1];
/// let batch = FeatureBatch::in_place(1, &mut features, &target) // the gradient replaces the features
///     .upstream(50.0) // λ
///     .distances(&mut distances);
/// let total = plan.run(batch, Parallelism::Serial)?;
/// assert_eq!((total, distances), (50.0, [1.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeaturePlan {
    spec: FeatureSpec,
    width: usize,
}

/// Features per block. Loops over a block have no branches, so the compiler makes vectors of them.
const LANES: usize = 16;

impl FeaturePlan {
    /// A plan for rows of `width` features.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`] for 0 features and for 2³¹ and more.
    pub fn new(spec: &FeatureSpec, width: usize) -> Result<Self, SpecError> {
        FeatureSpec::check_width(width)?;
        Ok(Self { spec: *spec, width })
    }

    /// The loss that this plan computes.
    #[must_use]
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// D.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Bytes of workspace that a call needs: none on this engine.
    #[must_use]
    pub fn workspace_bytes(&self, _rows: usize, _parallelism: Parallelism) -> usize {
        0
    }

    /// Runs over a batch: returns `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, and writes it,
    /// the gradient `∂total/∂x` and each row's distance, each where the batch has room for it. No rows,
    /// no work: the total is 0.
    ///
    /// Agrees with [`reference::features`](crate::reference::features) as `|Δ dist| ≤ 1e-5·dist +
    /// 1e-6·bound` of the [`Distance`] and `|Δ| ≤ 2e-6·max(max_i |g_i|, G)`, up to the L1's kinks where
    /// x̂ and ŷ agree.
    ///
    /// # Errors
    /// [`ArgumentError`] names the argument, before anything is written.
    pub fn run<S: Element, T: Element>(
        &self,
        batch: FeatureBatch<S, T>,
        parallelism: Parallelism,
    ) -> Result<f32, ArgumentError> {
        let strides = check::features(self.width, &batch)?;
        let upstream = self.spec.relation.sign() * batch.upstream.value();
        let count = || weighted(batch.rows, batch.weight);
        let scale = match batch.counted.unwrap_or_else(count) {
            0 => 0.0,
            n => upstream / n as f32,
        };
        let mut student = batch.student.with(batch.gradient);
        let (student, gradient) = matrices(&mut student, batch.rows, self.width, strides);
        let rows = FeatureRows {
            student,
            gradient,
            target: Matrix::new(batch.target, strides.teacher, batch.rows, self.width),
            weight: batch.weight,
            distances: batch.distances.unwrap_or_default(),
        };
        let total = self.total(rows, scale, parallelism) as f32;
        Ok(written(total, batch.total))
    }

    /// The rows' part of the total, with `scale` = `± upstream/N`. Halved at places that depend on the shape
    /// alone, so that threads change nothing. Not generic, so that it is compiled once.
    fn total(&self, rows: FeatureRows, scale: f32, parallelism: Parallelism) -> f64 {
        let leaf = (LEAF_FEATURES / self.width).max(1);
        let count = rows.student.rows();
        if count <= leaf {
            let formats = [rows.student.format(), rows.target.format()];
            return with_formats!(formats, F => rows.run::<F>(self.spec.distance, scale));
        }
        let middle = (count / 2).next_multiple_of(leaf);
        let (a, b) = rows.split_at(middle);
        let before = || self.total(a, scale, parallelism);
        let after = || self.total(b, scale, parallelism);
        let (a, b) = match parallelism {
            Parallelism::Serial => (before(), after()),
            #[cfg(feature = "rayon")]
            Parallelism::Rayon => rayon::join(before, after),
        };
        a + b
    }
}

/// Rows of features that one thread works on.
struct FeatureRows<'a> {
    student: Matrix<'a>,
    gradient: Option<MatrixMut<'a>>,
    target: Matrix<'a>,
    weight: Option<&'a [f32]>,
    distances: &'a mut [f32],
}

impl FeatureRows<'_> {
    /// The first rows, and the others.
    fn split_at(self, rows: usize) -> (Self, Self) {
        let (student, target) = (self.student.split_at(rows), self.target.split_at(rows));
        let gradient = self.gradient.map(|g| g.split_at(rows)).unzip();
        let weight = self.weight.map(|w| w.split_at(rows)).unzip();
        let distances = self.distances.split_at_mut(rows.min(self.distances.len()));
        (
            Self {
                student: student.0,
                gradient: gradient.0,
                target: target.0,
                weight: weight.0,
                distances: distances.0,
            },
            Self {
                student: student.1,
                gradient: gradient.1,
                target: target.1,
                weight: weight.1,
                distances: distances.1,
            },
        )
    }

    /// Row by row.
    fn run<F: Formats>(mut self, distance: Distance, scale: f32) -> f64 {
        let mut total = 0.0;
        for i in 0..self.student.rows() {
            let weight = self.weight.map_or(1.0, |w| w[i]);
            let scale = scale * weight;
            let gradient = self.gradient.as_mut().map(|g| g.row(i, NO_LABEL));
            let (x, y) = (self.student.row(i), self.target.row(i));
            let distance = row::<F>(distance, x, y, gradient, scale, weight);
            if weight != 0.0 {
                total += f64::from(scale) * f64::from(distance);
            }
            if let Some(out) = self.distances.get_mut(i) {
                *out = distance;
            }
        }
        total
    }
}

/// The distance of one row; writes its gradient, which is that of the distance times `scale`.
fn row<F: Formats>(
    distance: Distance,
    x: Source<F>,
    y: Source<F>,
    gradient: Option<RowGradient<F>>,
    scale: f32,
    weight: f32,
) -> f32 {
    let norms = [Norm::of(&x), Norm::of(&y)];
    if !(norms[0].finite && norms[1].finite) {
        if let Some(mut gradient) = gradient {
            gradient.fill(if weight == 0.0 { 0.0 } else { f32::NAN });
        }
        return f32::NAN;
    }
    let sums = Sums::of(distance, &x, &y, norms);
    match gradient {
        Some(mut gradient) if weight == 0.0 => gradient.fill(0.0),
        Some(gradient) => write(distance, &x, &y, gradient, norms, sums.along, scale),
        None => {}
    }
    sums.distance(distance, y.len(), norms)
}

/// `1/‖x‖` as a power of two and a factor near 1, so that neither leaves the range of f32.
#[derive(Clone, Copy)]
struct Norm {
    power: f32,
    /// `1/(‖x‖ · power)`, 0 for a zero vector.
    inverse: f32,
    finite: bool,
}

impl Norm {
    /// In double precision no square of an f32 overflows or underflows, and no sum of them loses what
    /// a bound of 2e-6 would see.
    fn of<F: Formats>(x: &Source<F>) -> Self {
        let mut lanes = [0.0_f64; LANES];
        for start in (0..x.len()).step_by(LANES) {
            for (lane, x) in lanes.iter_mut().zip(x.block::<LANES>(start)) {
                *lane += f64::from(x) * f64::from(x);
            }
        }
        let norm = lanes.iter().sum::<f64>().sqrt();
        if norm == 0.0 || !norm.is_finite() {
            return Self {
                power: 1.0,
                inverse: 0.0,
                finite: norm == 0.0,
            };
        }
        let exponent = (norm.log2().floor() as i32).clamp(-126, 126);
        let power = f64::powi(2.0, -exponent);
        Self {
            power: power as f32,
            inverse: (1.0 / (norm * power)) as f32,
            finite: true,
        }
    }

    /// `x̂` of a feature.
    #[inline(always)]
    fn unit(self, x: f32) -> f32 {
        (x * self.power) * self.inverse
    }
}

/// What a row's distance and gradient need to know of all its features.
struct Sums {
    /// `Σ |x̂ − ŷ|`, or `Σ (x̂ − ŷ)²`.
    apart: f32,
    /// `Σ slope(x̂ − ŷ) x̂`.
    along: f32,
}

impl Sums {
    fn of<F: Formats>(distance: Distance, x: &Source<F>, y: &Source<F>, norms: [Norm; 2]) -> Self {
        let [apart, along] = match distance {
            Distance::L1 => sums(x, y, norms, f32::abs, sign),
            _ => sums(x, y, norms, |d| d * d, |d| d),
        };
        Self { apart, along }
    }

    fn distance(&self, distance: Distance, width: usize, [of_x, of_y]: [Norm; 2]) -> f32 {
        match distance {
            Distance::L1 | Distance::SquaredL2 => self.apart / width as f32,
            // 1 − ⟨x̂, ŷ⟩ without the cancellation.
            Distance::Cosine if of_x.inverse != 0.0 && of_y.inverse != 0.0 => 0.5 * self.apart,
            Distance::Cosine => 1.0,
        }
    }
}

/// `[Σ measure(d), Σ slope(d) x̂]` with `d = x̂ − ŷ`.
#[inline(always)]
fn sums<F: Formats>(
    x: &Source<F>,
    y: &Source<F>,
    [of_x, of_y]: [Norm; 2],
    measure: impl Fn(f32) -> f32,
    slope: impl Fn(f32) -> f32,
) -> [f32; 2] {
    let [mut apart, mut along] = [[0.0_f64; LANES]; 2];
    for start in (0..x.len()).step_by(LANES) {
        let (x, y) = (x.block::<LANES>(start), y.block::<LANES>(start));
        for i in 0..LANES {
            let unit = of_x.unit(x[i]);
            let d = unit - of_y.unit(y[i]);
            apart[i] += f64::from(measure(d));
            along[i] += f64::from(slope(d) * unit);
        }
    }
    [apart, along].map(|lanes| lanes.iter().sum::<f64>() as f32)
}

/// Writes the gradient, `scale · a (slope(d) − x̂ along)/‖x‖`.
fn write<F: Formats>(
    distance: Distance,
    x: &Source<F>,
    y: &Source<F>,
    gradient: RowGradient<F>,
    norms: [Norm; 2],
    along: f32,
    scale: f32,
) {
    let a = match distance {
        Distance::L1 => 1.0 / y.len() as f32,
        Distance::SquaredL2 => 2.0 / y.len() as f32,
        Distance::Cosine => 1.0,
    };
    let factor = scale * a * norms[0].inverse;
    match distance {
        Distance::L1 => write_by(x, y, gradient, norms, along, factor, sign),
        _ => write_by(x, y, gradient, norms, along, factor, |d| d),
    }
}

#[inline(always)]
fn write_by<F: Formats>(
    x: &Source<F>,
    y: &Source<F>,
    mut gradient: RowGradient<F>,
    [of_x, of_y]: [Norm; 2],
    along: f32,
    factor: f32,
    slope: impl Fn(f32) -> f32,
) {
    for start in (0..y.len()).step_by(LANES) {
        let (x, y) = (x.block::<LANES>(start), y.block::<LANES>(start));
        let mut block = [0.0; LANES];
        for i in 0..LANES {
            let unit = of_x.unit(x[i]);
            let projected = slope(unit - of_y.unit(y[i])) - unit * along;
            // The power comes last: a tiny ‖x‖ may have a gradient beyond the range of f32.
            block[i] = projected * factor * of_x.power;
        }
        gradient.store_block(start, block);
    }
}

/// −1, 0 or 1.
#[inline(always)]
fn sign(d: f32) -> f32 {
    f32::from(i8::from(d > 0.0) - i8::from(d < 0.0))
}
