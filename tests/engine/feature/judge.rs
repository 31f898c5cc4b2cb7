//! An engine's answer against the oracle's, within the bounds of docs/methods.md.

use super::cases::Case;
use super::{Answer, Subject, answer_of};
use fused_kd::cpu::Element;
use fused_kd::reference::{FeatureBatch, FeatureOutput, features};
use fused_kd::spec::{Distance, Format};
use half::{bf16, f16};

/// How a type of features rounds.
pub(crate) trait Rounding {
    /// The value of the type that is nearest to `z` as `f32`, ties to even.
    fn round(self, z: f64) -> f64;
    /// The largest relative error of rounding to the type.
    fn epsilon(self) -> f64;
    /// What rounding to the type may move `z` by: one unit in its last place.
    fn ulp(self, z: f64) -> f64;
}

impl Rounding for Format {
    fn round(self, z: f64) -> f64 {
        let z = z as f32;
        f64::from(match self {
            Self::F16 => f16::from_f32(z).to_f32(),
            Self::Bf16 => bf16::from_f32(z).to_f32(),
            _ => z,
        })
    }

    fn epsilon(self) -> f64 {
        match self {
            Self::F16 => f64::powi(2.0, -11),
            Self::Bf16 => f64::powi(2.0, -8),
            _ => f64::powi(2.0, -24),
        }
    }

    fn ulp(self, z: f64) -> f64 {
        let least = match self {
            Self::F16 => f64::powi(2.0, -24),
            Self::Bf16 => f64::powi(2.0, -133),
            _ => return 0.0,
        };
        (2.0 * self.epsilon() * z.abs()).max(least)
    }
}

/// Section 9 of docs/methods.md, for features.
pub(crate) struct Bounds {
    /// Of a distance: `|Δ| ≤ r·dist + a·(the largest distance there is)`.
    pub(crate) r: f64,
    pub(crate) a: f64,
    /// Of a gradient: `|Δ| ≤ k·max(max_i |g_i|, G)`, and what may be 0 instead.
    pub(crate) k: f64,
    pub(crate) least: f64,
}

impl Bounds {
    pub(crate) const CPU: Self = Self {
        r: 1e-5,
        a: 1e-6,
        k: 2e-6,
        least: 0.0,
    };
    /// GPUs may flush subnormal numbers to 0.
    #[allow(dead_code, reason = "the CPU engine alone does not need it")]
    pub(crate) const GPU: Self = Self {
        r: 5e-5,
        a: 5e-6,
        k: 5e-6,
        least: 1.2e-38,
    };
}

/// Runs the case on the subject and on the oracle, and compares everything.
pub(crate) fn judge<S: Subject>(case: &Case) {
    judge_answer::<S>(case, &answer_of::<S>(case));
}

/// Compares an answer with the oracle's.
pub(crate) fn judge_answer<S: Subject>(case: &Case, answer: &Answer) {
    let widen = |row: &[f32], format: Format| -> Vec<f64> {
        row.iter().map(|&z| format.round(f64::from(z))).collect()
    };
    let (student, target) = (
        widen(&case.student, S::Student::FORMAT),
        widen(&case.target, S::Target::FORMAT),
    );
    let truth = features(
        &case.spec,
        &FeatureBatch {
            student: &student,
            target: &target,
            rows: case.rows(),
            width: case.width,
            weight: Some(&case.weight),
            upstream: case.upstream,
        },
    )
    .unwrap();
    distances::<S>(case, answer, &truth);
    for row in 0..case.rows() {
        let of_row = row * case.width..(row + 1) * case.width;
        let units = [&student, &target].map(|all| normalised(&all[of_row.clone()]));
        gradient::<S>(case, row, &answer.gradient[of_row], &truth, units);
    }
}

fn normalised(row: &[f64]) -> Vec<f64> {
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    let unit = |x: &f64| if norm == 0.0 { 0.0 } else { x / norm };
    row.iter().map(unit).collect()
}

fn at(case: &Case, row: usize) -> String {
    format!(
        "D = {}, row {row} {:?} of {:?}",
        case.width, case.kinds[row], case.spec
    )
}

fn close(a: f64, b: f64, bound: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (b.is_finite() && (a - b).abs() <= bound)
}

fn distances<S: Subject>(case: &Case, answer: &Answer, truth: &FeatureOutput) {
    let most = case.spec.distance.bound(case.width);
    let counted = case.weight.iter().filter(|w| **w != 0.0).count().max(1) as f64;
    let mut of_total = 1e-7 * truth.total.abs();
    for (row, (&got, &oracle)) in answer.distance.iter().zip(&truth.distance).enumerate() {
        let got = f64::from(got);
        let bound = S::BOUNDS.r * oracle + S::BOUNDS.a * most;
        assert!(
            close(got, oracle, bound),
            "distance {got}, oracle {oracle}: {}",
            at(case, row)
        );
        assert!(
            got.is_nan() || (0.0..=most * (1.0 + S::BOUNDS.a)).contains(&got),
            "{}",
            at(case, row)
        );
        if oracle.is_finite() {
            let weight = f64::from(case.weight[row] * case.upstream.abs());
            of_total += weight / counted * bound;
        }
    }
    let total = f64::from(answer.total);
    assert!(
        close(total, truth.total, of_total),
        "total {total}, oracle {}, bound {of_total:e}: {:?}",
        truth.total,
        case.spec
    );
}

/// Where x̂ and ŷ agree to rounding, the L1's slope may be either sign: such features are left out,
/// and the others may be off by what they do to ⟨σ, x̂⟩.
fn gradient<S: Subject>(
    case: &Case,
    row: usize,
    got: &[f32],
    truth: &FeatureOutput,
    [x, y]: [Vec<f64>; 2],
) {
    let oracle = &truth.gradient[row * case.width..][..case.width];
    let largest = oracle.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    let allowance = S::BOUNDS.k * largest.max(truth.bound[row]) + S::BOUNDS.least;
    let at_kink = |i: usize| {
        let apart = (x[i] - y[i]).abs();
        let l1 = case.spec.distance == Distance::L1;
        l1 && apart > 0.0 && apart < 1e-5 * x[i].abs().max(y[i].abs())
    };
    let kinks: f64 = (0..case.width)
        .filter(|&i| at_kink(i))
        .map(|i| 2.0 * x[i].abs())
        .sum();
    for i in (0..case.width).filter(|&i| !at_kink(i)) {
        // G of the L1 is the factor before σ − x̂ ⟨σ, x̂⟩.
        let allowance = allowance + truth.bound[row] * x[i].abs() * kinks;
        let bound = allowance + S::Student::FORMAT.ulp(oracle[i].abs() + allowance);
        let (g, rounded) = (f64::from(got[i]), S::Student::FORMAT.round(oracle[i]));
        assert!(
            close(g, rounded, bound),
            "gradient[{i}] {g}, oracle {}, bound {bound:e}: {}",
            oracle[i],
            at(case, row)
        );
    }
}
