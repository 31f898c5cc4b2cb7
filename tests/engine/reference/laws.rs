//! The oracle over its public face: invariants of the revisions and divergences, reductions, dynamic
//! temperatures.

use super::{
    DECOUPLED, INFINITE, LABEL_REVISION, LABEL_SMOOTHING, MASKED, batch, kd_only, of, revising,
};
use fused_kd::reference::{Batch, Output, counts, dtd_temperatures, revise, run};
use fused_kd::spec::{
    Divergence, Dtd, IGNORE, LossSpec, Normalise, Omega, Preset, Reduction, Revision, Temperature,
};

/// SplitMix64 (Steele et al. 2014), as logits between −`scale` and `scale`.
fn random_logits(seed: u64, scale: f64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let unit = |bits: u64| (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    (0..count).map(|_| unit(next()) * scale).collect()
}

fn top(row: &[f64]) -> usize {
    (0..row.len()).fold(0, |top, c| if row[c] > row[top] { c } else { top })
}

fn largest(row: &[f64]) -> f64 {
    row[top(row)]
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} and {b}");
}

#[track_caller]
fn one(spec: &LossSpec, student: &[f64], teacher: &[f64], label: i32) -> Output {
    run(spec, &batch(student, teacher, &[label])).unwrap()
}

// --- Revision -----------------------------------------------------------------------------------

/// Wrong rows of several sizes and temperatures, with the wrong label.
fn wrong_rows() -> impl Iterator<Item = (Vec<f64>, usize, f64)> {
    let sizes = [2, 3, 10, 100, 1003].into_iter().enumerate();
    sizes.flat_map(|(seed, classes)| {
        [0.5, 1.0, 4.0, 20.0].into_iter().map(move |tau| {
            let row = random_logits(seed as u64, 6.0, classes);
            let y = (top(&row) + 1) % classes;
            (row, y, tau)
        })
    })
}

#[test]
fn every_revision_is_a_distribution_with_its_peak_at_the_label() {
    for (row, y, tau) in wrong_rows() {
        for revision in [LABEL_REVISION, Revision::ProbabilityShift, LABEL_SMOOTHING] {
            let p = revise(&revising(revision), &row, y as i32, tau);
            close(p.iter().sum(), 1.0, 1e-12);
            // Label smoothing over two classes with ε < ½ has its peak at y too.
            close(p[y], largest(&p), 0.0);
            let right = revise(&revising(revision), &row, top(&row) as i32, tau);
            let plain = revise(&revising(Revision::None), &row, y as i32, tau);
            assert_eq!(right, plain, "right rows keep p");
        }
    }
}

#[test]
fn label_revision_leads_by_one_minus_eta() {
    for eta in [1e-6, 0.3, 0.8, 0.999_999] {
        let spec = revising(Revision::LabelRevision { eta });
        for (row, y, tau) in wrong_rows() {
            let p = revise(&spec, &row, y as i32, tau);
            close(p[y] - p[top(&row)], 1.0 - f64::from(eta), 1e-14);
        }
        let spec = kd_only().revision(Revision::LabelRevision { eta });
        let spec = spec.temperature(Temperature::Fixed(0.05)).build().unwrap();
        let beta = one(&spec, &[0.0, 0.0], &[1.0, 0.0], 1).stats[0].beta;
        close(beta, f64::from(eta) / 2.0, 1e-7);
        let beta = one(&spec, &[0.0, 0.0], &[1e-9, 0.0], 1).stats[0].beta;
        close(beta, f64::from(eta), 1e-7);
        assert_eq!(one(&spec, &[0.0, 0.0], &[1.0, 0.0], 0).stats[0].beta, 1.0);
    }
}

#[test]
fn probability_shift_commutes_with_the_temperature() {
    let spec = revising(Revision::ProbabilityShift);
    for (row, y, tau) in wrong_rows() {
        let mut exchanged = row.clone();
        exchanged.swap(y, top(&row));
        let first_exchanged = revise(&spec, &exchanged, IGNORE, tau);
        for (a, b) in revise(&spec, &row, y as i32, tau)
            .iter()
            .zip(first_exchanged)
        {
            close(*a, b, 1e-16);
        }
    }
}

/// NVIDIA Model-Optimizer's MFT correction of an incorrect arg-max:
///
/// ```text
/// alpha     = (p_argmax − p_label + threshold) / (1 + p_argmax − p_label)
/// corrected = p (1 − alpha) + alpha onehot(label)
/// ```
///
/// With `threshold = 1 − η` and `gap = p_argmax − p_label` we have
/// `1 − alpha = (1 + gap − gap − (1 − η))/(1 + gap) = η/(1 + gap) = β`, which is label revision.
fn mft(p: &[f64], label: usize, threshold: f64) -> Vec<f64> {
    let gap = largest(p) - p[label];
    let alpha = (gap + threshold) / (1.0 + gap);
    let mut corrected: Vec<f64> = p.iter().map(|p| p * (1.0 - alpha)).collect();
    corrected[label] += alpha;
    corrected
}

#[test]
fn label_revision_is_the_mft_correction() {
    for eta in [0.2f32, 0.8] {
        for (row, y, tau) in wrong_rows() {
            let p = revise(&revising(Revision::None), &row, y as i32, tau);
            let expected = mft(&p, y, 1.0 - f64::from(eta));
            let spec = revising(Revision::LabelRevision { eta });
            for (a, b) in revise(&spec, &row, y as i32, tau).iter().zip(expected) {
                close(*a, b, 1e-12);
            }
        }
    }
}

#[test]
fn label_smoothing_leaves_masks_alone() {
    let spec = revising(LABEL_SMOOTHING);
    let p = revise(&spec, &[3.0, 1.0, MASKED, 2.0], 1, 4.0);
    let share = f64::from(0.1f32) / 2.0;
    assert_eq!(p, [share, 1.0 - f64::from(0.1f32), 0.0, share]);
    let p = revise(&spec, &[3.0, MASKED, MASKED, 2.0], 1, 4.0);
    assert_eq!(p, [share, 1.0 - f64::from(0.1f32), 0.0, share], "y masked");
}

#[test]
fn a_revision_of_rows_that_cannot_be_computed_is_nan() {
    let spec = revising(LABEL_REVISION);
    for (row, tau) in [([f64::NAN, 1.0], 1.0), ([MASKED; 2], 1.0), ([0.0; 2], 0.0)] {
        assert!(revise(&spec, &row, 0, tau).iter().all(|p| p.is_nan()));
    }
    assert_eq!(revise(&spec, &[0.0, 0.0], 7, 1.0), [0.5, 0.5]);
    assert!(revise(&spec, &[], 0, 1.0).is_empty());
}

// --- Divergences --------------------------------------------------------------------------------

#[test]
fn divergences_are_never_negative_and_bounded_where_they_are() {
    let jsd = Divergence::JensenShannon { beta: 0.5 };
    for seed in 0..200 {
        let scale = [0.01, 1.0, 30.0, 1e4][seed as usize % 4];
        let student = random_logits(seed, scale, 20);
        let teacher = random_logits(seed + 1000, scale, 20);
        for divergence in [
            Divergence::ForwardKl,
            Divergence::ReverseKl,
            jsd,
            Divergence::TotalVariation,
            DECOUPLED,
        ] {
            let kd = one(&of(divergence), &student, &teacher, 3).stats[0].kd;
            assert!(kd >= 0.0 && kd.is_finite(), "{divergence:?}: {kd}");
            if divergence == jsd {
                assert!(kd <= 16.0 * 2f64.ln() * (1.0 + 1e-14), "{kd}");
            }
            if divergence == Divergence::TotalVariation {
                assert!(kd <= 16.0 * (1.0 + 1e-14), "{kd}");
            }
        }
    }
}

#[test]
fn equal_rows_have_no_loss_and_no_gradient() {
    let row = random_logits(5, 10.0, 50);
    let mut masked = row.clone();
    masked[7] = MASKED;
    for divergence in [
        Divergence::ForwardKl,
        Divergence::ReverseKl,
        Divergence::JensenShannon { beta: 0.3 },
        Divergence::TotalVariation,
        Divergence::MseProbs,
        Divergence::MseLogits,
        DECOUPLED,
    ] {
        for row in [&row, &masked] {
            let output = one(&of(divergence), row, row, 3);
            assert_eq!(output.total, 0.0, "{divergence:?}");
            assert!(output.gradient.iter().all(|&g| g == 0.0), "{divergence:?}");
        }
    }
}

#[test]
fn values_by_hand() {
    // τ = 1, p = (1/4, 3/4), q = (1/2, 1/2), the label right.
    let teacher = [0.0, 3f64.ln()];
    let value = |divergence| {
        let spec = kd_only().divergence(divergence);
        let spec = spec.temperature(Temperature::Fixed(1.0)).build().unwrap();
        one(&spec, &[0.0, 0.0], &teacher, 1).stats[0].kd
    };
    let ln = f64::ln;
    let forward = 0.25 * ln(0.5) + 0.75 * ln(1.5);
    let beta = f64::from(0.3f32);
    let (m0, m1) = (
        beta * 0.25 + (1.0 - beta) * 0.5,
        beta * 0.75 + (1.0 - beta) * 0.5,
    );
    let mixture = beta * (0.25 * ln(0.25 / m0) + 0.75 * ln(0.75 / m1))
        + (1.0 - beta) * 0.5 * (ln(0.5 / m0) + ln(0.5 / m1));
    close(value(Divergence::ForwardKl), forward, 1e-15);
    close(
        value(Divergence::ReverseKl),
        0.5 * (ln(2.0) - ln(1.5)),
        1e-15,
    );
    close(
        value(Divergence::JensenShannon { beta: 0.3 }),
        mixture,
        1e-15,
    );
    close(value(Divergence::TotalVariation), 0.25, 1e-15);
    close(value(Divergence::MseProbs), 0.0625, 1e-15);
    close(value(Divergence::MseLogits), ln(3.0).powi(2) / 2.0, 1e-15);
    // With two classes p̂ = q̂: α KL of the pairs alone.
    close(value(DECOUPLED), forward, 1e-15);
}

#[test]
fn huge_logits_keep_their_loss() {
    // q is one-hot at 0 to within e^-20000, p at 1: KL = 20000 nats at τ = 1.
    let spec = kd_only()
        .temperature(Temperature::Fixed(1.0))
        .build()
        .unwrap();
    let output = one(&spec, &[1e4, -1e4, MASKED], &[-1e4, 1e4, MASKED], 1);
    close(output.total, 2e4, 1e-10);
    close(output.stats[0].ce, 2e4, 1e-10);
    assert_eq!(output.gradient, [1.0, -1.0, 0.0]);
    assert_eq!(output.stats[0].student_logit_margin, -2e4);
}

#[test]
fn dropping_tau_squared_drops_it_everywhere_but_from_the_squared_errors() {
    let (student, teacher) = (random_logits(1, 3.0, 9), random_logits(2, 3.0, 9));
    for (divergence, factor) in [
        (Divergence::ForwardKl, 16.0),
        (DECOUPLED, 16.0),
        (Divergence::MseProbs, 1.0),
        (Divergence::MseLogits, 1.0),
    ] {
        let dropped = kd_only().divergence(divergence).temperature_squared(false);
        let (with, without) = (
            one(&of(divergence), &student, &teacher, 0),
            one(&dropped.build().unwrap(), &student, &teacher, 0),
        );
        close(with.total, factor * without.total, 1e-14);
        for (a, b) in with.gradient.iter().zip(&without.gradient) {
            close(*a, factor * b, 1e-14);
        }
    }
}

#[test]
fn exchanged_logits_are_the_target_of_the_squared_error() {
    let spec = kd_only()
        .divergence(Divergence::MseLogits)
        .revision(Revision::ProbabilityShift)
        .build()
        .unwrap();
    let output = one(&spec, &[1.0, 3.0, 0.5], &[3.0, 1.0, 0.5], 1);
    assert_eq!((output.total, output.gradient), (0.0, vec![0.0; 3]));
}

#[test]
fn the_bound_by_hand() {
    // Two even classes against (1/4, 3/4); w = 2, upstream = −3, sum.
    let (student, teacher) = ([0.0, 0.0], [0.0, 3f64.ln()]);
    let mut batch = batch(&student, &teacher, &[1]);
    batch.weight = Some(&[2.0]);
    batch.kd_weight = Some(&[0.5]);
    batch.upstream = -3.0;
    let bound = |divergence, tau: f64, squared, lambda_ce| {
        let spec = LossSpec::builder()
            .divergence(divergence)
            .temperature(Temperature::Fixed(tau as f32))
            .temperature_squared(squared)
            .reduction(Reduction::Sum)
            .weights(4.0, lambda_ce);
        run(&spec.build().unwrap(), &batch).unwrap().bound[0]
    };
    // max p' at τ = 2: √3/(1 + √3).
    let at_two = 3f64.sqrt() / (1.0 + 3f64.sqrt());
    let outer = 2.0 * 3.0;
    close(
        bound(Divergence::ForwardKl, 1.0, true, 0.0),
        outer * 2.0 * 0.75,
        1e-14,
    );
    close(
        bound(Divergence::ForwardKl, 2.0, true, 0.0),
        outer * 2.0 * 2.0 * at_two,
        1e-14,
    );
    close(
        bound(Divergence::ForwardKl, 2.0, false, 0.0),
        outer * 2.0 / 2.0 * at_two,
        1e-14,
    );
    close(
        bound(DECOUPLED, 1.0, true, 0.0),
        9.0 * outer * 2.0 * 0.75,
        1e-14,
    );
    close(
        bound(Divergence::MseProbs, 2.0, true, 0.0),
        outer * 2.0 / 2.0 * at_two,
        1e-14,
    );
    // Its largest derivative: 2/V (0 − ln 3), V = 2.
    close(
        bound(Divergence::MseLogits, 2.0, true, 0.0),
        outer * 2.0 * 3f64.ln(),
        1e-14,
    );
    close(
        bound(Divergence::ForwardKl, 1.0, true, 5.0),
        outer * 5.0 * 0.5,
        1e-14,
    );
    // δ = ln(1/2 : 1/4) = ln 2 at the first class, ln(2/3) at the second.
    let reverse = 0.75 * (1.0 + 1.5f64.ln());
    let first = 0.5 * (1.0 + 2f64.ln());
    let reverse = outer * 2.0 * reverse.max(first);
    close(bound(Divergence::ReverseKl, 1.0, true, 0.0), reverse, 1e-14);
}

/// Standardisation divides what rounding leaves of its derivative by the student's σ: so is the bound,
/// where σ is below 1. Masked classes have no part in σ.
#[test]
fn the_bound_of_standardised_logits() {
    let spec = kd_only()
        .temperature(Temperature::Standardised { tau: 1.0 })
        .build()
        .unwrap();
    // σ = √2 · scale, and z = ±1/√2 but for the guard of 1e-7.
    let root = 2f64.sqrt();
    let bound = |scale: f64| one(&spec, &[scale, -scale], &[1.0, -1.0], 0).bound[0];
    let q = 1.0 / (1.0 + (-root).exp());
    close(bound(1.0), q, 1e-7);
    close(bound(100.0), q, 1e-7);
    close(bound(0.01) * (root * 0.01 + 1e-7), q, 1e-5);
    let masked = one(&spec, &[0.01, MASKED, -0.01], &[1.0, MASKED, -1.0], 0);
    close(masked.bound[0], bound(0.01), 1e-10);
}

// --- Reductions ---------------------------------------------------------------------------------

#[test]
fn reductions_divide_by_rows_that_count() {
    let student = random_logits(1, 2.0, 12);
    let teacher = [0.0, 1.0, 2.0].repeat(4);
    let mut batch = batch(&student, &teacher, &[2, 0, IGNORE, 2]);
    batch.weight = Some(&[2.0, 3.0, 1.0, 0.0]);
    batch.upstream = 0.5;
    assert_eq!(counts(&batch), [2, 1]);
    let total = |reduction| {
        let spec = LossSpec::builder().reduction(reduction).build().unwrap();
        let output = run(&spec, &batch).unwrap();
        (output.total, [0, 1, 2].map(|b| output.stats[b].loss))
    };
    let (sum, loss) = total(Reduction::Sum);
    close(sum, 0.5 * (loss[0] + loss[1] + loss[2]), 1e-14);
    close(total(Reduction::Mean).0, sum / 3.0, 1e-14);
    let per_group = 0.5 * ((loss[0] + loss[2]) / 2.0 + loss[1]);
    close(total(Reduction::MeanPerGroup).0, per_group, 1e-14);
}

// --- Standardised -------------------------------------------------------------------------------

#[test]
fn standardised_logits_forget_shift_and_scale() {
    let spec = Preset::Lskd.spec();
    let (student, teacher) = (random_logits(1, 2.0, 10), random_logits(2, 2.0, 10));
    let moved: Vec<f64> = teacher.iter().map(|t| 100.0 + 50.0 * t).collect();
    let (a, b) = (
        one(&spec, &student, &teacher, 3),
        one(&spec, &student, &moved, 3),
    );
    close(a.stats[0].kd, b.stats[0].kd, 1e-5);
    assert_eq!(a.stats[0].tau, 2.0);
    let mut masked = student.clone();
    masked[4] = MASKED;
    let infinite = one(&spec, &masked, &teacher, 3);
    assert_eq!(
        (infinite.stats[0].kd, infinite.gradient[4]),
        (INFINITE, 0.0)
    );
    let flat = one(&spec, &[2.0; 10], &teacher, 3);
    assert!(flat.bound[0] > 1e6, "σ = 0 is steep");
}

// --- Dynamic temperature ------------------------------------------------------------------------

fn dtd(omega: Omega, normalise: Normalise) -> Dtd {
    Dtd {
        omega,
        normalise,
        ..Dtd::default()
    }
}

#[test]
fn flsw_by_hand() {
    // cos = 1 (but for the guard of 1e-4), 0 and −1: ω = 0, 1, 2; normalised 0, 1/3, 2/3.
    let student = [1e6, 0.0, 1e6, 0.0, 1e6, 0.0];
    let teacher = [1e6, 0.0, 0.0, 1e6, -1e6, 0.0];
    let batch = batch(&student, &teacher, &[0, 0, 0]);
    let flsw = Omega::Flsw { gamma: 1.0 };
    let tau = dtd_temperatures(&dtd(flsw, Normalise::L1), &batch).unwrap();
    for (tau, expected) in tau.iter().zip([10.0 + 40.0 / 3.0, 10.0, 1.0]) {
        close(*tau, expected, 1e-6);
    }
    let tau = dtd_temperatures(&dtd(flsw, Normalise::None), &batch).unwrap();
    for (tau, expected) in tau.iter().zip([50.0, 10.0, 1.0]) {
        close(*tau, expected, 1e-6);
    }
    // γ = 2: ω = 0, 1, 4 of 5.
    let tau = dtd_temperatures(&dtd(Omega::Flsw { gamma: 2.0 }, Normalise::L1), &batch).unwrap();
    for (tau, expected) in tau
        .iter()
        .zip([10.0 + 40.0 / 3.0, 10.0 + 40.0 * 2.0 / 15.0, 1.0])
    {
        close(*tau, expected, 1e-6);
    }
}

#[test]
fn cwsm_by_hand() {
    // max q1 = 1/2, 3/4: ω = 2, 4/3; normalised 3/5, 2/5.
    let student = [0.0, 0.0, 3f64.ln(), 0.0];
    let teacher = [0.0, 1.0, 0.0, MASKED];
    let batch = batch(&student, &teacher, &[0, IGNORE]);
    let tau = dtd_temperatures(&dtd(Omega::Cwsm, Normalise::L1), &batch).unwrap();
    close(tau[0], 10.0 - 4.0, 1e-14);
    close(tau[1], 10.0 + 4.0, 1e-14);
}

#[test]
fn rows_that_take_no_part_get_tau_zero_and_change_nothing() {
    let mut student = random_logits(3, 2.0, 12);
    let teacher = random_logits(4, 2.0, 12);
    student.extend([1.0, 0.0, 2.0].repeat(3));
    student.extend([f64::NAN, 0.0, 0.0]);
    let teacher = [teacher, [0.0, 1.0, 0.5].repeat(4)].concat();
    let labels = [0, 1, 2, IGNORE, 0, 9, 0, 0];
    let weight = [1.0, 1.0, 2.0, 1.0, 0.0, 1.0, f32::NAN, 1.0];
    let whole = Batch {
        classes: 3,
        weight: Some(&weight),
        ..batch(&student, &teacher, &labels)
    };
    let part = batch(&student[..12], &teacher[..12], &labels[..4]);
    for omega in [Omega::Flsw { gamma: 1.0 }, Omega::Cwsm] {
        let dtd = dtd(omega, Normalise::L1);
        let tau = dtd_temperatures(&dtd, &whole).unwrap();
        assert_eq!(tau[..4], dtd_temperatures(&dtd, &part).unwrap());
        assert_eq!(tau[4..], [10.0; 4]);
        assert!(tau[..4].iter().any(|&tau| tau != 10.0));
    }
}

#[test]
fn no_hardness_at_all_gives_tau_zero() {
    // Nobody takes part, or γ so large that every ω underflows to 0.
    let mut none = batch(&[1.0, 0.0], &[0.0, 1.0], &[0]);
    none.weight = Some(&[0.0]);
    assert_eq!(dtd_temperatures(&Dtd::default(), &none).unwrap(), [10.0]);
    let parallel = batch(&[1.0, 2.0], &[1.0, 2.0], &[1]);
    let gamma = Omega::Flsw { gamma: 1e4 };
    assert_eq!(
        dtd_temperatures(&dtd(gamma, Normalise::L1), &parallel).unwrap(),
        [10.0]
    );
    let short = Batch {
        teacher: &[1.0],
        ..parallel
    };
    dtd_temperatures(&Dtd::default(), &short).unwrap_err();
}

// --- Size ---------------------------------------------------------------------------------------

#[test]
fn a_large_vocabulary_keeps_its_sums() {
    let classes = 151_936;
    let student = random_logits(1, 10.0, classes);
    let teacher = random_logits(2, 10.0, classes);
    for preset in [Preset::Lr, Preset::Dkd, Preset::Lskd] {
        let output = one(&preset.spec(), &student, &teacher, 77);
        let sum: f64 = output.gradient.iter().sum();
        assert!(output.total.is_finite() && output.bound[0] > 0.0);
        close(sum, 0.0, 1e-12);
    }
}
