//! Distances of feature vectors: norms, distance and gradient while a row is in the cache.

use super::Parallelism;
use super::regime::LEAF_FEATURES;
use crate::batch::check::{self, Strides};
use crate::batch::{Element, FeatureBatch, RowLogits, weighted, written};
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

type Block = [f32; LANES];

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
        let call = Call {
            plan: *self,
            target: batch.target,
            weight: batch.weight,
            strides,
            scale: match batch.counted.unwrap_or_else(count) {
                0 => 0.0,
                n => upstream / n as f32,
            },
            parallelism,
        };
        let (student, distances) = (
            batch.student.with(batch.gradient),
            batch.distances.unwrap_or_default(),
        );
        let total = call.total(0, batch.rows, student, distances) as f32;
        Ok(written(total, batch.total))
    }
}

/// One call, as all its parts share it.
struct Call<'a, T> {
    plan: FeaturePlan,
    target: &'a [T],
    weight: Option<&'a [f32]>,
    strides: Strides,
    /// `± upstream/N`.
    scale: f32,
    parallelism: Parallelism,
}

impl<T: Element> Call<'_, T> {
    /// The part of the total of `count` rows from `first` on, which `place` and `distances` hold.
    /// Halved at places that depend on the shape alone, so that threads change nothing.
    fn total<S: Element>(
        &self,
        first: usize,
        count: usize,
        place: RowLogits<S>,
        distances: &mut [f32],
    ) -> f64 {
        let rows = (LEAF_FEATURES / self.plan.width).max(1);
        if count <= rows {
            return self.rows(first, count, place, distances);
        }
        let middle = (count / 2).next_multiple_of(rows);
        let Strides {
            student, gradient, ..
        } = self.strides;
        let (a, b) = place.split(middle * student, middle * gradient);
        let (da, db) = distances.split_at_mut(middle.min(distances.len()));
        let before = || self.total(first, middle, a, da);
        let after = || self.total(first + middle, count - middle, b, db);
        let (a, b) = match self.parallelism {
            Parallelism::Serial => (before(), after()),
            #[cfg(feature = "rayon")]
            Parallelism::Rayon => rayon::join(before, after),
        };
        a + b
    }

    /// Row by row.
    fn rows<S: Element>(
        &self,
        first: usize,
        count: usize,
        mut place: RowLogits<S>,
        distances: &mut [f32],
    ) -> f64 {
        let (width, strides) = (self.plan.width, self.strides);
        let mut total = 0.0;
        for i in 0..count {
            let weight = self.weight.map_or(1.0, |w| w[first + i]);
            let y = &self.target[(first + i) * strides.teacher..][..width];
            let place = place.row(i * strides.student, i * strides.gradient, width);
            let distance = row(
                self.plan.spec.distance,
                place,
                y,
                self.scale * weight,
                weight,
            );
            if weight != 0.0 {
                total += f64::from(self.scale * weight) * f64::from(distance);
            }
            if let Some(out) = distances.get_mut(i) {
                *out = distance;
            }
        }
        total
    }
}

/// The distance of one row; writes its gradient, which is that of the distance times `scale`.
fn row<S: Element, T: Element>(
    distance: Distance,
    mut place: RowLogits<S>,
    y: &[T],
    scale: f32,
    weight: f32,
) -> f32 {
    let x = place.read();
    let (of_x, of_y) = (Norm::of(x), Norm::of(y));
    if !(of_x.finite && of_y.finite) {
        place.fill(if weight == 0.0 { 0.0 } else { f32::NAN });
        return f32::NAN;
    }
    let sums = Sums::of(distance, x, y, of_x, of_y);
    if weight == 0.0 {
        place.fill(0.0);
    } else {
        gradient(distance, &mut place, y, [of_x, of_y], sums.along, scale);
    }
    sums.distance(distance, y.len(), of_x, of_y)
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
    fn of<E: Element>(x: &[E]) -> Self {
        let mut lanes = [0.0_f64; LANES];
        for start in (0..x.len()).step_by(LANES) {
            for (lane, x) in lanes.iter_mut().zip(load(x, start)) {
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
    fn of<S: Element, T: Element>(
        distance: Distance,
        x: &[S],
        y: &[T],
        of_x: Norm,
        of_y: Norm,
    ) -> Self {
        let [apart, along] = match distance {
            Distance::L1 => sums(x, y, of_x, of_y, f32::abs, sign),
            _ => sums(x, y, of_x, of_y, |d| d * d, |d| d),
        };
        Self { apart, along }
    }

    fn distance(&self, distance: Distance, width: usize, of_x: Norm, of_y: Norm) -> f32 {
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
fn sums<S: Element, T: Element>(
    x: &[S],
    y: &[T],
    of_x: Norm,
    of_y: Norm,
    measure: impl Fn(f32) -> f32,
    slope: impl Fn(f32) -> f32,
) -> [f32; 2] {
    let [mut apart, mut along] = [[0.0_f64; LANES]; 2];
    for start in (0..x.len()).step_by(LANES) {
        let (x, y) = (load(x, start), load(y, start));
        for i in 0..LANES {
            let unit = of_x.unit(x[i]);
            let d = unit - of_y.unit(y[i]);
            apart[i] += f64::from(measure(d));
            along[i] += f64::from(slope(d) * unit);
        }
    }
    [apart, along].map(|lanes| lanes.iter().sum::<f64>() as f32)
}

/// `scale · a (slope(d) − x̂ along)/‖x‖` over the features, where there is room for it.
fn gradient<S: Element, T: Element>(
    distance: Distance,
    place: &mut RowLogits<S>,
    y: &[T],
    [of_x, of_y]: [Norm; 2],
    along: f32,
    scale: f32,
) {
    let a = match distance {
        Distance::L1 => 1.0 / y.len() as f32,
        Distance::SquaredL2 => 2.0 / y.len() as f32,
        Distance::Cosine => 1.0,
    };
    let factor = scale * a * of_x.inverse;
    match distance {
        Distance::L1 => write(place, y, [of_x, of_y], along, factor, sign),
        _ => write(place, y, [of_x, of_y], along, factor, |d| d),
    }
}

#[inline(always)]
fn write<S: Element, T: Element>(
    place: &mut RowLogits<S>,
    y: &[T],
    [of_x, of_y]: [Norm; 2],
    along: f32,
    factor: f32,
    slope: impl Fn(f32) -> f32,
) {
    for start in (0..y.len()).step_by(LANES) {
        let (x, y) = (load(place.read(), start), load(y, start));
        let Some(out) = place.write() else { return };
        let mut block = [0.0; LANES];
        for i in 0..LANES {
            let unit = of_x.unit(x[i]);
            let projected = slope(unit - of_y.unit(y[i])) - unit * along;
            // The power comes last: a tiny ‖x‖ may have a gradient beyond the range of f32.
            block[i] = projected * factor * of_x.power;
        }
        for (value, lane) in out[start..].iter_mut().zip(block) {
            *value = S::from_f32(lane);
        }
    }
}

/// −1, 0 or 1.
#[inline(always)]
fn sign(d: f32) -> f32 {
    f32::from(i8::from(d > 0.0) - i8::from(d < 0.0))
}

/// The block of `row` that starts at `start`, filled with 0, which contributes nothing anywhere.
#[inline(always)]
fn load<E: Element>(row: &[E], start: usize) -> Block {
    let mut block = [0.0; LANES];
    for (lane, value) in block.iter_mut().zip(&row[start..]) {
        *lane = value.to_f32();
    }
    block
}
