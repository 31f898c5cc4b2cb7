//! How much of the records is written changes neither total nor gradient.

use super::{SENTINEL, batch, plan, sentinels, temperatures};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::Parallelism;
use fused_kd::spec::{Preset, RowStats, StatsLevel};

fn at(case: &Case, level: StatsLevel) -> (u32, Vec<u32>, Vec<RowStats>) {
    let tau = temperatures(case, &case.student);
    let mut gradient = vec![SENTINEL; case.student.len()];
    let mut stats = match level {
        StatsLevel::None => Vec::new(),
        _ => sentinels(case.labels.len()),
    };
    let mut batch =
        batch(case, &case.student, &case.teacher, tau.as_deref()).gradient(&mut gradient);
    if level != StatsLevel::None {
        batch = batch.stats(&mut stats);
    }
    let total = plan(case, level).run(batch, Parallelism::Serial).unwrap();
    let bits = gradient.iter().map(|g| g.to_bits()).collect();
    (total.to_bits(), bits, stats)
}

/// What [`StatsLevel::Loss`] leaves of a full record.
fn losses(full: &RowStats) -> RowStats {
    RowStats {
        loss: full.loss,
        kd: full.kd,
        ce: full.ce,
        tau: full.tau,
        beta: full.beta,
        teacher_top: full.teacher_top,
        student_top: full.student_top,
        flags: full.flags,
        ..RowStats::default()
    }
}

#[test]
fn the_level_changes_records_alone() {
    let mut rng = Rng::new(31);
    for preset in Preset::ALL {
        for classes in [1, 3, 10, 31, 5000] {
            for kinds in [&Kind::TAME[..], &Kind::ALL] {
                let case = Case::new(&mut rng, &preset.spec(), 30, classes, kinds);
                let (total, gradient, full) = at(&case, StatsLevel::Full);
                let (of_loss, loss_gradient, loss) = at(&case, StatsLevel::Loss);
                let (of_none, none_gradient, _) = at(&case, StatsLevel::None);
                assert_eq!((total, total), (of_loss, of_none));
                assert!(gradient == loss_gradient && gradient == none_gradient);
                for (row, (loss, full)) in loss.iter().zip(&full).enumerate() {
                    assert_eq!(
                        bytemuck::bytes_of(loss),
                        bytemuck::bytes_of(&losses(full)),
                        "row {row} of {preset:?}, V = {classes}: {loss:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn without_a_gradient_total_and_records_are_the_same() {
    let mut rng = Rng::new(32);
    for preset in Preset::ALL {
        let case = Case::new(&mut rng, &preset.spec(), 30, 10, &Kind::ALL);
        let (total, _, full) = at(&case, StatsLevel::Full);
        let tau = temperatures(&case, &case.student);
        let mut stats = sentinels(30);
        let batch = batch(&case, &case.student, &case.teacher, tau.as_deref());
        let alone = plan(&case, StatsLevel::Full)
            .run(batch.stats(&mut stats), Parallelism::Serial)
            .unwrap();
        assert_eq!(total, alone.to_bits());
        let bytes = bytemuck::cast_slice::<RowStats, u8>;
        assert_eq!(bytes(&stats), bytes(&full), "{preset:?}");
    }
}
