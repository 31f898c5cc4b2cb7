//! Batches of features with rows of every kind, from a seed.

pub(crate) use crate::parity::cases::Rng;
use fused_kd::cpu::FeatureBatch;
use fused_kd::spec::FeatureSpec;

/// What a row is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Features in ±2.
    Plain,
    /// As behind rectified linear units: half of both rows is 0.
    Rectified,
    /// x within 1 % of y.
    Near,
    /// x = y.
    Same,
    /// x = 2y: the same direction.
    Along,
    /// x = −y: as far as it gets.
    Opposite,
    /// One feature alone.
    Single,
    ZeroStudent,
    ZeroTarget,
    BothZero,
    /// Features whose squares overflow in single precision.
    Huge,
    /// Features whose squares underflow.
    Tiny,
    /// Weight 0.
    Off,
    /// NaN somewhere.
    Nan,
    /// ±∞ somewhere.
    Infinity,
    /// NaN in a row of weight 0.
    OffNan,
}

impl Kind {
    pub(crate) const ALL: [Self; 16] = [
        Self::Plain,
        Self::Rectified,
        Self::Near,
        Self::Same,
        Self::Along,
        Self::Opposite,
        Self::Single,
        Self::ZeroStudent,
        Self::ZeroTarget,
        Self::BothZero,
        Self::Huge,
        Self::Tiny,
        Self::Off,
        Self::Nan,
        Self::Infinity,
        Self::OffNan,
    ];
    /// Rows of numbers, so that totals stay numbers.
    pub(crate) const TAME: [Self; 8] = [
        Self::Plain,
        Self::Rectified,
        Self::Near,
        Self::Same,
        Self::Opposite,
        Self::ZeroStudent,
        Self::ZeroTarget,
        Self::Off,
    ];
}

/// One batch. Features are rounded by each subject to its own types.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) spec: FeatureSpec,
    pub(crate) width: usize,
    pub(crate) student: Vec<f32>,
    pub(crate) target: Vec<f32>,
    pub(crate) weight: Vec<f32>,
    pub(crate) upstream: f32,
    pub(crate) kinds: Vec<Kind>,
}

impl Case {
    /// A batch with everything that the case has besides features.
    pub(crate) fn complete<'a, S, T>(
        &'a self,
        batch: FeatureBatch<'a, S, T>,
    ) -> FeatureBatch<'a, S, T> {
        batch.weight(&self.weight).upstream(self.upstream)
    }

    pub(crate) fn new(
        rng: &mut Rng,
        spec: FeatureSpec,
        rows: usize,
        width: usize,
        kinds: &[Kind],
    ) -> Self {
        let mut case = Self {
            spec,
            width,
            student: Vec::with_capacity(rows * width),
            target: Vec::with_capacity(rows * width),
            weight: Vec::new(),
            upstream: [1.0, 50.0, -2.0, 1024.0][rng.below(4)],
            kinds: Vec::new(),
        };
        let offset = rng.below(kinds.len());
        for row in 0..rows {
            let kind = kinds[(row + offset) % kinds.len()];
            let (x, y) = features(rng, kind, width);
            case.student.extend(x);
            case.target.extend(y);
            case.weight.push(match kind {
                Kind::Off | Kind::OffNan => 0.0,
                _ => [1.0, 1.0, 0.25, 3.0][rng.below(4)],
            });
            case.kinds.push(kind);
        }
        case
    }

    pub(crate) fn rows(&self) -> usize {
        self.weight.len()
    }
}

/// A row of each.
fn features(rng: &mut Rng, kind: Kind, width: usize) -> (Vec<f32>, Vec<f32>) {
    let scale = match kind {
        Kind::Huge => 1e30,
        Kind::Tiny => 1e-30,
        _ => 2.0,
    };
    let mut row = || -> Vec<f32> { (0..width).map(|_| scale * rng.signed()).collect() };
    let (mut x, mut y) = (row(), row());
    match kind {
        Kind::Rectified => x.iter_mut().chain(&mut y).for_each(|v| *v = v.max(0.0)),
        Kind::Near => x = y.iter().map(|y| y * (1.0 + 0.01 * rng.signed())).collect(),
        Kind::Same => x.clone_from(&y),
        Kind::Along => x = y.iter().map(|y| 2.0 * y).collect(),
        Kind::Opposite => x = y.iter().map(|y| -y).collect(),
        Kind::Single => {
            let keep = rng.below(width);
            let alone = |(i, v): (usize, &mut f32)| *v = if i == keep { 1.0 } else { 0.0 };
            x.iter_mut().enumerate().for_each(alone);
        }
        Kind::ZeroStudent => x.fill(0.0),
        Kind::ZeroTarget => y.fill(0.0),
        Kind::BothZero => {
            x.fill(-0.0);
            y.fill(0.0);
        }
        Kind::Nan | Kind::OffNan | Kind::Infinity => {
            let row = if rng.below(2) == 0 { &mut x } else { &mut y };
            row[rng.below(width)] = match kind {
                Kind::Infinity => [f32::INFINITY, f32::NEG_INFINITY][rng.below(2)],
                _ => f32::NAN,
            };
        }
        _ => {}
    }
    (x, y)
}
