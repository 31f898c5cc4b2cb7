//! What the parity suite's tolerances would hide: divergences that nearly vanish, and temperatures at
//! which exponentials are powers of others.

use super::rig::{OnDevice, Rig};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::reference::{self, Batch};
use fused_kd::spec::{LossSpec, Preset, Revision, Temperature};
use fused_kd::wgsl::{Options, Regime};

const REGIMES: [Regime; 3] = [
    Regime::Whole { lanes: 8 },
    Regime::Whole { lanes: 256 },
    Regime::Split { parts: 2 },
];

/// The records' floats and the gradient.
type Numbers = (Vec<[f64; 13]>, Vec<f64>);

/// By the oracle.
fn truth(case: &Case) -> Numbers {
    let widen = |row: &[f32]| -> Vec<f64> { row.iter().map(|&z| z.into()).collect() };
    let batch = Batch {
        student: &widen(&case.student),
        teacher: &widen(&case.teacher),
        classes: case.classes,
        labels: &case.labels,
        weight: Some(&case.weight),
        kd_weight: Some(&case.kd_weight),
        tau: None,
        upstream: case.upstream,
    };
    let output = reference::run(&case.spec, &batch).unwrap();
    let records = output.stats.iter().map(|stats| stats.floats());
    (records.collect(), output.gradient)
}

fn run(rig: &Rig, case: &Case, regime: Regime) -> Numbers {
    let plan = rig.plan::<f32, f32>(case, Options::default().regime(regime));
    let bits = OnDevice::dense::<f32, f32>(rig, case).run::<f32>(&plan);
    let float = |bits: u32| f64::from(f32::from_bits(bits));
    let floats = |record: [u32; 16]| std::array::from_fn(|i| float(record[i]));
    let records = bits.stats.into_iter().map(floats).collect();
    (records, bits.gradient.into_iter().map(float).collect())
}

/// Where τ is 1, 2 or 4, exponentials at τ = 1 are powers of those at τ; the oracle is met there and
/// elsewhere.
#[test]
fn every_temperature() {
    let Some(rig) = Rig::usual() else { return };
    let revisions = [
        Revision::LabelRevision { eta: 0.8 },
        Revision::ProbabilityShift,
    ];
    for (tau, revision) in [1.0, 2.0, 3.0, 4.0]
        .into_iter()
        .flat_map(|tau| revisions.map(|revision| (tau, revision)))
    {
        let spec = LossSpec::builder()
            .temperature(Temperature::Fixed(tau))
            .revision(revision)
            .build()
            .unwrap();
        let case = Case::new(&mut Rng::new(4), &spec, 6, 50, &[Kind::Plain]);
        let (records, gradient) = truth(&case);
        let close = |got: f64, truth: f64| (got - truth).abs() <= 1e-5 * (1.0 + truth.abs());
        for regime in REGIMES {
            let got = run(rig, &case, regime);
            let got_records = got.0.as_flattened().iter();
            for (&got, &truth) in got_records.zip(records.as_flattened()) {
                assert!(close(got, truth), "{regime:?}, {spec:?}: {got}, {truth}");
            }
            for (&got, &truth) in got.1.iter().zip(&gradient) {
                assert!(close(got, truth), "{regime:?}, {spec:?}: {got}, {truth}");
            }
        }
    }
}

/// Where student and teacher nearly agree, the divergence is right to its last digits but two: the
/// textbook's sum would cancel.
#[test]
fn a_small_divergence_has_digits() {
    let Some(rig) = Rig::usual() else { return };
    let mut case = Case::new(&mut Rng::new(5), &Preset::Kd.spec(), 32, 50, &[Kind::Plain]);
    let nudge = |c: usize| if c * 7 % 13 < 6 { 1e-3 } else { -1e-3 };
    case.student = (0..1600).map(|c| case.teacher[c] + nudge(c)).collect();
    let (truth, _) = truth(&case);
    for regime in REGIMES {
        for (got, truth) in run(rig, &case, regime).0.iter().zip(&truth) {
            let (got, truth) = (got[1], truth[1]);
            let close = (got / truth - 1.0).abs() < 0.02;
            assert!(close, "{regime:?}: {got}, {truth}");
        }
    }
}
