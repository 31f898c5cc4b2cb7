//! The face by address: the bits of the face over slices, and everything that can be refused.

use super::{Bits, SENTINEL, plan, run, sentinels, student, temperatures};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Element, FeaturePlan, Parallelism, RawBatch, RawFeatureBatch};
use fused_kd::spec::{ArgumentError, Distance, FeatureSpec, Format, Preset, Relation, StatsLevel};
use half::{bf16, f16};

/// Runs a case by address, the gradient apart.
fn raw<S: Element + bytemuck::Pod>(case: &Case) -> Bits {
    let student = student::<S>(case);
    let tau = temperatures(case, &student);
    let rows = case.labels.len();
    let mut gradient = vec![S::from_f32(SENTINEL); student.len()];
    let (mut stats, mut total) = (sentinels(rows), SENTINEL);
    let plan = plan(case, StatsLevel::Full);
    let mut workspace = vec![0_u8; plan.workspace_bytes(rows, Parallelism::Serial)];
    let teacher = case.teacher.as_ptr();
    let mut batch = RawBatch::new(rows, student.as_ptr(), teacher, case.labels.as_ptr())
        .gradient(gradient.as_mut_ptr())
        .weight(case.weight.as_ptr())
        .kd_weight(case.kd_weight.as_ptr())
        .upstream_at(&raw const case.upstream)
        .stats(stats.as_mut_ptr())
        .total(&raw mut total)
        .workspace(workspace.as_mut_ptr());
    if let Some(tau) = &tau {
        batch = batch.tau(tau.as_ptr());
    }
    // SAFETY: these are the addresses of slices of the case's length.
    let returned = unsafe { plan.run_raw(&batch, Parallelism::Serial) }.unwrap();
    assert_eq!(returned.to_bits(), total.to_bits());
    Bits {
        total: total.to_bits(),
        gradient: bytemuck::cast_slice(&gradient).to_vec(),
        stats: bytemuck::cast_slice(&stats).to_vec(),
    }
}

fn same_bits<S: Element + bytemuck::Pod>() {
    let mut rng = Rng::new(81);
    for preset in Preset::ALL {
        for (rows, classes) in [(0, 3), (1, 1), (9, 10), (9, 100), (3, 1003)] {
            let case = Case::new(&mut rng, &preset.spec(), rows, classes, &Kind::ALL);
            let expected = run::<S>(&case, Parallelism::Serial);
            assert!(raw::<S>(&case) == expected, "{preset:?}, V = {classes}");
        }
    }
}

#[test]
fn addresses_give_the_bits_of_slices() {
    same_bits::<f32>();
    same_bits::<f16>();
    same_bits::<bf16>();
}

/// A teacher of another type, and the gradient over strided logits: what lies between stays.
#[test]
fn types_and_strides_come_as_values() {
    let plan = plan(
        &Case::new(&mut Rng::new(82), &Preset::Lr.spec(), 0, 3, &Kind::TAME),
        StatsLevel::Full,
    );
    let teacher = [2.0, 1.0, 0.0, 0.0, 3.0, 1.0].map(bf16::from_f32);
    let labels = [0, 0];
    let mut strided = [0.1_f32, 0.2, 0.3, SENTINEL, 1.0, 0.0, -1.0];
    let by_value = (teacher.as_ptr().expose_provenance() as u64, Format::Bf16);
    let batch = RawBatch::in_place(2, strided.as_mut_ptr(), by_value, labels.as_ptr());
    // SAFETY: these are the addresses of arrays of two rows.
    let total = unsafe { plan.run_raw(&batch.student_stride(4), Parallelism::Serial) };
    let mut dense = [0.1_f32, 0.2, 0.3, 1.0, 0.0, -1.0];
    let batch = fused_kd::cpu::Batch::in_place(2, &mut dense, &teacher, &labels);
    assert_eq!(total, plan.run(batch, Parallelism::Serial));
    assert_eq!((&strided[..3], &strided[4..]), (&dense[..3], &dense[3..]));
    assert_eq!(strided[3], SENTINEL);
}

#[test]
fn features_by_address() {
    let spec = FeatureSpec {
        distance: Distance::L1,
        relation: Relation::Inherit,
    };
    let plan = FeaturePlan::new(&spec, 2).unwrap();
    let (mut x, y, weight) = ([3.0_f32, 0.0], [0.0_f32, 5.0], [2.0_f32]);
    let (mut distances, mut total) = ([SENTINEL], SENTINEL);
    let batch = RawFeatureBatch::in_place(1, x.as_mut_ptr(), y.as_ptr())
        .weight(weight.as_ptr())
        .upstream(50.0)
        .counted(4)
        .distances(distances.as_mut_ptr())
        .total(&raw mut total);
    // SAFETY: these are the addresses of arrays of one row.
    let returned = unsafe { plan.run_raw(&batch, Parallelism::Serial) };
    assert_eq!((returned, total, distances), (Ok(25.0), 25.0, [1.0]));
    assert!(x[0] != 3.0);
}

#[test]
fn addresses_are_checked() {
    let (logits, labels) = ([0.0_f32; 4], [0_i32; 2]);
    let case = Case::new(&mut Rng::new(83), &Preset::Kd.spec(), 0, 2, &Kind::TAME);
    let plan = plan(&case, StatsLevel::Full);
    let good = || RawBatch::new(2, logits.as_ptr(), logits.as_ptr(), labels.as_ptr());
    let refused = |batch: RawBatch| {
        // SAFETY: what is read is there, and what is not is refused before it is read.
        unsafe { plan.run_raw(&batch, Parallelism::Serial) }.unwrap_err()
    };
    let null = std::ptr::null::<f32>();
    let odd = (logits.as_ptr().expose_provenance() as u64 + 1, Format::F32);
    for (batch, argument) in [
        (
            RawBatch::new(2, null, logits.as_ptr(), labels.as_ptr()),
            "student",
        ),
        (
            RawBatch::new(2, logits.as_ptr(), odd, labels.as_ptr()),
            "teacher",
        ),
        (
            RawBatch::new(2, logits.as_ptr(), logits.as_ptr(), 0),
            "labels",
        ),
        (good().gradient((0, Format::F32)), "gradient"),
        (good().weight(2), "weight"),
        (good().stats(null.cast_mut()), "stats"),
        (good().total(1), "total"),
        (good().upstream_at(0), "upstream"),
    ] {
        match refused(batch) {
            ArgumentError::Address {
                argument: named, ..
            } => assert_eq!(named, argument),
            other => panic!("{argument}: {other}"),
        }
    }
    let half = refused(good().gradient((8, Format::F16)));
    assert_eq!(half.to_string(), "gradient is f16, but f32 is expected");
    let far = refused(good().student_stride(usize::MAX / 8));
    assert!(matches!(far, ArgumentError::TooLarge { .. }), "{far}");
    let both = RawBatch::in_place(2, logits.as_ptr(), logits.as_ptr(), labels.as_ptr());
    let both = refused(both.gradient((8, Format::F32)));
    assert!(
        both.to_string().contains("gradient has no use here"),
        "{both}"
    );
}
