//! Points of docs/methods.md that batches at random seldom meet, or do not isolate.

use super::Subject;
use super::cases::{Case, Kind, Rng};
use super::judge::{judge, judge_answer};
use fused_kd::spec::{
    Divergence, LossSpec, LossSpecBuilder, Preset, Reduction, Revision, Temperature,
};

/// The divergence alone, on all rows.
fn kd_only(divergence: Divergence) -> LossSpecBuilder {
    LossSpec::builder().divergence(divergence).weights(1.0, 0.0)
}

/// Rows that are not finite count in N, each in its own group: the gradient of the others shows it.
pub(crate) fn rows_that_are_not_finite_count<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(61);
    let kinds = [Kind::Plain, Kind::Nan, Kind::Infinity, Kind::AllMasked];
    for reduction in [Reduction::Mean, Reduction::MeanPerGroup] {
        let spec = LossSpec::builder()
            .revision(Revision::LabelRevision { eta: 0.8 })
            .reduction(reduction);
        let spec = spec.build().unwrap();
        judge::<S>(&Case::new(&mut rng, &spec, 24, 10, &kinds));
    }
}

/// The record's `kd` is off by its share of τ², and not by that of the other floats.
pub(crate) fn a_large_temperature<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(62);
    for divergence in [Divergence::ForwardKl, Divergence::ReverseKl] {
        let spec = kd_only(divergence).temperature(Temperature::Fixed(200.0));
        let spec = spec.build().unwrap();
        for classes in [10, 10_001] {
            judge::<S>(&Case::new(&mut rng, &spec, 16, classes, &Kind::TAME));
        }
    }
}

/// Gradients of the squared errors fall with V, and so does what they may be off.
pub(crate) fn squared_errors_of_many_classes<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let (mut rng, classes) = (Rng::new(63), 10_001);
    let spec = kd_only(Divergence::MseProbs).build().unwrap();
    judge::<S>(&Case::new(&mut rng, &spec, 4, classes, &[Kind::Plain]));

    // 2 (s − t)/V is what CE's gradient is, but for its sign: all that is left is rounding.
    let spec = kd_only(Divergence::MseLogits).weights(1.0, 1.0);
    let spec = spec.build().unwrap();
    let mut case = Case::new(&mut rng, &spec, 4, classes, &[Kind::Plain]);
    case.kd_weight.fill(1.0);
    for (row, &y) in case.labels.iter().enumerate() {
        let row = row * classes..(row + 1) * classes;
        let student = &case.student[row.clone()];
        let sum: f32 = student.iter().map(|s| s.exp()).sum();
        for (c, (t, s)) in case.teacher[row].iter_mut().zip(student).enumerate() {
            let of_label = if c == y as usize { 1.0 } else { 0.0 };
            *t = s + 0.5 * classes as f32 * (s.exp() / sum - of_label);
        }
    }
    judge::<S>(&case);
}

/// Where w, λ or kd_weight is 0, an infinite term is in neither loss nor gradient, and INFINITE stays.
pub(crate) fn infinite_terms_whose_factor_is_zero<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(64);
    for (lambda_kd, lambda_ce) in [(1.0, 0.0), (0.0, 1.0)] {
        let spec = kd_only(Divergence::ReverseKl).weights(lambda_kd, lambda_ce);
        let spec = spec.build().unwrap();
        let kinds = [Kind::LabelMasked, Kind::Masked];
        let mut case = Case::new(&mut rng, &spec, 24, 10, &kinds);
        for row in 0..24 {
            match row % 6 {
                0 | 1 => case.weight[row] = 0.0,
                2 | 3 => case.kd_weight[row] = 0.0,
                _ => {}
            }
        }
        judge::<S>(&case);
    }
}

/// `upstream` = 0 takes out every loss, infinite ones too, but no NaN.
pub(crate) fn an_upstream_of_zero<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(65);
    let spec = LossSpec::builder().divergence(Divergence::ReverseKl);
    let spec = spec.build().unwrap();
    let infinite = [Kind::Plain, Kind::LabelMasked, Kind::Masked];
    let mut case = Case::new(&mut rng, &spec, 24, 10, &infinite);
    case.upstream = 0.0;
    let answer = S::answer(&case);
    judge_answer::<S>(&case, &answer);
    assert!(answer.stats.iter().any(|row| row.loss == f32::INFINITY));
    assert!(answer.total == 0.0 && answer.gradient.iter().all(|&g| g == 0.0));

    let mut case = Case::new(&mut rng, &spec, 30, 10, &Kind::ALL);
    case.upstream = 0.0;
    let answer = S::answer(&case);
    judge_answer::<S>(&case, &answer);
    assert!(answer.total.is_nan());
}

/// A chain of sums that begins with the student's top loses each of the others, which are 2⁻²⁴ of it.
pub(crate) fn sums_lose_nothing<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let (mut rng, classes) = (Rng::new(66), 151_936);
    for preset in [Preset::Ce, Preset::Kd] {
        let mut case = Case::new(&mut rng, &preset.spec(), 1, classes, &[Kind::Plain]);
        case.student.fill(-16.65);
        case.student[0] = 0.0;
        case.labels[0] = 5;
        judge::<S>(&case);
    }
}

/// Where student and teacher are one row, q − p' is the difference of two equal products. Engines round
/// one of them and fuse the other: what is left is the rounding of a probability, and not +0.
pub(crate) fn equal_rows<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(67);
    for divergence in [
        Divergence::ForwardKl,
        Divergence::ReverseKl,
        Divergence::MseProbs,
    ] {
        for tau in [1.0, 2.0, 3.0, 4.0] {
            let spec = kd_only(divergence).temperature(Temperature::Fixed(tau));
            let spec = spec.build().unwrap();
            for classes in [1, 2, 10, 100, 1003] {
                let mut case = Case::new(&mut rng, &spec, 16, classes, &Kind::TAME);
                case.student.clone_from(&case.teacher);
                let answer = S::answer(&case);
                judge_answer::<S>(&case, &answer);
                if divergence == Divergence::ForwardKl {
                    gradients_of_equal_rows(&case, tau, &answer.gradient);
                }
            }
        }
    }
}

/// Of forward KL: `|g| ≤ 6e-8·p` times the row's factors, 6e-8 being half a unit in the last place.
fn gradients_of_equal_rows(case: &Case, tau: f32, gradient: &[f32]) {
    let rows = case
        .student
        .chunks_exact(case.classes)
        .zip(gradient.chunks_exact(case.classes));
    let counted = case.weight.iter().filter(|&&w| w != 0.0).count() as f64;
    for (row, (z, g)) in rows.enumerate() {
        let tempered = |z: f32| f64::from(z) / f64::from(tau);
        let max = z.iter().map(|&z| tempered(z)).fold(f64::MIN, f64::max);
        let sum: f64 = z.iter().map(|&z| (tempered(z) - max).exp()).sum();
        let factor = f64::from(case.upstream)
            * f64::from(case.weight[row])
            * f64::from(case.kd_weight[row])
            * f64::from(tau)
            / counted;
        for (c, (&z, &g)) in z.iter().zip(g).enumerate() {
            let p = (tempered(z) - max).exp() / sum;
            let bound = 6e-8 * factor.abs() * p.max(f64::from(f32::MIN_POSITIVE));
            assert!(
                f64::from(g).abs() <= bound,
                "V = {}, row {row} {:?}, class {c}: {g:e}, bound {bound:e}",
                case.classes,
                case.kinds[row]
            );
        }
    }
}

/// These for one subject.
macro_rules! edges {
    ($name:ident, $subject:ty) => {
        mod $name {
            use super::*;

            crate::parity::edges::edges!(
                $subject:
                rows_that_are_not_finite_count
                a_large_temperature
                squared_errors_of_many_classes
                infinite_terms_whose_factor_is_zero
                an_upstream_of_zero
                equal_rows
            );

            #[test]
            #[ignore = "chains of sums are too long for it: docs/methods.md, section 9"]
            fn sums_lose_nothing() {
                crate::parity::edges::sums_lose_nothing::<$subject>();
            }
        }
    };
    ($subject:ty: $($edge:ident)*) => {$(
        #[test]
        fn $edge() {
            crate::parity::edges::$edge::<$subject>();
        }
    )*};
}
pub(crate) use edges;
