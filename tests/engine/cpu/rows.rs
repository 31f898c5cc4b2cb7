//! Rows do not know of each other.

use super::run;
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Batch, Isa, Options, Parallelism, Plan};
use fused_kd::spec::{Divergence, LossSpec, Preset, Reduction, RowFlags, RowStats, Temperature};

/// Records and gradients as words, row by row.
fn by_row(case: &Case) -> Vec<(Vec<u8>, Vec<u8>)> {
    let bits = run::<f32>(case, Parallelism::Serial);
    let gradients = bits.gradient.chunks_exact(4 * case.classes);
    let rows = gradients.zip(bits.stats.chunks_exact(size_of::<RowStats>()));
    rows.map(|(gradient, stats)| (gradient.to_vec(), stats.to_vec()))
        .collect()
}

/// The record of one row alone, without a gradient.
fn record(plan: &Plan, student: &[f32], teacher: &[f32], label: i32) -> RowStats {
    let mut stats = [RowStats::default()];
    let batch = Batch::new(1, student, teacher, std::slice::from_ref(&label));
    plan.run(batch.stats(&mut stats), Parallelism::Serial)
        .unwrap();
    stats[0]
}

/// NaN, +∞ or nothing but masks in one row, in either matrix, leave the others' bits as they are.
#[test]
fn a_row_that_is_not_finite_touches_no_other() {
    let mut rng = Rng::new(51);
    for preset in Preset::ALL {
        // Dynamic temperatures and means per group couple rows by definition; sums do not.
        let temperature = match preset.spec().temperature() {
            Temperature::Dtd(_) => Temperature::PerRow,
            other => other,
        };
        let spec = LossSpec::builder()
            .right(preset.spec().right())
            .wrong(preset.spec().wrong())
            .revision(preset.spec().revision())
            .temperature(temperature)
            .reduction(Reduction::Sum)
            .build()
            .unwrap();
        for classes in [1, 3, 10, 100, 1003] {
            let mut case = Case::new(&mut rng, &spec, 20, classes, &Kind::TAME);
            let clean = by_row(&case);
            let dirt = [
                (0, f32::NAN),
                (3, f32::INFINITY),
                (5, f32::NAN),
                (7, f32::NEG_INFINITY),
            ];
            for (row, value) in dirt {
                let classes = row * classes..(row + 1) * classes;
                if row == 3 {
                    case.teacher[classes.start] = value;
                } else {
                    case.student[classes].fill(value);
                }
                case.weight[row] = 1.0;
            }
            for (row, (dirty, clean)) in by_row(&case).iter().zip(&clean).enumerate() {
                if dirt.iter().any(|&(of, _)| of == row) {
                    let stats: RowStats = bytemuck::pod_read_unaligned(&dirty.1);
                    assert!(stats.flags.contains(RowFlags::NONFINITE));
                    assert!(stats.loss.is_nan() && stats.teacher_top == u32::MAX);
                    let nan = |g: &[u8]| bytemuck::pod_read_unaligned::<f32>(g).is_nan();
                    assert!(dirty.0.chunks_exact(4).all(nan));
                } else {
                    assert!(dirty == clean, "row {row} of {preset:?}, V = {classes}");
                }
            }
        }
    }
}

/// A row whose label's logit is none is refused even where the teacher gives the label nothing, which
/// takes it out of the divergence.
#[test]
fn a_label_that_is_no_number_is_seen() {
    for (classes, logit) in [3, 100, 1000]
        .into_iter()
        .flat_map(|n| [(n, f32::NAN), (n, f32::INFINITY)])
    {
        let mut teacher = vec![0.0; classes];
        let mut student = teacher.clone();
        (student[1], teacher[1]) = (logit, -1000.0);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let options = Options::default().isa(isa);
            let plan = Plan::new(&Preset::Kd.spec(), classes, options).unwrap();
            let flags = record(&plan, &student, &teacher, 1).flags;
            assert!(
                flags.contains(RowFlags::NONFINITE),
                "{isa:?}, {classes} classes, {logit}"
            );
        }
    }
}

/// A row alone gives the bits that it gives in a batch.
#[test]
fn a_row_alone_is_the_row_in_a_batch() {
    let mut rng = Rng::new(52);
    let spec = LossSpec::builder().reduction(Reduction::Sum);
    let case = Case::new(&mut rng, &spec.build().unwrap(), 30, 10, &Kind::ALL);
    for (row, expected) in by_row(&case).into_iter().enumerate() {
        let logits = row * 10..(row + 1) * 10;
        let alone = Case {
            spec: case.spec,
            classes: 10,
            student: case.student[logits.clone()].to_vec(),
            teacher: case.teacher[logits].to_vec(),
            labels: vec![case.labels[row]],
            weight: vec![case.weight[row]],
            kd_weight: vec![case.kd_weight[row]],
            tau: None,
            upstream: case.upstream,
            kinds: vec![case.kinds[row]],
        };
        assert!(by_row(&alone) == [expected], "row {row}");
    }
}

/// Probabilities on their way through the smallest numbers to 0 make nothing infinite.
#[test]
fn probabilities_may_underflow() {
    for beta in [0.1, 0.4, 0.5, 0.9] {
        let spec = LossSpec::builder()
            .divergence(Divergence::JensenShannon { beta })
            .temperature(Temperature::Fixed(1.0));
        let plan = Plan::new(&spec.build().unwrap(), 3, Options::default()).unwrap();
        for i in 0..4000 {
            // The label leads by e⁶⁰; subnormal at −27, 0 at −44.
            let (near, far) = (-20.0 - i as f32 * 0.01, -200.0);
            for (s, t) in [(near, far), (far, near), (near, near)] {
                let (student, teacher) = ([60.0, 0.0, s], [60.0, 0.0, t]);
                let (mut gradient, mut stats) = ([0.0; 3], [RowStats::default()]);
                let batch = Batch::new(1, &student, &teacher, &[0]);
                let batch = batch.gradient(&mut gradient).stats(&mut stats);
                plan.run(batch, Parallelism::Serial).unwrap();
                let kd = stats[0].kd;
                assert!(
                    (0.0..1e-9).contains(&kd),
                    "β {beta}, {student:?}, {teacher:?}: {kd}"
                );
                assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
            }
        }
    }
}

/// Of equal maxima the lowest class is the top, however far apart they are and whatever the label is.
#[test]
fn the_first_of_equal_maxima_is_the_top() {
    let long = [[0, 1002], [5, 6], [100, 900], [127, 128], [990, 1001]];
    let short = [[0, 299], [5, 6], [15, 16], [100, 282], [31, 47]];
    for (classes, pairs) in [(1003, long), (300, short)] {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let options = Options::default().isa(isa);
            let plan = Plan::new(&Preset::Lr.spec(), classes, options).unwrap();
            for [first, last] in pairs {
                // Far enough apart for the divergence's short way.
                let [student, teacher] = [0.5, -40.0].map(|others| {
                    let mut row = vec![others; classes];
                    (row[first], row[last]) = (2.0_f32, 2.0);
                    row
                });
                for label in [0, 5, 100, first as i32, last as i32, -100] {
                    let stats = record(&plan, &student, &teacher, label);
                    let tops = [stats.teacher_top, stats.student_top];
                    assert_eq!(tops, [first as u32; 2], "{isa:?}, label {label}, {last}");
                }
            }
        }
    }
}

/// Every logit but the label's may lie below what stands for an absent one.
#[test]
fn logits_may_be_the_lowest_numbers() {
    for classes in [10, 20, 100, 600, 5000] {
        let plan = Plan::new(&Preset::Lr.spec(), classes, Options::default()).unwrap();
        let run = |label: f32, high: f32, low: f32| {
            let mut row = vec![low; classes];
            (row[2], row[5]) = (label, high);
            let mut gradient = vec![1.0; classes];
            let mut stats = [RowStats::default()];
            let batch = Batch::new(1, &row, &row, &[2]);
            let batch = batch.gradient(&mut gradient).stats(&mut stats);
            plan.run(batch, Parallelism::Serial).unwrap();
            (stats[0], gradient)
        };
        // The same gaps, as far as exponentials can tell.
        let (lowest, gradient) = run(-2e38, -2e38, -3e38);
        let (expected, expected_gradient) = run(0.0, 0.0, -1e6);
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-6;
        assert!(near(lowest.loss, expected.loss) && near(lowest.el2n, expected.el2n));
        assert_eq!(lowest.flags, expected.flags, "{classes} classes");
        for (a, b) in gradient.into_iter().zip(expected_gradient) {
            assert!(near(a, b), "{classes} classes: {a} {b}");
        }
    }
}

/// However sure the student is of the label, its cross-entropy has all digits: it is the logarithm of
/// little more than 1.
#[test]
fn a_small_cross_entropy_has_digits() {
    for (classes, lead) in [3, 100]
        .into_iter()
        .flat_map(|n| (0..35).map(move |lead| (n, lead)))
    {
        let mut student = vec![0.0; classes];
        student[1] = lead as f32;
        let truth = ((classes as f64 - 1.0) * (-f64::from(lead)).exp()).ln_1p();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let options = Options::default().isa(isa);
            let plan = Plan::new(&Preset::Ce.spec(), classes, options).unwrap();
            let ce = f64::from(record(&plan, &student, &student, 1).ce);
            assert!(
                (ce / truth - 1.0).abs() < 1e-5,
                "{isa:?}, {classes} classes, ahead by {lead}: {ce} {truth}"
            );
        }
    }
}

/// Where student and teacher nearly agree, the divergence is right to its last digits but two, with
/// the label's part and without a label: the textbook's sum would cancel.
#[test]
fn a_small_divergence_has_digits() {
    let spec = LossSpec::builder()
        .divergence(Divergence::ForwardKl)
        .weights(1.0, 0.0)
        .temperature(Temperature::Fixed(1.0))
        .build()
        .unwrap();
    let log_softmax = |row: &[f32]| -> Vec<f64> {
        let sum: f64 = row.iter().map(|&z| f64::from(z).exp()).sum();
        row.iter().map(|&z| f64::from(z) - sum.ln()).collect()
    };
    for (classes, label) in [10, 100, 1000]
        .into_iter()
        .flat_map(|n| [(n, -100), (n, 5)])
    {
        // Class 5 has about half of all probability.
        let mut teacher: Vec<f32> = (0..classes).map(|c| (c * 37 % 101) as f32 * 0.05).collect();
        teacher[5] = (29.0 * classes as f32).ln();
        let nudge = |c: usize| if c * 7 % 13 < 6 { 1e-3 } else { -1e-3 };
        let student: Vec<f32> = (0..classes).map(|c| teacher[c] + nudge(c)).collect();
        let (log_p, log_q) = (log_softmax(&teacher), log_softmax(&student));
        let terms = log_p.iter().zip(&log_q).map(|(p, q)| p.exp() * (p - q));
        let truth: f64 = terms.sum();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let plan = Plan::new(&spec, classes, Options::default().isa(isa)).unwrap();
            let kd = f64::from(record(&plan, &student, &teacher, label).kd);
            assert!(
                (kd / truth - 1.0).abs() < 0.02,
                "{isa:?}, {classes} classes, label {label}: {kd} {truth}"
            );
        }
    }
}

/// Rows longer than any whose exponentials are kept: classes without probability change nothing.
#[test]
fn the_longest_rows_are_as_right() {
    let most = 1 << 20;
    let logit = |c: usize, step: usize| (c * step % 1009) as f32 * 0.01;
    let run = |classes: usize| {
        let row = |step| -> Vec<f32> {
            let shown = (0..most).map(|c| logit(c, step));
            shown.chain((most..classes).map(|_| -500.0)).collect()
        };
        let (student, teacher) = (row(37), row(61));
        let mut gradient = vec![0.0; classes];
        let mut stats = [RowStats::default()];
        let plan = Plan::new(&Preset::Lr.spec(), classes, Options::default()).unwrap();
        let batch = Batch::new(1, &student, &teacher, &[5]);
        let batch = batch.gradient(&mut gradient).stats(&mut stats);
        plan.run(batch, Parallelism::Serial).unwrap();
        (stats[0], gradient)
    };
    let ((kept, kept_gradient), (stats, gradient)) = (run(most), run(most + 3));
    // Both ways sum 2²⁰ classes in single precision, in groups: some 1e-6 apart.
    let near = |a: f32, b: f32| (a - b).abs() <= 1e-5 * b.abs();
    assert!(near(stats.loss, kept.loss), "{} {}", stats.loss, kept.loss);
    assert!(near(stats.kd, kept.kd), "{} {}", stats.kd, kept.kd);
    let largest = kept_gradient.iter().fold(0.0_f32, |a, g| a.max(g.abs()));
    for (c, (a, b)) in gradient.iter().zip(&kept_gradient).enumerate() {
        assert!(
            (a - b).abs() <= 1e-5 * (b.abs() + largest * 1e-3),
            "class {c}: {a} {b}"
        );
    }
    assert!(gradient[most..].iter().all(|&g| g == 0.0));
}
