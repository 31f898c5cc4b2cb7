//! Every edge of the oracle: masks, rows without a label, rows that are off, not finite or refused.

use super::{
    DECOUPLED, INFINITE, LABEL_REVISION, LABEL_SMOOTHING, MASKED, batch, kd_only, of, revising,
};
use fused_kd::reference::{Batch, Output, run, run_flagged};
use fused_kd::spec::{
    ArgumentError, Divergence, IGNORE, LossSpec, Preset, Reduction, Revision, RowFlags, Temperature,
};

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} and {b}");
}

#[track_caller]
fn one(spec: &LossSpec, student: &[f64], teacher: &[f64], label: i32) -> Output {
    run(spec, &batch(student, teacher, &[label])).unwrap()
}

struct Edge {
    name: &'static str,
    spec: LossSpec,
    student: [f64; 3],
    teacher: [f64; 3],
    label: i32,
    /// Whether D is +∞.
    infinite: bool,
    /// Classes whose gradient is exactly 0.
    still: &'static [usize],
}

#[test]
fn masks() {
    let free = [0.5, -0.5, 1.0];
    let masks_0 = [MASKED, 0.3, 2.0];
    let also_0 = [MASKED, 1.0, 0.0];
    let only_1 = [MASKED, 0.5, MASKED];
    let jsd = Divergence::JensenShannon { beta: 0.3 };
    let shifted = |divergence| {
        let spec = kd_only().revision(Revision::ProbabilityShift);
        spec.divergence(divergence).build().unwrap()
    };
    let edge = |name, spec, student, teacher, label, infinite, still| Edge {
        name,
        spec,
        student,
        teacher,
        label,
        infinite,
        still,
    };
    let all = &[0, 1, 2];
    use Divergence::{ForwardKl, MseLogits, MseProbs, ReverseKl, TotalVariation};
    #[rustfmt::skip]
    let table = [
        // Masked in the target only.
        edge("target, forward", of(ForwardKl), free, masks_0, 2, false, &[]),
        edge("target, reverse", of(ReverseKl), free, masks_0, 2, true, all),
        edge("target, JSD", of(jsd), free, masks_0, 2, false, &[]),
        edge("target, TV", of(TotalVariation), free, masks_0, 2, false, &[]),
        edge("target, probs", of(MseProbs), free, masks_0, 2, false, &[]),
        edge("target, logits", of(MseLogits), free, masks_0, 2, true, &[0]),
        edge("target, DKD", of(DECOUPLED), free, masks_0, 2, false, &[]),
        // Masked in the student only.
        edge("student, forward", of(ForwardKl), masks_0, free, 2, true, &[]),
        edge("student, reverse", of(ReverseKl), masks_0, free, 2, false, &[0]),
        edge("student, JSD", of(jsd), masks_0, free, 2, false, &[0]),
        edge("student, TV", of(TotalVariation), masks_0, free, 2, false, all),
        edge("student, probs", of(MseProbs), masks_0, free, 2, false, &[0]),
        edge("student, logits", of(MseLogits), masks_0, free, 2, true, &[0]),
        edge("student, DKD", of(DECOUPLED), masks_0, free, 2, true, &[]),
        // Masked in both.
        edge("both, forward", of(ForwardKl), also_0, masks_0, 1, false, &[0]),
        edge("both, reverse", of(ReverseKl), also_0, masks_0, 1, false, &[0]),
        edge("both, JSD", of(jsd), also_0, masks_0, 1, false, &[0]),
        edge("both, logits", of(MseLogits), also_0, masks_0, 1, false, &[0]),
        edge("both, DKD", of(DECOUPLED), also_0, masks_0, 1, false, &[0]),
        // One class left.
        edge("one, forward", of(ForwardKl), free, only_1, 1, false, &[]),
        edge("one, reverse", of(ReverseKl), only_1, free, 1, false, all),
        edge("one, DKD", of(DECOUPLED), only_1, free, 1, true, &[0, 2]),
        // What revisions do to the masks: the label is masked in the teacher.
        edge("LR at y", revising(LABEL_REVISION), free, masks_0, 0, false, &[]),
        edge("LS at y", revising(LABEL_SMOOTHING), free, masks_0, 0, false, &[]),
        edge("PS at y", shifted(ReverseKl), [0.5, 0.5, MASKED], masks_0, 0, false, &[2]),
        edge("PS logits", shifted(MseLogits), free, masks_0, 0, true, &[2]),
        edge("unrevised", of(ReverseKl), free, masks_0, 0, true, all),
    ];
    for edge in table {
        let output = one(&edge.spec, &edge.student, &edge.teacher, edge.label);
        let stats = output.stats[0];
        assert_eq!(stats.kd == INFINITE, edge.infinite, "{}", edge.name);
        assert_eq!(output.total == INFINITE, edge.infinite, "{}", edge.name);
        let flagged = stats.flags.contains(RowFlags::INFINITE);
        assert_eq!(flagged, edge.infinite, "{}", edge.name);
        assert!(
            !stats.kd.is_nan() && output.bound[0].is_finite(),
            "{}",
            edge.name
        );
        for (c, g) in output.gradient.iter().enumerate() {
            assert!(g.is_finite(), "{}", edge.name);
            let still = edge.still.contains(&c);
            assert_eq!(*g == 0.0, still, "{}: class {c} has {g}", edge.name);
        }
    }
}

#[test]
fn masks_by_hand() {
    // τ = 1; the target masks class 0, q is uniform: KL = log(3/2), JSD and TV by formula.
    let at_one = |divergence| {
        let spec = kd_only().divergence(divergence);
        spec.temperature(Temperature::Fixed(1.0)).build().unwrap()
    };
    let (flat, half) = ([0.0; 3], [MASKED, 0.0, 0.0]);
    let kd = |divergence, s: &[f64], t: &[f64]| one(&at_one(divergence), s, t, 1).stats[0].kd;
    let ln = f64::ln;
    close(kd(Divergence::ForwardKl, &flat, &half), ln(1.5), 1e-15);
    close(kd(Divergence::ReverseKl, &half, &flat), ln(1.5), 1e-15);
    let jsd = Divergence::JensenShannon { beta: 0.5 };
    // m = (1/6, 5/12, 5/12).
    let expected = 0.5 * ln(0.5 * 2.4) + 0.5 * (ln(2.0) + 2.0 * ln(0.8)) / 3.0;
    close(kd(jsd, &flat, &half), expected, 1e-15);
    close(kd(jsd, &half, &flat), expected, 1e-15);
    close(
        kd(Divergence::TotalVariation, &flat, &half),
        1.0 / 3.0,
        1e-15,
    );
    close(
        kd(Divergence::MseProbs, &flat, &half),
        (1.0 / 9.0 + 2.0 / 36.0) / 3.0,
        1e-15,
    );
}

#[test]
fn masks_are_decided_on_logits_not_on_underflow() {
    let spec = kd_only()
        .temperature(Temperature::Fixed(1.0))
        .build()
        .unwrap();
    let output = one(&spec, &[0.0, -5e3], &[-5e3, 0.0], 1);
    close(output.total, 5e3, 1e-9);
    assert!(!output.stats[0].flags.contains(RowFlags::INFINITE));
}

#[test]
fn a_masked_label_has_an_infinite_cross_entropy() {
    let spec = LossSpec::builder().build().unwrap();
    let output = one(&spec, &[MASKED, 0.0, 0.0], &[MASKED, 0.0, 0.0], 0);
    let stats = output.stats[0];
    assert_eq!(
        (stats.ce, stats.kd, output.total),
        (INFINITE, 0.0, INFINITE)
    );
    assert!(stats.flags.contains(RowFlags::INFINITE | RowFlags::WRONG));
    assert_eq!(
        (stats.teacher_ce, stats.student_logit_margin),
        (INFINITE, MASKED)
    );
    let weight = f64::from(0.1f32);
    assert_eq!(output.gradient, [-weight, 0.5 * weight, 0.5 * weight]);
    // The same with λ_ce = 0: the record knows, the loss does not.
    let output = one(
        &kd_only().build().unwrap(),
        &[MASKED, 0.0, 0.0],
        &[MASKED, 0.0, 0.0],
        0,
    );
    assert_eq!((output.stats[0].ce, output.total), (INFINITE, 0.0));
    assert_eq!(output.gradient, [0.0; 3]);
}

#[test]
fn one_class() {
    for preset in Preset::ALL {
        let mut batch = batch(&[3.0], &[-2.0], &[0]);
        batch.tau = matches!(preset.spec().temperature(), Temperature::Dtd(_)).then_some(&[4.0]);
        let output = run(&preset.spec(), &batch).unwrap();
        let stats = output.stats[0];
        let logits = preset == Preset::LrMse;
        assert_eq!(
            output.total,
            if logits { 4.0 * 25.0 } else { 0.0 },
            "{preset:?}"
        );
        assert_eq!(output.gradient, [if logits { 40.0 } else { 0.0 }]);
        assert_eq!(
            (stats.teacher_margin, stats.student_logit_margin, stats.el2n),
            (0.0, 0.0, 0.0)
        );
        assert_eq!(
            (stats.teacher_confidence, stats.teacher_entropy),
            (1.0, 0.0)
        );
        assert_eq!(stats.flags, RowFlags::AGREE);
    }
}

#[test]
fn no_rows() {
    let output = run(
        &Preset::Kd.spec(),
        &Batch {
            classes: 5,
            ..batch(&[], &[], &[])
        },
    )
    .unwrap();
    assert_eq!((output.total, output.counts), (0.0, [0, 0]));
    assert!(output.stats.is_empty() && output.gradient.is_empty() && output.bound.is_empty());
}

#[test]
fn rows_without_a_label() {
    let (student, teacher) = ([1.0, 0.0, 0.5], [0.0, 2.0, 0.5]);
    let plain = one(&Preset::Kd.spec(), &student, &teacher, IGNORE);
    let stats = plain.stats[0];
    assert_eq!((stats.ce, stats.teacher_ce, stats.el2n), (0.0, 0.0, 0.0));
    assert_eq!(
        (stats.teacher_margin, stats.student_logit_margin),
        (0.0, 0.0)
    );
    assert!(stats.teacher_confidence > 0.5 && stats.student_entropy > 1.0);
    assert_eq!((stats.flags, plain.counts), (RowFlags::IGNORED, [1, 0]));
    close(stats.loss, f64::from(0.9f32) * stats.kd, 1e-15);
    for revision in [LABEL_REVISION, Revision::ProbabilityShift, LABEL_SMOOTHING] {
        for divergence in [Divergence::ForwardKl, DECOUPLED] {
            let spec = LossSpec::builder()
                .revision(revision)
                .divergence(divergence);
            let output = one(&spec.build().unwrap(), &student, &teacher, IGNORE);
            assert_eq!(output.total, plain.total, "no α, no β, no revision");
            assert_eq!(output.gradient, plain.gradient);
        }
    }
}

#[test]
fn rows_that_are_off_or_unselected() {
    let student = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    let teacher = [0.0, 1.0, 0.0, MASKED, 0.0, MASKED];
    let spec = LossSpec::builder()
        .divergence(Divergence::ReverseKl)
        .build()
        .unwrap();
    let mut batch = batch(&student, &teacher, &[0, 0, 0]);
    batch.weight = Some(&[0.0, 0.0, 1.0]);
    batch.kd_weight = Some(&[1.0, 1.0, 0.0]);
    let output = run(&spec, &batch).unwrap();
    let [off, infinite, unselected] = [0, 1, 2].map(|b| output.stats[b]);
    assert_eq!((off.loss, output.gradient[0].to_bits()), (0.0, 0));
    assert!(off.kd > 0.0 && off.ce > 0.0 && off.el2n > 0.0);
    assert_eq!(off.flags, RowFlags::OFF | RowFlags::WRONG);
    assert_eq!((infinite.loss, infinite.kd), (0.0, INFINITE));
    assert!(infinite.flags.contains(RowFlags::OFF | RowFlags::INFINITE));
    assert!(
        unselected
            .flags
            .contains(RowFlags::UNSELECTED | RowFlags::INFINITE)
    );
    close(unselected.loss, f64::from(0.1f32) * unselected.ce, 1e-16);
    assert_eq!((output.counts, output.total), ([1, 0], unselected.loss));
}

#[test]
fn rows_that_are_not_finite() {
    let bad = [[f64::NAN, 0.0], [INFINITE, 0.0], [MASKED, MASKED]];
    for row in bad {
        for (student, teacher) in [(row, [1.0, 0.0]), ([1.0, 0.0], row)] {
            let student = [student, [0.5, 0.0], student].concat();
            let teacher = [teacher, [0.0, 1.0], teacher].concat();
            let mut batch = batch(&student, &teacher, &[IGNORE, 0, 1]);
            batch.weight = Some(&[0.0, 1.0, 0.0]);
            batch.kd_weight = Some(&[0.0, 1.0, 1.0]);
            let off = run(&Preset::Lr.spec(), &batch).unwrap();
            assert!(off.total.is_finite() && off.gradient[..2] == [0.0; 2]);
            let stats = off.stats[0];
            let facts = RowFlags::IGNORED | RowFlags::OFF | RowFlags::UNSELECTED;
            assert_eq!(stats.flags, facts | RowFlags::NONFINITE);
            assert_eq!(
                (stats.loss, stats.teacher_top, stats.student_top),
                (0.0, u32::MAX, u32::MAX)
            );
            assert!(stats.floats()[1..].iter().all(|x| x.is_nan()));

            batch.weight = None;
            batch.upstream = 0.0;
            let on = run(&Preset::Lr.spec(), &batch).unwrap();
            assert!(on.total.is_nan(), "whatever upstream is");
            assert!(on.stats[2].floats().iter().all(|x| x.is_nan()));
            assert_eq!(on.stats[2].flags, RowFlags::NONFINITE);
            assert!(on.gradient[4..].iter().all(|x| x.is_nan()));
            assert_eq!(on.stats[1], off.stats[1], "other rows are untouched");
            assert_eq!(on.gradient[2..4], [0.0; 2]);
        }
    }
}

/// N counts them: as right where the teacher is not finite, else where t and y put them, although their
/// records are not WRONG.
#[test]
fn rows_that_are_not_finite_count() {
    // Wrong; wrong but for the student; not to be judged; right.
    let student = [1.0, 0.0, f64::NAN, 0.0, 1.0, 0.0, 1.0, 0.0];
    let teacher = [0.0, 1.0, 0.0, 1.0, f64::NAN, 1.0, 1.0, 0.0];
    let spec = LossSpec::builder().reduction(Reduction::MeanPerGroup);
    let spec = spec.build().unwrap();
    let output = run(&spec, &batch(&student, &teacher, &[0; 4])).unwrap();
    assert_eq!(output.counts, [2, 2]);
    for b in [1, 2] {
        assert_eq!(output.stats[b].flags, RowFlags::NONFINITE);
    }
    for b in [0, 3] {
        let row = 2 * b..2 * b + 2;
        let alone = one(&spec, &student[row.clone()], &teacher[row.clone()], 0);
        let half: Vec<f64> = alone.gradient.iter().map(|g| 0.5 * g).collect();
        assert_eq!(output.gradient[row], half);
    }
}

#[test]
fn an_infinite_loss_and_the_upstream() {
    let spec = of(Divergence::ReverseKl);
    let mut batch = batch(&[1.0, 0.0], &[0.0, MASKED], &[0]);
    for (upstream, total) in [(2.0, INFINITE), (-1.0, -INFINITE), (0.0, 0.0)] {
        batch.upstream = upstream;
        assert_eq!(run(&spec, &batch).unwrap().total, total);
    }
}

#[test]
fn refusals() {
    let spec = Preset::Kd.spec();
    let per_row = LossSpec::builder()
        .temperature(Temperature::PerRow)
        .build()
        .unwrap();
    let legal = batch(&[1.0, 0.0, 0.0, 1.0], &[0.0, 1.0, 0.0, 1.0], &[0, 1]);
    let said = |spec: &LossSpec, batch: Batch| run(spec, &batch).unwrap_err().to_string();
    let of_rows = |spec: &LossSpec, batch: Batch| {
        run_flagged(spec, &batch).unwrap();
        said(spec, batch)
    };
    let short: &[f32] = &[1.0];
    for (batch, name) in [
        (
            Batch {
                student: &[1.0; 3],
                ..legal
            },
            "student",
        ),
        (
            Batch {
                teacher: &[1.0; 5],
                ..legal
            },
            "teacher",
        ),
        (
            Batch {
                weight: Some(short),
                ..legal
            },
            "weight has 1",
        ),
        (
            Batch {
                kd_weight: Some(short),
                ..legal
            },
            "kd_weight has 1",
        ),
        (
            Batch {
                tau: Some(short),
                ..legal
            },
            "tau has 1",
        ),
        (
            Batch {
                tau: Some(&[1.0; 2]),
                ..legal
            },
            "tau has no use",
        ),
        (
            Batch {
                classes: 0,
                ..legal
            },
            "classes",
        ),
        (
            Batch {
                classes: 1 << 40,
                ..legal
            },
            "classes",
        ),
        (
            Batch {
                upstream: f32::NAN,
                ..legal
            },
            "upstream",
        ),
    ] {
        assert!(said(&spec, batch).contains(name), "{}", said(&spec, batch));
        run_flagged(&spec, &batch).unwrap_err();
    }
    assert!(said(&per_row, legal).contains("tau is missing"));
    for bad in [f32::NAN, f32::INFINITY, -1.0] {
        let values: &[f32] = &[1.0, bad];
        let weight = of_rows(
            &spec,
            Batch {
                weight: Some(values),
                ..legal
            },
        );
        assert!(weight.starts_with("weight[1]"), "{weight}");
        let kd_weight = of_rows(
            &spec,
            Batch {
                kd_weight: Some(values),
                ..legal
            },
        );
        assert!(kd_weight.starts_with("kd_weight[1]"), "{kd_weight}");
        let tau = of_rows(
            &per_row,
            Batch {
                tau: Some(values),
                ..legal
            },
        );
        assert!(tau.starts_with("tau[1]"), "{tau}");
    }
    for label in [2, -1, -101, i32::MIN, i32::MAX] {
        let labels = [0, label];
        let error = run(
            &spec,
            &Batch {
                labels: &labels,
                ..legal
            },
        )
        .unwrap_err();
        let expected = ArgumentError::Label {
            row: 1,
            given: label,
            classes: 2,
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn refused_rows_are_flagged_and_leave_the_others_alone() {
    let student = [f64::NAN, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
    let teacher = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
    let mut batch = batch(&student, &teacher, &[7, 0, 0, 0]);
    batch.weight = Some(&[1.0, f32::NAN, 1.0, 0.0]);
    batch.kd_weight = Some(&[1.0, 1.0, 1.0, -1.0]);
    let output = run_flagged(&Preset::Kd.spec(), &batch).unwrap();
    let (label, bad) = (RowFlags::LABEL_OUT_OF_RANGE, RowFlags::BAD_PARAMETER);
    for (b, flags) in [(0, label), (1, bad), (3, bad | RowFlags::OFF)] {
        assert_eq!(output.stats[b].flags, flags);
        assert_eq!(output.stats[b].floats(), [0.0; 13]);
        assert_eq!(output.stats[b].teacher_top, u32::MAX);
        assert_eq!(output.gradient[2 * b..][..2], [0.0; 2]);
    }
    // Rows 0 and 1 count, as right; row 2 is wrong; row 3 is off.
    assert_eq!(output.counts, [2, 1]);
    close(output.total, output.stats[2].loss / 3.0, 1e-16);
}

/// One of a margin's two logits may be −∞, and stands; a row of nothing but −∞ has no margin.
#[test]
fn margins_of_masked_rows() {
    let of = |student: &[f64]| one(&Preset::Kd.spec(), student, &vec![0.0; student.len()], 0);
    let margin = |student: &[f64]| of(student).stats[0].student_logit_margin;
    assert_eq!(margin(&[MASKED, 0.0, 1.0]), MASKED);
    assert_eq!(margin(&[0.0, MASKED, MASKED]), INFINITE);
    for nothing in [&[MASKED][..], &[MASKED; 3]] {
        assert!(margin(nothing).is_nan());
        assert_eq!(of(nothing).stats[0].flags, RowFlags::NONFINITE);
    }
}

/// Logits that differ in double precision alone do not tie here, as they do once they are f32.
#[test]
fn ties_are_those_of_double_precision() {
    let teacher = [1.0, 1.0 + 1e-12, 0.0];
    let stats = |teacher: &[f64]| one(&Preset::Kd.spec(), &[1.0, 0.0, 0.0], teacher, 0).stats[0];
    let double = stats(&teacher);
    assert_eq!((double.teacher_top, double.flags), (1, RowFlags::WRONG));
    let single = stats(&teacher.map(|t| f64::from(t as f32)));
    assert_eq!((single.teacher_top, single.flags), (0, RowFlags::AGREE));
}

#[test]
fn ties_and_signed_zeros() {
    let spec = Preset::Lr.spec();
    let tied = one(&spec, &[0.0, 0.0, 0.0], &[-0.0, 0.0, -1.0], 1).stats[0];
    assert_eq!((tied.teacher_top, tied.student_top), (0, 0));
    assert_eq!(
        tied.flags,
        RowFlags::AGREE,
        "a tie that includes y is right"
    );
    let wrong = one(&spec, &[0.0, 1.0, 0.0], &[1e-45, 1e-45, 0.0], 2).stats[0];
    assert_eq!((wrong.teacher_top, wrong.flags), (0, RowFlags::WRONG));
}
