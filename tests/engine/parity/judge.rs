//! An engine's answer against the oracle's, within the bounds of docs/methods.md.

use super::cases::Case;
use super::{Answer, Subject};
use fused_kd::reference::{self, Batch, Output, ReferenceStats};
use fused_kd::spec::{Divergence, Format, LossSpec, Reduction, RowFlags, RowStats, Temperature};
use half::{bf16, f16};

/// How a type of logits rounds.
pub(crate) trait Rounding {
    /// The value of the type that is nearest to `z` as `f32`, ties to even.
    fn round(self, z: f64) -> f64;
    /// The distance from `z` to its neighbour away from 0.
    fn ulp(self, z: f64) -> f64;
}

impl Rounding for Format {
    fn round(self, z: f64) -> f64 {
        // By way of f32, because half's bf16::from_f64 looks at the upper 32 bits alone.
        let z = z as f32;
        f64::from(match self {
            Self::F16 => f16::from_f32(z).to_f32(),
            Self::Bf16 => bf16::from_f32(z).to_f32(),
            _ => z,
        })
    }

    fn ulp(self, z: f64) -> f64 {
        let (digits, least) = match self {
            Self::F16 => (10, -24),
            Self::Bf16 => (7, -133),
            _ => return 0.0,
        };
        let exponent = if z == 0.0 {
            least
        } else {
            z.abs().log2().floor() as i32
        };
        f64::powi(2.0, (exponent - digits).max(least))
    }
}

/// Section 9 of docs/methods.md.
pub(crate) struct Bounds {
    /// Of a loss: `|Δ| ≤ r·|loss| + a·w (λ_kd τ² + λ_ce)`.
    pub(crate) r: f64,
    pub(crate) a: f64,
    /// Of a gradient: `|Δ| ≤ k·max(max_c |g_c|, G)`.
    pub(crate) k: f64,
    /// Of a record: `|Δ| ≤ stats·max(1, |x|)`.
    pub(crate) stats: f64,
}

impl Bounds {
    pub(crate) const CPU: Self = Self {
        r: 1e-5,
        a: 1e-6,
        k: 2e-6,
        stats: 1e-5,
    };
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    pub(crate) const GPU: Self = Self {
        r: 5e-5,
        a: 5e-6,
        k: 5e-6,
        stats: 1e-4,
    };
}

/// Runs the case on the subject and on the oracle, and compares everything. Returns the rows whose
/// gradient could not be judged, because total variation has a kink there.
pub(crate) fn judge<S: Subject>(case: &Case) -> usize {
    judge_answer::<S>(case, &S::answer(case))
}

/// The same for an answer that is there already.
pub(crate) fn judge_answer<S: Subject>(case: &Case, answer: &Answer) -> usize {
    let truth = Truth::of::<S>(case, answer);
    total::<S>(case, answer, &truth.output);
    let mut skipped = 0;
    for row in 0..case.labels.len() {
        record::<S>(case, row, &answer.stats[row], &truth.output.stats[row]);
        if truth.is_at_a_kink(case, row) {
            skipped += 1;
        } else {
            gradient::<S>(case, row, answer, &truth);
        }
    }
    skipped
}

/// The oracle's answer on the logits as the subject's types hold them.
pub(crate) struct Truth {
    student: Vec<f64>,
    teacher: Vec<f64>,
    pub(crate) output: Output,
}

impl Truth {
    /// With dynamic temperatures the oracle is fed the engine's own, after a look at them.
    pub(crate) fn of<S: Subject>(case: &Case, answer: &Answer) -> Self {
        let widen = |row: &[f32], format: Format| -> Vec<f64> {
            row.iter().map(|&z| format.round(f64::from(z))).collect()
        };
        let student = widen(&case.student, S::STUDENT);
        let teacher = widen(&case.teacher, S::TEACHER);
        let mut batch = Batch {
            student: &student,
            teacher: &teacher,
            classes: case.classes,
            labels: &case.labels,
            weight: Some(&case.weight),
            kd_weight: Some(&case.kd_weight),
            tau: case.tau.as_deref(),
            upstream: case.upstream,
        };
        if let Temperature::Dtd(dtd) = case.spec.temperature() {
            let tau = answer
                .tau
                .as_deref()
                .expect("the engine's own temperatures");
            let truth = reference::dtd_temperatures(&dtd, &batch).unwrap();
            for (row, (&tau, truth)) in tau.iter().zip(truth).enumerate() {
                assert!(
                    (f64::from(tau) - truth).abs() <= 1e-3,
                    "{}: tau {tau}, oracle {truth}",
                    at(case, row)
                );
            }
            batch.tau = Some(tau);
        }
        let output = reference::run(&case.spec, &batch).unwrap();
        Self {
            student,
            teacher,
            output,
        }
    }

    /// What a row's gradient may be off before it is rounded to the student's type.
    pub(crate) fn allowance<S: Subject>(&self, case: &Case, row: usize) -> f64 {
        let oracle = &self.output.gradient[row * case.classes..(row + 1) * case.classes];
        let largest = oracle.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        S::BOUNDS.k * largest.max(self.output.bound[row])
    }

    /// Total variation has no gradient where q = p', and f32 cannot tell on which side it is.
    pub(crate) fn is_at_a_kink(&self, case: &Case, row: usize) -> bool {
        let stats = &self.output.stats[row];
        let side = case.spec.side(stats.flags.contains(RowFlags::WRONG));
        let refused = stats.flags.contains(RowFlags::NONFINITE);
        if side.divergence != Divergence::TotalVariation || refused {
            return false;
        }
        let classes = row * case.classes..(row + 1) * case.classes;
        let (s, t) = (&self.student[classes.clone()], &self.teacher[classes]);
        let target = reference::revise(&case.spec, t, case.labels[row], stats.tau);
        let student = reference::revise(&case.spec, s, fused_kd::spec::IGNORE, stats.tau);
        student
            .iter()
            .zip(target)
            .any(|(&q, p)| (q - p).abs() < 1e-5 * q.max(p) || (q > 0.0 && q.max(p) < 1e-30))
    }
}

fn at(case: &Case, row: usize) -> String {
    format!(
        "V = {}, row {row} {:?} of {:?}",
        case.classes, case.kinds[row], case.spec
    )
}

/// What a loss may be off besides its relative part: `a·(λ_kd τ² + λ_ce)`.
fn absolute(spec: &LossSpec, truth: &ReferenceStats, lambdas: Option<(f64, f64)>) -> f64 {
    let side = spec.side(truth.flags.contains(RowFlags::WRONG));
    let (kd, ce) = lambdas.unwrap_or((f64::from(side.lambda_kd), f64::from(side.lambda_ce)));
    let factor = match side.divergence {
        Divergence::MseLogits | Divergence::MseProbs => 1.0,
        _ if spec.temperature_squared() => truth.tau * truth.tau,
        _ => 1.0,
    };
    kd * factor + ce
}

/// A bound that grows with an infinite truth allows nothing but that infinity.
fn close(a: f64, b: f64, bound: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (b.is_finite() && (a - b).abs() <= bound)
}

fn total<S: Subject>(case: &Case, answer: &Answer, truth: &Output) {
    let scale = f64::from(case.upstream).abs();
    let n = |stats: &ReferenceStats| match case.spec.reduction() {
        Reduction::Sum => 1,
        Reduction::MeanPerGroup => truth.counts[usize::from(stats.flags.contains(RowFlags::WRONG))],
        _ => truth.counts[0] + truth.counts[1],
    };
    let bound: f64 = truth
        .stats
        .iter()
        .zip(&case.weight)
        .filter(|(stats, w)| stats.loss.is_finite() && **w != 0.0)
        .map(|(stats, &w)| {
            let of_row = S::BOUNDS.r * stats.loss.abs()
                + S::BOUNDS.a * f64::from(w) * absolute(&case.spec, stats, None);
            of_row / f64::from(n(stats))
        })
        .sum();
    let total = f64::from(answer.total);
    // The sum of the rows' bounds, and the rounding of the total itself.
    let bound = scale * bound + 1e-7 * truth.total.abs();
    assert!(
        close(total, truth.total, bound),
        "total {total}, oracle {}, bound {bound:e}: {:?}",
        truth.total,
        case.spec
    );
}

fn record<S: Subject>(case: &Case, row: usize, got: &RowStats, truth: &ReferenceStats) {
    let tops = (got.teacher_top, got.student_top);
    assert_eq!(
        tops,
        (truth.teacher_top, truth.student_top),
        "tops: {}",
        at(case, row)
    );
    assert_eq!(got.flags, truth.flags, "flags: {}", at(case, row));
    let floats: [f32; 16] = bytemuck::cast(*got);
    let w = f64::from(case.weight[row]);
    for (i, (&x, truth_x)) in floats.iter().zip(truth.floats()).enumerate() {
        let x = f64::from(x);
        let loss_like = |lambdas| S::BOUNDS.a * absolute(&case.spec, truth, lambdas);
        let bound = match i {
            0 => S::BOUNDS.r * truth_x.abs() + w * loss_like(None),
            1 => S::BOUNDS.r * truth_x.abs() + loss_like(Some((1.0, 0.0))),
            2 => S::BOUNDS.r * truth_x.abs() + loss_like(Some((0.0, 1.0))),
            _ => S::BOUNDS.stats * truth_x.abs().max(1.0),
        };
        assert!(
            close(x, truth_x, bound),
            "field {i}: {x}, oracle {truth_x}, bound {bound:e}: {}",
            at(case, row)
        );
        assert!(
            i > 2 || x.is_nan() || x >= 0.0,
            "a negative loss {x}: {}",
            at(case, row)
        );
    }
}

fn gradient<S: Subject>(case: &Case, row: usize, answer: &Answer, truth: &Truth) {
    let classes = row * case.classes..(row + 1) * case.classes;
    let (got, oracle) = (
        &answer.gradient[classes.clone()],
        &truth.output.gradient[classes],
    );
    let bound = truth.allowance::<S>(case, row);
    for (c, (&g, &oracle)) in got.iter().zip(oracle).enumerate() {
        let g = f64::from(g);
        let rounded = S::STUDENT.round(oracle);
        let bound = bound + S::STUDENT.ulp(oracle.abs().max(bound));
        assert!(
            close(g, rounded, bound),
            "gradient[{c}] {g}, oracle {oracle}, bound {bound:e}, y {}: {}",
            case.labels[row],
            at(case, row)
        );
    }
}
