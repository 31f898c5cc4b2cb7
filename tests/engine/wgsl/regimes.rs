//! Regimes agree, and the one that runs is the one that the shape suggests.

use super::rig::{OnDevice, Rig};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::spec::Preset;
use fused_kd::wgsl::{Checks, Options, Regime, Subgroups};

#[test]
fn few_rows_of_many_classes_are_split_where_the_device_can() {
    let Some(rig) = Rig::usual() else { return };
    let case = Case::new(&mut Rng::new(1), &Preset::Kd.spec(), 1, 50_257, &Kind::TAME);
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    assert_eq!(plan.regime(1), Regime::Split { parts: 8 });
    assert_eq!(plan.regime(1000), Regime::Whole { lanes: 256 });
    let eight = Rig::with(|limits| limits.max_storage_buffers_per_shader_stage = 8).unwrap();
    let plan = eight.plan::<f32, f32>(&case, Options::default());
    assert_eq!(plan.regime(1), Regime::Whole { lanes: 256 });
    OnDevice::dense::<f32, f32>(&eight, &case).run::<f32>(&plan);
}

#[test]
fn every_regime_gives_the_same_numbers() {
    let Some(rig) = Rig::usual() else { return };
    let kinds = [Kind::Plain, Kind::Near, Kind::Ties, Kind::Unlabelled];
    for preset in [Preset::Lr, Preset::Dkd, Preset::Lskd] {
        let case = Case::new(&mut Rng::new(2), &preset.spec(), 5, 301, &kinds);
        let run = |options: Options| {
            let plan = rig.plan::<f32, f32>(&case, options);
            OnDevice::dense::<f32, f32>(rig, &case).run::<f32>(&plan)
        };
        let options = Options::default();
        let usual = run(options);
        run(options.regime(Regime::Split { parts: 2 })).agrees_with(&usual);
        run(options.regime(Regime::Split { parts: 64 })).agrees_with(&usual);
        run(options.regime(Regime::Whole { lanes: 8 })).agrees_with(&usual);
        run(options.workgroup(64)).agrees_with(&usual);
        run(options.subgroups(Subgroups::Never)).agrees_with(&usual);
        // Checks are no part of the arithmetic.
        assert_eq!(run(options.checks(Checks::Unchecked)), usual);
    }
}

/// Every logit but the label's may be lower than any that a kernel stands in for an absent one.
#[test]
fn nothing_but_the_lowest_logits() {
    let Some(rig) = Rig::usual() else { return };
    for classes in [20, 301, 2000] {
        let [lowest, expected] = [[-2e38, -3e38], [0.0, -1e6]].map(|[high, low]| {
            let (spec, plain) = (Preset::Lr.spec(), [Kind::Plain]);
            let mut case = Case::new(&mut Rng::new(3), &spec, 1, classes, &plain);
            case.student.fill(low);
            (case.student[2], case.student[5]) = (high, high);
            case.teacher.clone_from(&case.student);
            case.labels[0] = 2;
            let plan = rig.plan::<f32, f32>(&case, Options::default());
            OnDevice::dense::<f32, f32>(rig, &case).run::<f32>(&plan)
        });
        assert_eq!(lowest, expected, "{classes} classes");
    }
}
