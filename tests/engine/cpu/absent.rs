//! What a batch has no room for is not written, and changes nothing else.

use super::{SENTINEL, batch, in_place, plan, sentinels, temperatures};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{FeatureBatch, FeaturePlan, Parallelism};
use fused_kd::spec::{Distance, FeatureSpec, Preset, Relation, RowStats, StatsLevel};

/// What a call writes: the total's bits, the gradient's, and the records' bytes.
type Written = (u32, Vec<u32>, Vec<u8>);

/// A call with room for some of its outputs; what it has no room for stays as it was.
fn written(case: &Case, [gradient, stats, total]: [bool; 3]) -> (u32, Written) {
    let tau = temperatures(case, &case.student);
    let mut of_gradient = vec![SENTINEL; case.student.len()];
    let mut of_stats = sentinels(case.labels.len());
    let mut of_total = SENTINEL;
    let mut batch = batch(case, &case.student, &case.teacher, tau.as_deref());
    if gradient {
        batch = batch.gradient(&mut of_gradient);
    }
    if stats {
        batch = batch.stats(&mut of_stats);
    }
    if total {
        batch = batch.total(&mut of_total);
    }
    let returned = plan(case, StatsLevel::Full)
        .run(batch, Parallelism::Serial)
        .unwrap();
    let gradient = of_gradient.iter().map(|g| g.to_bits()).collect();
    let stats = bytemuck::cast_slice::<RowStats, u8>(&of_stats).to_vec();
    (returned.to_bits(), (of_total.to_bits(), gradient, stats))
}

#[test]
fn each_output_may_be_absent() {
    let mut rng = Rng::new(71);
    for preset in Preset::ALL {
        for classes in [3, 100, 600] {
            let case = Case::new(&mut rng, &preset.spec(), 30, classes, &Kind::ALL);
            let (total, all) = written(&case, [true; 3]);
            let (_, none) = written(&case, [false; 3]);
            assert_eq!(total, all.0);
            for mask in 0..8 {
                let given = [0, 1, 2].map(|bit| mask >> bit & 1 == 1);
                let pick = |given| if given { &all } else { &none };
                let (returned, found) = written(&case, given);
                assert_eq!(returned, total, "{preset:?}, {given:?}");
                assert!(
                    found.1 == pick(given[0]).1,
                    "gradient, {preset:?}, {given:?}"
                );
                assert!(found.2 == pick(given[1]).2, "stats, {preset:?}, {given:?}");
                assert_eq!(found.0, pick(given[2]).0, "total, {preset:?}, {given:?}");
            }
            let untouched = vec![SENTINEL.to_bits(); case.student.len()];
            assert!(none.0 == SENTINEL.to_bits() && none.1 == untouched);
        }
    }
}

#[test]
fn distances_may_be_absent() {
    let spec = FeatureSpec {
        distance: Distance::SquaredL2,
        relation: Relation::Explore,
    };
    let plan = FeaturePlan::new(&spec, 2).unwrap();
    let (x, y) = ([3.0_f32, 4.0], [1.0_f32, 0.0]);
    let (mut distances, mut total) = ([SENTINEL], SENTINEL);
    let batch = FeatureBatch::new(1, &x, &y).distances(&mut distances);
    let both = plan
        .run(batch.total(&mut total), Parallelism::Serial)
        .unwrap();
    assert_eq!((total, -distances[0]), (both, both));
    let alone = FeatureBatch::new(1, &x, &y);
    assert_eq!(plan.run(alone, Parallelism::Serial), Ok(both));
}

/// With a workspace, the caller's bytes are used and the thread's are not; without one nothing differs.
#[test]
fn a_workspace_changes_nothing() {
    let mut rng = Rng::new(72);
    for preset in [Preset::Lr, Preset::Kd, Preset::DtdCwsm] {
        for classes in [3, 100, 600, 5000] {
            let case = Case::new(&mut rng, &preset.spec(), 70, classes, &Kind::ALL);
            let plan = plan(&case, StatsLevel::Full);
            let tau = temperatures(&case, &case.student);
            #[cfg(feature = "rayon")]
            let ways = [Parallelism::Serial, Parallelism::Rayon];
            #[cfg(not(feature = "rayon"))]
            let ways = [Parallelism::Serial];
            for parallelism in ways {
                let run = |workspace: Option<&mut [u8]>| {
                    let (mut gradient, mut stats) = (case.student.clone(), sentinels(70));
                    let mut batch = in_place(&case, &mut gradient, &case.teacher, tau.as_deref());
                    if let Some(workspace) = workspace {
                        batch = batch.workspace(workspace);
                    }
                    let total = plan.run(batch.stats(&mut stats), parallelism).unwrap();
                    let bits: Vec<u32> = gradient.iter().map(|g| g.to_bits()).collect();
                    let records = bytemuck::cast_slice::<RowStats, u8>(&stats).to_vec();
                    (total.to_bits(), bits, records)
                };
                let bytes = plan.workspace_bytes(70, parallelism);
                let mut workspace = vec![0xA5; bytes + 1];
                let expected = run(None);
                // Wherever it begins.
                assert!(run(Some(&mut workspace[..bytes])) == expected);
                assert!(run(Some(&mut workspace[1..])) == expected);
                let used = workspace.iter().any(|&byte| byte != 0xA5);
                assert_eq!(used, bytes > 0, "{preset:?}, V = {classes}");
            }
        }
    }
}

#[test]
fn a_workspace_that_is_too_small_is_refused() {
    let case = Case::new(&mut Rng::new(73), &Preset::Lr.spec(), 4, 100, &Kind::TAME);
    let plan = plan(&case, StatsLevel::Full);
    let bytes = plan.workspace_bytes(4, Parallelism::Serial);
    let mut workspace = vec![0; bytes - 1];
    let mut gradient = vec![SENTINEL; 400];
    let batch = batch(&case, &case.student, &case.teacher, None)
        .gradient(&mut gradient)
        .workspace(&mut workspace);
    let error = plan.run(batch, Parallelism::Serial).unwrap_err();
    let expected = format!(
        "workspace has {} elements, but {bytes} are needed",
        bytes - 1
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(gradient.iter().all(|&g| g == SENTINEL));
}
