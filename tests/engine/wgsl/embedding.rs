//! Inside somebody else's program: their buffers, offsets, encoder and memory.

use super::rig::{Bits, OnDevice, Place, Rig};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::spec::{LossSpec, LossSpecBuilder, Preset, Reduction, StatsLevel};
use fused_kd::wgsl::{Batch, Counts, Element, Error, Options, Regime, Slice, wgpu};
use half::{bf16, f16};

fn case(spec: &LossSpec, rows: usize, classes: usize) -> Case {
    Case::new(&mut Rng::new(5), spec, rows, classes, &Kind::TAME)
}

fn reduced(preset: Preset, reduction: Reduction) -> LossSpec {
    let spec = LossSpecBuilder::from(preset.spec()).reduction(reduction);
    spec.build().unwrap()
}

/// Strides and offsets move rows and change nothing else, neither in them nor around them. Two halves
/// of a word are summed together, so that these may round differently.
fn anywhere<S: Element, T: Element>(rig: &Rig) {
    let same = |moved: &Bits, dense: &Bits| match size_of::<S>() {
        4 => assert_eq!(moved, dense),
        _ => moved.agrees_with(dense),
    };
    for classes in [3, 10, 100] {
        let case = case(&Preset::LrMse.spec(), 9, classes);
        let plan = rig.plan::<S, T>(&case, Options::default());
        let dense = OnDevice::dense::<S, T>(rig, &case).run::<S>(&plan);
        for (offset, more) in [(1, 0), (0, 1), (7, 5), (131, 2)] {
            let place = |offset, more| Place {
                offset,
                stride: classes + more,
            };
            let places = [
                place(offset, more),
                place(offset + 2, more),
                place(2 * offset, 1),
            ];
            let on_device = OnDevice::placed::<S, T>(rig, &case, places);
            let moved = on_device.run::<S>(&plan);
            same(&moved, &dense);
            rig.submit(&[&plan.bind(&on_device.batch_in_place()).unwrap()]);
            same(&on_device.bits_in_place::<S>(), &dense);
        }
    }
}

#[test]
fn rows_may_be_anywhere() {
    let Some(rig) = Rig::usual() else { return };
    anywhere::<f32, f32>(rig);
    anywhere::<f16, f32>(rig);
    anywhere::<bf16, f16>(rig);
}

/// Everything that is not a matrix begins where things can be bound.
#[test]
fn vectors_may_share_a_buffer_with_what_is_read() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&Preset::Kd.spec(), 9, 10);
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on_device = OnDevice::dense::<f32, f32>(rig, &case);
    let expected = on_device.run::<f32>(&plan);
    let mut together = vec![0.0_f32; 256];
    together[64..73].copy_from_slice(&case.weight);
    together[128..137].copy_from_slice(&case.kd_weight);
    together[192..201].copy_from_slice(bytemuck::cast_slice(&case.labels));
    let together = rig.buffer(bytemuck::cast_slice(&together));
    let written = rig.empty(1280, wgpu::BufferUsages::STORAGE);
    let batch = Batch::new(
        9,
        &on_device.student,
        &on_device.teacher,
        Slice::new(&together, 768),
    )
    .weight(Slice::new(&together, 256))
    .kd_weight(Slice::new(&together, 512))
    .upstream(case.upstream)
    .stats(Slice::new(&written, 512))
    .total(Slice::new(&written, 256));
    rig.submit(&[&plan.bind(&batch).unwrap()]);
    let bytes = rig.read(&written);
    assert_eq!(bytes[256..260], expected.total.to_le_bytes());
    assert_eq!(
        &bytes[512..512 + 9 * 64],
        bytemuck::cast_slice::<_, u8>(&expected.stats)
    );
}

/// A call may be recorded as often as wanted, and calls in one submission follow each other.
#[test]
fn calls_follow_each_other_in_one_submission() {
    let Some(rig) = Rig::usual() else { return };
    let (one, two) = (
        case(&Preset::LrMse.spec(), 30, 10),
        Case::new(&mut Rng::new(6), &Preset::LrMse.spec(), 20, 10, &Kind::TAME),
    );
    let plan = rig.plan::<f32, f32>(&one, Options::default());
    let expected =
        [&one, &two].map(|case| OnDevice::dense::<f32, f32>(rig, case).run::<f32>(&plan));
    // Both use the same memory of the caller's.
    let workspace = rig.empty(plan.workspace_bytes(30), wgpu::BufferUsages::STORAGE);
    let [a, b] = [&one, &two].map(|case| OnDevice::dense::<f32, f32>(rig, case));
    let [first, second] = [&a, &b].map(|on| plan.bind(&on.batch().workspace(&workspace)).unwrap());
    rig.submit(&[&first, &second, &first, &first, &second]);
    assert_eq!([a.bits::<f32>(), b.bits::<f32>()], expected);
}

#[test]
fn a_workspace_that_is_too_small_is_refused() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&Preset::Kd.spec(), 30, 10);
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on_device = OnDevice::dense::<f32, f32>(rig, &case);
    let needed = plan.workspace_bytes(30);
    let small = rig.empty(needed - 4, wgpu::BufferUsages::STORAGE);
    let error = plan.bind(&on_device.batch().workspace(&small)).unwrap_err();
    let expected = Error::Size {
        argument: "workspace",
        needed,
        offset: 0,
        size: needed - 4,
    };
    assert_eq!(error, expected);
}

/// Upstream is read when the call runs, whatever else the device has to find out.
#[test]
fn upstream_in_device_memory_is_upstream() {
    let Some(rig) = Rig::usual() else { return };
    let counts = Counts { right: 7, wrong: 9 };
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::MeanPerGroup] {
        let case = case(&reduced(Preset::Lr, reduction), 20, 10);
        let plan = rig.plan::<f32, f32>(&case, Options::default());
        let on_device = OnDevice::dense::<f32, f32>(rig, &case);
        let upstream = rig.buffer(bytemuck::bytes_of(&1.0_f32));
        for known in [None, Some(counts)] {
            let batch = on_device.batch();
            let batch = known.map_or(batch, |counts| batch.counts(counts));
            let call = plan.bind(&batch.upstream_at(&upstream)).unwrap();
            for value in [0.5_f32, -8.0] {
                rig.submit(&[&plan.bind(&batch.upstream(value)).unwrap()]);
                let expected = on_device.bits::<f32>();
                rig.queue
                    .write_buffer(&upstream, 0, bytemuck::bytes_of(&value));
                rig.submit(&[&call]);
                assert_eq!(on_device.bits::<f32>(), expected, "{reduction:?} {known:?}");
            }
        }
    }
}

/// Counting on the device is counting.
#[test]
fn counts_that_are_known_are_the_same() {
    let Some(rig) = Rig::usual() else { return };
    for reduction in [Reduction::Mean, Reduction::MeanPerGroup] {
        let case = case(&reduced(Preset::Lr, reduction), 300, 10);
        let plan = rig.plan::<f32, f32>(&case, Options::default());
        let on_device = OnDevice::dense::<f32, f32>(rig, &case);
        let counted = on_device.run::<f32>(&plan);
        let mut counts = Counts::default();
        for (record, w) in counted.stats.iter().zip(&case.weight) {
            let group = match record[15] & 1 {
                0 => &mut counts.right,
                _ => &mut counts.wrong,
            };
            *group += u64::from(*w != 0.0);
        }
        let known = plan.bind(&on_device.batch().counts(counts)).unwrap();
        rig.submit(&[&known]);
        assert_eq!(on_device.bits::<f32>(), counted);
    }
}

/// Zeros, which no call leaves.
fn clear(rig: &Rig, buffers: &[&wgpu::Buffer]) {
    for buffer in buffers {
        let zeros = vec![0; buffer.size() as usize];
        rig.queue.write_buffer(buffer, 0, &zeros);
    }
}

fn untouched<'a>(words: impl IntoIterator<Item = &'a u32>) -> bool {
    words.into_iter().all(|&word| word == 0)
}

/// Each output by itself, in both regimes and in the caller's workspace: what is not given is not
/// written, what is has the bits that it has beside the others. A total needs no records of the
/// caller's.
#[test]
fn what_is_not_given_is_not_written() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&Preset::Lr.spec(), 20, 300);
    for regime in [Regime::Whole { lanes: 32 }, Regime::Split { parts: 2 }] {
        let options = Options::default().regime(regime);
        let on = OnDevice::dense::<f32, f32>(rig, &case);
        let all = on.run::<f32>(&rig.plan::<f32, f32>(&case, options));
        let base = Batch::new(20, &on.student, &on.teacher, &on.labels)
            .weight(&on.weight)
            .kd_weight(&on.kd_weight)
            .upstream(case.upstream);
        for level in [StatsLevel::None, StatsLevel::Loss, StatsLevel::Full] {
            let plan = rig.plan::<f32, f32>(&case, options.level(level));
            let workspace = rig.empty(plan.workspace_bytes(20), wgpu::BufferUsages::STORAGE);
            let alone = |batch: Batch| {
                clear(rig, &[&on.gradient, &on.stats, &on.total]);
                rig.submit(&[&plan.bind(&batch.workspace(&workspace)).unwrap()]);
                on.bits::<f32>()
            };
            let total = alone(base.total(&on.total));
            assert_eq!(total.total, all.total, "{regime:?} {level:?}");
            assert!(untouched(total.stats.iter().flatten()) && untouched(&total.gradient));

            let gradient = alone(base.gradient(&on.gradient));
            assert_eq!(gradient.gradient, all.gradient, "{regime:?} {level:?}");
            assert!(untouched(gradient.stats.iter().flatten()) && gradient.total == 0);

            let nothing = alone(base);
            assert!(untouched(nothing.stats.iter().flatten()) && untouched(&nothing.gradient));
            assert_eq!(nothing.total, 0);

            if level == StatsLevel::None {
                continue;
            }
            let stats = alone(base.stats(&on.stats));
            assert!(untouched(&stats.gradient) && stats.total == 0);
            for (stats, all) in stats.stats.iter().zip(&all.stats) {
                assert_eq!((&stats[..5], &stats[13..]), (&all[..5], &all[13..]));
                let full = level == StatsLevel::Full;
                assert_eq!(
                    stats[5..13],
                    if full {
                        all[5..13].to_vec()
                    } else {
                        vec![0; 8]
                    }
                );
            }
        }
    }
}

#[test]
fn no_rows_are_no_work() {
    let Some(rig) = Rig::usual() else { return };
    for preset in [Preset::LrMse, Preset::DtdFlsw] {
        let case = case(&preset.spec(), 0, 10);
        let plan = rig.plan::<f32, f32>(&case, Options::default());
        let bits = OnDevice::dense::<f32, f32>(rig, &case).run::<f32>(&plan);
        assert_eq!(bits.total, 0);
    }
}
