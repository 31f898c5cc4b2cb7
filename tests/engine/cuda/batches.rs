//! Batches that the suite's dense ones do not cover.

use super::device::{Batch, Memory, assert_close, gpu, has_clusters};
use crate::support::schedule::schedule;
use fused_kd::cuda::{Counts, Element, Gpu, HostBatch, Options, Plan, RawBatch, Regime};
use fused_kd::reference::{self, Output};
use fused_kd::spec::{
    Format, IGNORE, LossSpec, Preset, Reduction, Revision, RowFlags, RowStats, StatsLevel,
    Temperature,
};
use half::bf16;

fn launch(gpu: &Gpu, plan: &Plan, batch: &RawBatch) {
    // SAFETY: tests allocate what it points to.
    unsafe { plan.launch_raw(gpu.stream().cu_stream(), batch) }.unwrap();
}

/// Every kernel, with rows that begin anywhere and gaps between them: the gaps stay, and the rows
/// are the oracle's.
#[test]
fn rows_begin_anywhere() {
    let Some(gpu) = gpu() else { return };
    for (regime, classes) in [
        (Regime::Group8, 11),
        (Regime::Group16, 50),
        (Regime::Warp, 131),
        (Regime::Block, 700),
        (Regime::Ring, 700),
        (Regime::Cluster, 700),
        (Regime::Stream, 700),
        (Regime::Split, 700),
        (Regime::Any, 131),
    ] {
        if regime != Regime::Cluster || has_clusters(gpu) {
            begin_anywhere(gpu, regime, classes);
        }
    }
}

pub(crate) fn begin_anywhere(gpu: &Gpu, regime: Regime, classes: usize) {
    let batch = Batch::new(5, classes);
    let truth = batch.truth(&Preset::Lr.spec());
    let options = Options::default().regime(regime);
    let plan = gpu.plan(&Preset::Lr.spec(), classes, options).unwrap();
    for (offset, [s, t, g]) in [
        (0, [0, 1, 0]),
        (1, [3, 0, 2]),
        (2, [1, 1, 1]),
        (3, [0, 2, 3]),
    ] {
        let strides = [classes + s, classes + t, classes + g];
        let spread = |row: &[f32], stride: usize| {
            let mut out = vec![7.0; offset + 5 * stride];
            for (b, row) in row.chunks(classes).enumerate() {
                out[offset + b * stride..][..classes].copy_from_slice(row);
            }
            out
        };
        let student = Memory::of(gpu, &spread(&batch.student, strides[0]));
        let teacher = Memory::of(gpu, &spread(&batch.teacher, strides[1]));
        let labels = Memory::of(gpu, &batch.labels);
        let gradient = Memory::of(gpu, &vec![9.0_f32; offset + 5 * strides[2]]);
        let workspace = Memory::room(gpu, plan.workspace_bytes(5));
        let skip = 4 * offset as u64;
        let [s, t, g] = [&student, &teacher, &gradient].map(|m| (m.at() + skip, Format::F32));
        let strided = |batch: RawBatch| {
            let batch = batch.student_stride(strides[0]).teacher_stride(strides[1]);
            batch.workspace(workspace.at())
        };
        let apart = strided(RawBatch::new(5, s, t, labels.at()));
        let apart = apart.gradient(g).gradient_stride(strides[2]);
        launch(gpu, &plan, &apart);
        launch(
            gpu,
            &plan,
            &strided(RawBatch::in_place(5, s, t, labels.at())),
        );
        let check = |memory: &Memory, stride: usize, gap: f32| {
            let out: Vec<f32> = memory.read();
            assert!(out[..offset].iter().all(|&z| z == gap));
            for (b, row) in out[offset..].chunks(stride).enumerate() {
                assert_close(&row[..classes], &truth.gradient[b * classes..][..classes]);
                assert!(row[classes..].iter().all(|&z| z == gap), "{regime:?}");
            }
        };
        check(&gradient, strides[2], 9.0);
        check(&student, strides[0], 7.0);
    }
}

/// The oracle's gradient, and the same bits in three orders, in whichever regime takes so many such
/// rows.
fn agrees<S: Element>(gpu: &Gpu, count: usize, classes: usize) -> Regime {
    agrees_with::<S>(gpu, Options::default(), count, classes)
}

pub(crate) fn agrees_with<S: Element>(
    gpu: &Gpu,
    options: Options,
    count: usize,
    classes: usize,
) -> Regime {
    let mut batch = Batch::new(count, classes);
    let round = |z: &f32| S::from_f32(*z);
    let [student, teacher] =
        [&batch.student, &batch.teacher].map(|row| row.iter().map(round).collect::<Vec<S>>());
    batch.student = student.iter().map(|z| z.to_f32()).collect();
    batch.teacher = teacher.iter().map(|z| z.to_f32()).collect();
    let truth = batch.truth(&Preset::Lr.spec());
    let options = options.formats(S::FORMAT, S::FORMAT);
    let plan = gpu.plan(&Preset::Lr.spec(), classes, options).unwrap();
    let mut first = None;
    for seed in 0..3 {
        schedule(seed);
        let mut gradient = student.clone();
        let mut stats = vec![RowStats::default(); count];
        let in_place = HostBatch::in_place(count, &mut gradient, &teacher, &batch.labels);
        gpu.run(&plan, in_place.stats(&mut stats)).unwrap();
        let gradient: Vec<f32> = gradient.iter().map(|z| z.to_f32()).collect();
        for (c, (&g, &t)) in gradient.iter().zip(&truth.gradient).enumerate() {
            let rounding = t.abs() * 2.0_f64.powi(if S::FORMAT == Format::F32 { -18 } else { -8 });
            let close = (f64::from(g) - t).abs() <= 2e-6 + rounding;
            assert!(
                close,
                "{classes} classes: [{c}] is {g}, the oracle says {t}"
            );
        }
        let bits: Vec<u32> = gradient.iter().map(|g| g.to_bits()).collect();
        assert_eq!(*first.get_or_insert_with(|| bits.clone()), bits);
    }
    schedule(0);
    plan.regime(count)
}

/// What is the last of one regime and the first of the next, where the table has its thresholds.
#[test]
fn both_sides_of_every_threshold() {
    let Some(gpu) = gpu() else { return };
    for last in [29, 125, 509, 8189, 26_877, 53_757, 107_517, 215_037] {
        agrees::<f32>(gpu, 3, last);
        agrees::<f32>(gpu, 3, last + 1);
    }
    for last in [57, 249, 1017, 16_377, 53_753, 107_513] {
        agrees::<bf16>(gpu, 3, last);
        agrees::<bf16>(gpu, 3, last + 1);
    }
}

/// A row that no registers hold is shared by several blocks, unless there are too many such rows.
#[test]
fn few_long_rows_are_split() {
    let Some(gpu) = gpu() else { return };
    assert_eq!(agrees::<f32>(gpu, 1, 8189), Regime::Block);
    assert_eq!(agrees::<f32>(gpu, 1, 8190), Regime::Split);
    assert_eq!(agrees::<f32>(gpu, 1, 30_001), Regime::Split);
    assert_eq!(agrees::<bf16>(gpu, 1, 16_378), Regime::Split);
    let plan = gpu
        .plan(&Preset::Lr.spec(), 8190, Options::default())
        .unwrap();
    let most = (1..).take_while(|&rows| plan.regime(rows) == Regime::Split);
    let most = most.last().unwrap();
    assert_eq!(agrees::<f32>(gpu, most + 1, 8190), Regime::Ring);
    // Between their launches lies a workspace.
    let batch = Batch::new(1, 8190);
    let inputs = batch.upload(gpu);
    let raw = batch.raw_in_place(&inputs);
    // SAFETY: these were allocated for this batch; nothing is launched.
    let refused = unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) };
    assert!(refused.unwrap_err().to_string().contains("workspace"));
}

/// Row offsets are computed in 64 bits: the second row lies beyond 2³¹ elements, the third beyond 2³².
#[test]
fn rows_lie_far_apart() {
    let Some(gpu) = gpu() else { return };
    const STRIDE: usize = (1 << 31) + 24;
    let batch = Batch::new(3, 40);
    for regime in [
        Regime::Group16,
        Regime::Warp,
        Regime::Block,
        Regime::Ring,
        Regime::Cluster,
        Regime::Stream,
        Regime::Split,
        Regime::Any,
    ] {
        if regime == Regime::Cluster && !has_clusters(gpu) {
            continue;
        }
        let format = Options::default().formats(Format::Bf16, Format::Bf16);
        let spec = Preset::Lr.spec();
        let plan = gpu.plan(&spec, 40, format.regime(regime)).unwrap();
        let to_bf16 = |z: &[f32]| -> Vec<bf16> { z.iter().map(|&z| bf16::from_f32(z)).collect() };
        let [s, t] = [to_bf16(&batch.student), to_bf16(&batch.teacher)];
        // Three rows in eight gigabytes.
        let stream = gpu.stream();
        let far = |rows: &[bf16]| {
            // SAFETY: only the three rows are read.
            let mut matrix = unsafe { stream.alloc::<bf16>(2 * STRIDE + 40) }.ok()?;
            for (b, row) in rows.chunks(40).enumerate() {
                let mut place = matrix.slice_mut(b * STRIDE..b * STRIDE + 40);
                stream.memcpy_htod(row, &mut place).unwrap();
            }
            Some(matrix)
        };
        let (Some(student), Some(teacher)) = (far(&s), far(&t)) else {
            return; // a GPU without the memory
        };
        let at = |matrix| {
            let at = fused_kd::cuda::cudarc::driver::DevicePtr::device_ptr(matrix, stream).0;
            (at, Format::Bf16)
        };
        let labels = Memory::of(gpu, &batch.labels);
        let workspace = Memory::room(gpu, plan.workspace_bytes(3));
        let raw = RawBatch::in_place(3, at(&student), at(&teacher), labels.at())
            .student_stride(STRIDE)
            .teacher_stride(STRIDE)
            .workspace(workspace.at());
        launch(gpu, &plan, &raw);
        let mut dense = s.clone();
        let in_place = HostBatch::in_place(3, &mut dense, &t, &batch.labels);
        gpu.run(&plan, in_place).unwrap();
        for (b, start) in [(0, 0), (1, STRIDE), (2, 2 * STRIDE)] {
            let row = stream
                .clone_dtoh(&student.slice(start..start + 40))
                .unwrap();
            stream.synchronize().unwrap();
            let close = |(a, b): (&bf16, &bf16)| (a.to_f32() - b.to_f32()).abs() <= 4e-3;
            assert!(row.iter().zip(&dense[40 * b..]).all(close), "{regime:?}");
        }
    }
}

/// Rows that the host does not see are flagged, and count nothing.
#[test]
fn bad_rows_are_flagged() {
    let Some(gpu) = gpu() else { return };
    for preset in [Preset::Lr, Preset::Dkd] {
        let batch = Batch::new(6, 12);
        let labels = [12, -1, -100, 3, 4, 5];
        let weight = [1.0, 1.0, 1.0, -1.0, f32::NAN, 1.0];
        let spec = preset.spec();
        let widen = |row: &[f32]| -> Vec<f64> { row.iter().map(|&z| z.into()).collect() };
        let truth: Output = reference::run_flagged(
            &spec,
            &reference::Batch {
                student: &widen(&batch.student),
                teacher: &widen(&batch.teacher),
                classes: 12,
                labels: &labels,
                weight: Some(&weight),
                kd_weight: None,
                tau: None,
                upstream: 1.0,
            },
        )
        .unwrap();
        let plan = gpu.plan(&spec, 12, Options::default()).unwrap();
        let [student, teacher, _] = batch.upload(gpu);
        let inputs = [student, teacher, Memory::of(gpu, &labels)];
        let weight = Memory::of(gpu, &weight);
        let [gradient, stats, total, workspace] =
            [6 * 12 * 4, 6 * 64, 4, plan.workspace_bytes(6)].map(|bytes| Memory::room(gpu, bytes));
        let raw = batch
            .raw(&inputs)
            .weight(weight.at())
            .gradient(gradient.floats())
            .stats(stats.at())
            .total(total.at())
            .workspace(workspace.at());
        launch(gpu, &plan, &raw);
        assert_close(&gradient.read::<f32>(), &truth.gradient);
        assert_close(&total.read::<f32>(), &[truth.total]);
        for (got, truth) in stats.read::<RowStats>().iter().zip(&truth.stats) {
            assert_eq!(got.flags, truth.flags);
            if got.flags.contains(RowFlags::LABEL_OUT_OF_RANGE) {
                assert_eq!(bytemuck::cast::<_, [u32; 16]>(*got)[..13], [0; 13]);
                assert_eq!((got.teacher_top, got.student_top), (u32::MAX, u32::MAX));
            }
        }
    }
}

/// Without records there is a total all the same; counts and upstream may come from either side.
#[test]
fn totals() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(9, 20);
    let spec = LossSpec::builder()
        .reduction(Reduction::MeanPerGroup)
        .build()
        .unwrap();
    let truth = batch.truth(&spec);
    let plan = gpu
        .plan(&spec, 20, Options::default().level(StatsLevel::None))
        .unwrap();
    let inputs = batch.upload(gpu);
    let workspace = Memory::room(gpu, plan.workspace_bytes(9));
    let [right, wrong] = truth.counts.map(u64::from);
    let upstream = Memory::of(gpu, &[2.0_f32]);
    let total = |change: &dyn Fn(RawBatch) -> RawBatch| {
        let total = Memory::room(gpu, 4);
        let raw = batch.raw(&inputs).total(total.at());
        launch(gpu, &plan, &change(raw.workspace(workspace.at())));
        total.read::<f32>()[0]
    };
    let plain = total(&|raw| raw);
    assert_close(&[plain], &[truth.total]);
    assert_eq!(total(&|raw| raw.counts(Counts { right, wrong })), plain);
    assert_eq!(total(&|raw| raw.upstream(2.0)), 2.0 * plain);
    assert_eq!(total(&|raw| raw.upstream_at(upstream.at())), 2.0 * plain);
    // No rows: the total is 0, not what was there.
    let none = RawBatch::new(0, (0, Format::F32), (0, Format::F32), 0);
    let empty = Memory::of(gpu, &[f32::NAN]);
    launch(
        gpu,
        &plan,
        &none.total(empty.at()).workspace(workspace.at()),
    );
    assert_eq!(empty.read::<f32>(), [0.0]);
}

/// A finite logit may be so low that its class is as good as masked, without a logarithm that is a number;
/// and where nothing weighs anything, the gradient is +0.
#[test]
fn the_lowest_logits() {
    let Some(gpu) = gpu() else { return };
    const CLASSES: usize = 20;
    let spec = LossSpec::builder()
        .temperature(Temperature::Fixed(0.5))
        .build();
    let spec = spec.unwrap();
    // The second row is the first without weight, in the third student and teacher nearly agree.
    let [mut student, mut teacher] = [vec![0.0_f32; 3 * CLASSES], vec![0.0_f32; 3 * CLASSES]];
    for c in (3..2 * CLASSES).step_by(5) {
        student[c] = f32::MIN;
        teacher[c] = -50.0;
    }
    student[1] = 1.0;
    student[CLASSES + 1] = 1.0;
    for c in (2 * CLASSES..3 * CLASSES).step_by(2) {
        student[c] = 1e-3;
    }
    let labels = [IGNORE, 0, 0];
    for regime in Regime::ALL {
        if regime == Regime::Cluster && !has_clusters(gpu) {
            continue;
        }
        let options = Options::default().regime(regime);
        let plan = gpu.plan(&spec, CLASSES, options).unwrap();
        let (mut gradient, mut stats) = (student.clone(), [RowStats::default(); 3]);
        let in_place = HostBatch::in_place(3, &mut gradient, &teacher, &labels)
            .weight(&[1.0, 0.0, 0.0])
            .stats(&mut stats);
        let total = gpu.run(&plan, in_place).unwrap();
        assert!(total > 0.0 && total.is_finite(), "{regime:?}: {total}");
        assert!(stats[0].kd.is_finite() && !stats[0].flags.contains(RowFlags::NONFINITE));
        let weightless = &gradient[CLASSES..];
        assert!(
            weightless.iter().all(|g| g.to_bits() == 0),
            "{regime:?}: {weightless:?}"
        );
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient[1] > 0.0);
    }
}

/// Every logit but the label's may be lower than any that a kernel stands in for an absent one.
#[test]
fn nothing_but_the_lowest_logits() {
    let Some(gpu) = gpu() else { return };
    const CLASSES: usize = 20;
    let spec = Preset::Lr.spec();
    for regime in Regime::ALL {
        if regime == Regime::Cluster && !has_clusters(gpu) {
            continue;
        }
        let plan = gpu
            .plan(&spec, CLASSES, Options::default().regime(regime))
            .unwrap();
        let run = |label: f32, high: f32, low: f32| {
            let mut row = vec![low; CLASSES];
            (row[2], row[5]) = (label, high);
            let (mut gradient, mut stats) = (vec![1.0; CLASSES], [RowStats::default()]);
            let apart = HostBatch::new(1, &row, &row, &[2]).gradient(&mut gradient);
            gpu.run(&plan, apart.stats(&mut stats)).unwrap();
            (stats[0], gradient)
        };
        // The same gaps, as far as exponentials can tell.
        let (lowest, expected) = (run(-2e38, -2e38, -3e38), run(0.0, 0.0, -1e6));
        assert_eq!(lowest, expected, "{regime:?}");
    }
}

/// Where τ is 1, 2 or 4, exponentials at τ = 1 are powers of those at τ; the oracle is met there and
/// elsewhere, whatever is written of the records.
#[test]
fn every_temperature() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(4, 50);
    for (tau, level) in [1.0, 2.0, 3.0, 4.0]
        .into_iter()
        .flat_map(|tau| [StatsLevel::Loss, StatsLevel::Full].map(|level| (tau, level)))
    {
        let spec = LossSpec::builder().temperature(Temperature::Fixed(tau));
        let spec = spec
            .revision(Revision::LabelRevision { eta: 0.8 })
            .build()
            .unwrap();
        let truth = batch.truth(&spec);
        for regime in [Regime::Group16, Regime::Stream, Regime::Split] {
            let options = Options::default().regime(regime).level(level);
            let plan = gpu.plan(&spec, 50, options).unwrap();
            let (mut gradient, mut stats) = (batch.student.clone(), [RowStats::default(); 4]);
            let in_place = HostBatch::in_place(4, &mut gradient, &batch.teacher, &batch.labels);
            gpu.run(&plan, in_place.stats(&mut stats)).unwrap();
            assert_close(&gradient, &truth.gradient);
            for (got, row) in stats.iter().zip(&truth.stats) {
                let mut values = vec![(got.kd, row.kd), (got.ce, row.ce)];
                if level == StatsLevel::Full {
                    values.push((got.teacher_entropy, row.teacher_entropy));
                    values.push((got.student_entropy, row.student_entropy));
                    values.push((got.el2n, row.el2n));
                }
                for (got, truth) in values {
                    // Sums of 50 terms, of which each may be off by 4 · 2 units in the last place.
                    let close = (f64::from(got) - truth).abs() <= 1e-5 * (1.0 + truth);
                    assert!(
                        close,
                        "{regime:?}, τ = {tau}: {got}, the oracle says {truth}"
                    );
                }
            }
        }
    }
}

/// Where student and teacher nearly agree, the divergence is right to its last digits but two: the
/// textbook's sum would cancel.
#[test]
fn a_small_divergence_has_digits() {
    let Some(gpu) = gpu() else { return };
    let mut batch = Batch::new(2, 50);
    let nudge = |c: usize| if c * 7 % 13 < 6 { 1e-3 } else { -1e-3 };
    batch.student = (0..100).map(|c| batch.teacher[c] + nudge(c)).collect();
    let spec = Preset::Kd.spec();
    let truth = batch.truth(&spec);
    for regime in [Regime::Group16, Regime::Ring, Regime::Split] {
        let plan = gpu.plan(&spec, 50, Options::default().regime(regime));
        let mut stats = [RowStats::default(); 2];
        gpu.run(&plan.unwrap(), batch.host().stats(&mut stats))
            .unwrap();
        for (got, truth) in stats.iter().zip(&truth.stats) {
            let (got, truth) = (f64::from(got.kd), truth.kd);
            assert!(
                (got / truth - 1.0).abs() < 0.02,
                "{regime:?}: {got}, {truth}"
            );
        }
    }
}

/// More rows than the grid has groups: some take several.
#[test]
fn many_rows() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(3000, 3);
    for regime in [Regime::Group8, Regime::Group16, Regime::Warp, Regime::Any] {
        let plan = gpu
            .plan(&Preset::Lr.spec(), 3, Options::default().regime(regime))
            .unwrap();
        let mut student = batch.student.clone();
        let in_place = HostBatch::in_place(3000, &mut student, &batch.teacher, &batch.labels);
        let total = gpu.run(&plan, in_place).unwrap();
        let truth = batch.truth(&Preset::Lr.spec());
        assert_close(&student, &truth.gradient);
        assert_close(&[total], &[truth.total]);
    }
}
