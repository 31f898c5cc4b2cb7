//! Batches that no single binding and no single row of workgroups holds.

use super::rig::{OnDevice, Place, Rig};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::spec::{Preset, StatsLevel};
use fused_kd::wgsl::{Batch, Element, Error, Options, Plan, Regime};
use half::f16;

/// The same bits on a device with these limits as on the usual one; only the total is summed in
/// another order.
fn changes_nothing<S: Element, T: Element>(
    small: &Rig,
    presets: &[Preset],
    [rows, classes]: [usize; 2],
    options: Options,
) {
    let usual = Rig::usual().unwrap();
    for preset in presets {
        let case = Case::new(&mut Rng::new(9), &preset.spec(), rows, classes, &Kind::TAME);
        // Rows that begin between words and between places that can be bound.
        let place = |offset, more| Place {
            offset,
            stride: classes + more,
        };
        let places = [place(3, 0), place(5, 1), place(1, 2)];
        let run = |rig: &Rig| {
            let options = options.formats(S::FORMAT, T::FORMAT);
            let plan = Plan::new(&rig.device, &case.spec, classes, options).unwrap();
            OnDevice::placed::<S, T>(rig, &case, places).run::<S>(&plan)
        };
        let (whole, chunked) = (run(usual), run(small));
        assert_eq!(chunked.gradient, whole.gradient, "{preset:?}");
        assert_eq!(chunked.stats, whole.stats, "{preset:?}");
        let (a, b) = (chunked.total(), whole.total());
        assert!((a - b).abs() <= 1e-5 * b.abs(), "{preset:?}: {a}, {b}");
    }
}

const PRESETS: [Preset; 3] = [Preset::LrMse, Preset::DtdFlsw, Preset::Lr];

/// 8 KiB a binding: 64 rows of 31 logits in f32, so that 200 rows are four chunks.
#[test]
fn rows_beyond_a_binding_are_chunked() {
    let tiny = Rig::with(|limits| limits.max_storage_buffer_binding_size = 8192);
    let Some(tiny) = tiny else { return };
    changes_nothing::<f32, f32>(&tiny, &PRESETS, [200, 31], Options::default());
    changes_nothing::<f16, f32>(&tiny, &PRESETS, [200, 31], Options::default());
    changes_nothing::<f32, f16>(&tiny, &PRESETS[..1], [130, 701], Options::default());
}

#[test]
fn split_rows_are_chunked() {
    let tiny = Rig::with(|limits| limits.max_storage_buffer_binding_size = 8192);
    let Some(tiny) = tiny else { return };
    let split = Options::default().regime(Regime::Split { parts: 4 });
    changes_nothing::<f32, f32>(&tiny, &PRESETS[..1], [20, 700], split);
}

/// Grids of 5 by 5 workgroups.
#[test]
fn grids_have_a_second_dimension_and_no_more_rows_than_they_hold() {
    let flat = Rig::with(|limits| limits.max_compute_workgroups_per_dimension = 5);
    let Some(flat) = flat else { return };
    changes_nothing::<f32, f32>(&flat, &PRESETS, [60, 70], Options::default());
    changes_nothing::<f16, f16>(&flat, &PRESETS[..1], [300, 3], Options::default());
    let split = Options::default().regime(Regime::Split { parts: 4 });
    changes_nothing::<f32, f32>(&flat, &PRESETS[..1], [20, 70], split);
}

/// Without records of the caller's a total has its own, of 64 bytes a row: fewer of them fit into a
/// binding than rows of 3 classes.
#[test]
fn records_that_nobody_wants_are_chunked() {
    let tiny = Rig::with(|limits| limits.max_storage_buffer_binding_size = 8192);
    let (Some(tiny), Some(usual)) = (tiny, Rig::usual()) else {
        return;
    };
    let case = Case::new(&mut Rng::new(10), &Preset::Kd.spec(), 300, 3, &Kind::TAME);
    let run = |rig: &Rig| {
        let on_device = OnDevice::dense::<f32, f32>(rig, &case);
        let plan = rig.plan::<f32, f32>(&case, Options::default().level(StatsLevel::None));
        let [s, t, y] = [&on_device.student, &on_device.teacher, &on_device.labels];
        let batch = Batch::new(300, s, t, y)
            .gradient(&on_device.gradient)
            .total(&on_device.total);
        let call = plan.bind(&batch);
        rig.submit(&[&call.unwrap()]);
        on_device.bits::<f32>()
    };
    let (a, b) = (run(&tiny), run(usual));
    assert_eq!(a.gradient, b.gradient);
    assert!((a.total() - b.total()).abs() <= 1e-5 * b.total().abs());
}

#[test]
fn a_row_that_no_binding_holds_is_refused() {
    let tiny = Rig::with(|limits| limits.max_storage_buffer_binding_size = 8192);
    let Some(tiny) = tiny else { return };
    let case = Case::new(&mut Rng::new(1), &Preset::Kd.spec(), 2, 2048, &Kind::TAME);
    let plan = tiny.plan::<f32, f32>(&case, Options::default());
    let on_device = OnDevice::dense::<f32, f32>(&tiny, &case);
    let error = plan.bind(&on_device.batch()).unwrap_err();
    let Error::TooLarge {
        argument,
        needed,
        limit,
        given,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(argument, "teacher");
    assert_eq!(limit, "max_storage_buffer_binding_size");
    assert!(needed > given && given == 8192, "{needed} {given}");
    // Half the bytes fit.
    let half = tiny.plan::<f16, f16>(&case, Options::default());
    let on_device = OnDevice::dense::<f16, f16>(&tiny, &case);
    half.bind(&on_device.batch()).unwrap();
}
