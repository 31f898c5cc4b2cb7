//! Laws that hold on any batch, for every engine.

use super::cases::Case;
use super::drawn::{self, case, coarse_logit, logit, spec};
use super::judge::{Rounding, Truth, judge};
use super::{Answer, Subject};
use fused_kd::reference;
use fused_kd::spec::{
    Divergence, IGNORE, LossSpec, LossSpecBuilder, Omega, Revision, RowFlags, RowStats, Temperature,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Holds `law` against values, the same ones every time; a failure is shrunk and printed.
fn check<S: Subject, T: std::fmt::Debug>(values: impl Strategy<Value = T>, law: impl Fn(T)) {
    if !S::is_available() {
        return;
    }
    let config = Config {
        cases: S::EFFORT.drawn,
        rng_seed: RngSeed::Fixed(0x6B64),
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&values, |value| {
        law(value);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}

fn sides(spec: &LossSpec) -> [Divergence; 2] {
    [spec.right().divergence, spec.wrong().divergence]
}

/// Gradient and records as bits.
fn bits(answer: &Answer) -> (u32, Vec<u32>, &[u8]) {
    let gradient = answer.gradient.iter().map(|g| g.to_bits()).collect();
    (
        answer.total.to_bits(),
        gradient,
        bytemuck::cast_slice(&answer.stats),
    )
}

/// Loss, gradient and records are the oracle's, within the bounds of docs/methods.md; no loss is negative.
pub(crate) fn the_oracle_is_met<S: Subject>() {
    check::<S, _>(case(spec(), logit), |case| {
        judge::<S>(&case);
    });
}

/// A softmax does not see a constant, so its gradients have none.
pub(crate) fn gradients_sum_to_zero<S: Subject>() {
    let spec = spec().prop_filter("logits see a constant", |spec| {
        !sides(spec).contains(&Divergence::MseLogits)
    });
    check::<S, _>(case(spec, logit), |case| {
        let answer = S::answer(&case);
        let truth = Truth::of::<S>(&case, &answer);
        for (row, stats) in answer.stats.iter().enumerate() {
            let infinite = stats.flags.contains(RowFlags::INFINITE);
            if infinite || stats.flags.contains(RowFlags::NONFINITE) {
                continue;
            }
            let gradient = &answer.gradient[row * case.classes..(row + 1) * case.classes];
            // f16 overflows where upstream is its loss scale.
            if gradient.iter().any(|g| g.is_infinite()) {
                continue;
            }
            let sum: f64 = gradient.iter().map(|&g| f64::from(g)).sum();
            let allowed = truth.allowance::<S>(&case, row);
            let rounding = |&g: &f32| allowed + S::STUDENT.ulp(f64::from(g).abs().max(allowed));
            let bound: f64 = gradient.iter().map(rounding).sum();
            assert!(
                sum.abs() <= bound,
                "row {row} sums to {sum}, bound {bound:e}"
            );
        }
    });
}

/// A constant on a row's logits leaves every bit, because the maximum is taken away first: on
/// values whose differences are exact nothing is left to round.
pub(crate) fn a_constant_changes_nothing<S: Subject>() {
    let spec = spec().prop_filter("these look at the logits themselves", |spec| {
        let flsw = matches!(spec.temperature(), Temperature::Dtd(dtd) if dtd.omega != Omega::Cwsm);
        !flsw && !sides(spec).contains(&Divergence::MseLogits)
    });
    let constants = [-8_i8..=8, -8..=8];
    check::<S, _>(
        (case(spec, coarse_logit), constants),
        |(case, [of_s, of_t])| {
            let mut shifted = case.clone();
            let row = |i: usize| (i / case.classes % 3) as f32;
            for (i, z) in shifted.student.iter_mut().enumerate() {
                *z += f32::from(of_s) * (row(i) - 1.0);
            }
            for (i, z) in shifted.teacher.iter_mut().enumerate() {
                *z += f32::from(of_t) * (row(i) - 1.0);
            }
            assert_eq!(bits(&S::answer(&case)), bits(&S::answer(&shifted)));
        },
    );
}

/// Classes have no order: another order of them is another order of the gradient.
pub(crate) fn classes_have_no_order<S: Subject>() {
    let spec = spec().prop_filter(
        "temperatures that would carry rounding of their own",
        |spec| !matches!(spec.temperature(), Temperature::Dtd(_)),
    );
    check::<S, _>(drawn::without_ties(spec), |(case, order)| {
        let reorder = |z: &[f32]| -> Vec<f32> { order.iter().map(|&c| z[c]).collect() };
        let place = |c: usize| order.iter().position(|&from| from == c).unwrap();
        let mut other = case.clone();
        other.student = reorder(&case.student);
        other.teacher = reorder(&case.teacher);
        if case.labels[0] != IGNORE {
            other.labels[0] = place(case.labels[0] as usize) as i32;
        }
        let (answer, reordered) = (S::answer(&case), S::answer(&other));
        let (a, b) = (&answer.stats[0], &reordered.stats[0]);
        let tops = [a.teacher_top, a.student_top].map(|top| place(top as usize) as u32);
        assert_eq!((tops, a.flags), ([b.teacher_top, b.student_top], b.flags));
        let truth = Truth::of::<S>(&case, &answer);
        if truth.is_at_a_kink(&case, 0) {
            return;
        }
        let allowed = truth.allowance::<S>(&case, 0);
        for (&g, &h) in reorder(&answer.gradient).iter().zip(&reordered.gradient) {
            let (g, h) = (f64::from(g), f64::from(h));
            let bound = 2.0 * allowed + S::STUDENT.ulp(g.abs().max(allowed));
            assert!(
                g == h || (g - h).abs() <= bound,
                "{g} and {h}, bound {bound:e}"
            );
        }
        judge::<S>(&other);
    });
}

/// `β ∈ [η/2, η]` on wrong rows and 1 on the others, and it puts the label ahead of the teacher's
/// top by `1 − η`.
pub(crate) fn label_revision_leads_by_one_minus_eta<S: Subject>() {
    let spec = (spec(), 0.01_f32..0.99).prop_filter_map("not with these", |(spec, eta)| {
        let revision = Revision::LabelRevision { eta };
        LossSpecBuilder::from(spec).revision(revision).build().ok()
    });
    check::<S, _>(case(spec, coarse_logit), |case| {
        let Revision::LabelRevision { eta } = case.spec.revision() else {
            unreachable!("{:?}", case.spec);
        };
        for (row, stats) in S::answer(&case).stats.iter().enumerate() {
            if stats.flags.contains(RowFlags::NONFINITE) {
                continue;
            }
            if !stats.flags.contains(RowFlags::WRONG) {
                assert_eq!(stats.beta, 1.0);
                continue;
            }
            assert!(
                (0.999_999 * eta / 2.0..=eta).contains(&stats.beta),
                "{stats:?}"
            );
            let teacher = &case.teacher[row * case.classes..(row + 1) * case.classes];
            let teacher: Vec<f64> = teacher.iter().map(|&z| z.into()).collect();
            let p = reference::revise(&case.spec, &teacher, IGNORE, stats.tau.into());
            let (of_y, of_top) = (p[case.labels[row] as usize], p[stats.teacher_top as usize]);
            let beta = f64::from(stats.beta);
            let lead = beta * of_y + (1.0 - beta) - beta * of_top;
            assert!(
                (lead - (1.0 - f64::from(eta))).abs() <= 1e-5,
                "row {row} leads by {lead}"
            );
        }
    });
}

/// Any bit pattern at all: tops and flags are the oracle's, and a row that is not finite says so
/// and nothing else.
pub(crate) fn any_bits_are_survived<S: Subject>() {
    let logit = || {
        prop_oneof![
            4 => any::<u32>().prop_map(f32::from_bits),
            1 => -4.0_f32..4.0,
        ]
    };
    check::<S, _>(case(spec(), logit), |case| {
        let answer = S::answer(&case);
        let mut truth_case = case.clone();
        // The oracle's temperatures of rows beyond f32's range are of no interest here.
        if let Temperature::Dtd(_) = case.spec.temperature() {
            let fixed = LossSpecBuilder::from(case.spec).temperature(Temperature::Fixed(4.0));
            truth_case.spec = fixed.build().unwrap();
        }
        let truth = Truth::of::<S>(&truth_case, &answer).output;
        for (row, (got, truth)) in answer.stats.iter().zip(&truth.stats).enumerate() {
            let tops = (got.teacher_top, got.student_top);
            assert_eq!(tops, (truth.teacher_top, truth.student_top), "row {row}");
            // Differences beyond f32's range are infinite in f32 alone.
            let marks = |flags: RowFlags| flags.0 & !RowFlags::INFINITE.0;
            assert_eq!(marks(got.flags), marks(truth.flags), "row {row}");
            let gradient = &answer.gradient[row * case.classes..(row + 1) * case.classes];
            if got.flags.contains(RowFlags::NONFINITE) {
                not_finite(got, gradient);
            } else if reach(&case, row) <= 1e18 {
                let floats: [f32; 16] = bytemuck::cast(*got);
                let numbers = floats[..13].iter().chain(gradient);
                assert!(numbers.copied().all(|x| !x.is_nan()), "{got:?}");
            }
        }
    });
}

/// The row's largest finite logit. Beyond 1e18 squares and products with τ overflow.
fn reach(case: &Case, row: usize) -> f32 {
    let row = row * case.classes..(row + 1) * case.classes;
    let logits = case.student[row.clone()].iter().chain(&case.teacher[row]);
    let finite = logits.filter(|z| z.is_finite());
    finite.fold(0.0, |reach, z| reach.max(z.abs()))
}

/// NaN in everything but what a weight of 0 takes out.
fn not_finite(stats: &RowStats, gradient: &[f32]) {
    let floats: [f32; 16] = bytemuck::cast(*stats);
    assert!(floats[1..13].iter().all(|x| x.is_nan()), "{stats:?}");
    let off = stats.flags.contains(RowFlags::OFF);
    let holds = |x: f32| if off { x.to_bits() == 0 } else { x.is_nan() };
    assert!(
        holds(stats.loss) && gradient.iter().all(|&g| holds(g)),
        "{stats:?}"
    );
}

/// The laws for one subject.
macro_rules! laws {
    ($subject:ty) => {
        crate::parity::properties::laws!(
            $subject:
            the_oracle_is_met
            gradients_sum_to_zero
            a_constant_changes_nothing
            classes_have_no_order
            label_revision_leads_by_one_minus_eta
            any_bits_are_survived
        );
    };
    ($subject:ty: $($law:ident)*) => {$(
        #[test]
        fn $law() {
            crate::parity::properties::$law::<$subject>();
        }
    )*};
}
pub(crate) use laws;
