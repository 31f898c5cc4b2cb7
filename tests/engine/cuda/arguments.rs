//! What a call refuses, before anything is launched.

use super::device::{Batch, Memory, gpu};
use fused_kd::cuda::{Counts, Error, Gpu, HostBatch, Options, Plan, RawBatch, Regime};
use fused_kd::spec::{
    ArgumentError, Format, LossSpec, Preset, Reduction, SpecError, StatsLevel, Temperature,
};
use half::f16;

fn plan(gpu: &Gpu, options: Options) -> Plan {
    gpu.plan(&Preset::Lr.spec(), 10, options).unwrap()
}

/// What a launch of this batch says.
fn refusal(gpu: &Gpu, plan: &Plan, batch: &RawBatch) -> Error {
    // SAFETY: it is refused, and nothing is launched.
    unsafe { plan.launch_raw(gpu.stream().cu_stream(), batch) }.unwrap_err()
}

/// An address of f32.
fn floats(at: u64) -> (u64, Format) {
    (at, Format::F32)
}

#[test]
fn addresses() {
    let Some(gpu) = gpu() else { return };
    let plan = plan(gpu, Options::default());
    let memory = Memory::of(gpu, &[0.0_f32; 64]);
    let at = memory.at();
    let of = |student, teacher, labels| RawBatch::new(2, floats(student), floats(teacher), labels);
    let legal = of(at, at, at);
    let address = |batch: RawBatch| match refusal(gpu, &plan, &batch) {
        Error::Argument(ArgumentError::Address {
            argument,
            alignment,
            ..
        }) => (argument, alignment),
        other => panic!("{other}"),
    };
    assert_eq!(address(of(0, at, at)), ("student", 4));
    assert_eq!(address(of(at, at + 2, at)), ("teacher", 4));
    assert_eq!(address(of(at, at, at + 1)), ("labels", 4));
    assert_eq!(address(legal.gradient(floats(at + 2))), ("gradient", 4));
    assert_eq!(address(legal.weight(at + 1)), ("weight", 4));
    assert_eq!(address(legal.kd_weight(at + 1)), ("kd_weight", 4));
    assert_eq!(address(legal.upstream_at(at + 1)), ("upstream", 4));
    assert_eq!(address(legal.stats(at + 2)), ("stats", 4));
    assert_eq!(address(legal.total(0)), ("total", 4));
    assert_eq!(
        address(legal.total(at).workspace(at + 8)),
        ("workspace", 16)
    );
    let halves = Options::default().formats(Format::F16, Format::Bf16);
    let halves = gpu.plan(&Preset::Lr.spec(), 10, halves).unwrap();
    let odd = RawBatch::new(2, (at + 1, Format::F16), (at, Format::Bf16), at);
    let error = refusal(gpu, &halves, &odd);
    let two = ArgumentError::Address {
        argument: "student",
        given: at + 1,
        alignment: 2,
    };
    assert_eq!(error, two.into());
}

/// Addresses come with the types of what lies there, and a plan takes its own alone.
#[test]
fn types() {
    let Some(gpu) = gpu() else { return };
    let plan = plan(gpu, Options::default());
    let f16 = (16, Format::F16);
    let legal = RawBatch::new(2, floats(16), floats(16), 16);
    for (batch, argument) in [
        (RawBatch::new(2, f16, floats(16), 16), "student"),
        (RawBatch::in_place(2, f16, floats(16), 16), "student"),
        (RawBatch::new(2, floats(16), f16, 16), "teacher"),
        (legal.gradient(f16), "gradient"),
    ] {
        let expected = ArgumentError::Format {
            argument,
            given: "f16",
            planned: "f32",
        };
        assert_eq!(refusal(gpu, &plan, &batch), expected.into());
    }
}

#[test]
fn shapes() {
    let Some(gpu) = gpu() else { return };
    let plan = plan(gpu, Options::default());
    let batch = RawBatch::new(2, floats(16), floats(16), 16);
    for (batch, argument) in [
        (batch.student_stride(9), "student stride"),
        (batch.teacher_stride(9), "teacher stride"),
        (
            batch.gradient(floats(16)).gradient_stride(9),
            "gradient stride",
        ),
    ] {
        let expected = ArgumentError::Stride {
            argument,
            given: 9,
            classes: 10,
        };
        assert_eq!(refusal(gpu, &plan, &batch), expected.into());
    }
    let error = refusal(gpu, &plan, &batch.student_stride(1 << 32));
    assert!(matches!(error, Error::Stride { .. }), "{error}");
    let error = refusal(
        gpu,
        &plan,
        &RawBatch::new(1 << 31, floats(16), floats(16), 16),
    );
    assert_eq!(error, Error::Rows { given: 1 << 31 });
}

#[test]
fn what_is_missing_and_what_has_no_use() {
    let Some(gpu) = gpu() else { return };
    let without = plan(gpu, Options::default().level(StatsLevel::None));
    let batch = RawBatch::new(2, floats(16), floats(16), 16);
    let missing = |error: Error| match error {
        Error::Argument(ArgumentError::Missing { argument, .. }) => argument,
        other => panic!("{other}"),
    };
    let unused = |error: Error| match error {
        Error::Argument(ArgumentError::Unused { argument, .. }) => argument,
        other => panic!("{other}"),
    };
    assert_eq!(unused(refusal(gpu, &without, &batch.stats(16))), "stats");
    let in_place = RawBatch::in_place(2, floats(16), floats(16), 16);
    let apart = in_place.gradient(floats(16));
    assert_eq!(unused(refusal(gpu, &without, &apart)), "gradient");
    assert_eq!(unused(refusal(gpu, &without, &batch.tau(16))), "tau");
    assert_eq!(
        missing(refusal(gpu, &without, &batch.total(16))),
        "workspace"
    );
    // A mean with weights has rows to count, unless the caller has counted them.
    assert_eq!(
        missing(refusal(gpu, &without, &batch.weight(16))),
        "workspace"
    );
    let counted = batch.weight(16).counts(Counts { right: 1, wrong: 1 });
    assert_eq!(unused(refusal(gpu, &without, &counted.tau(16))), "tau");
    let per_row = LossSpec::builder().temperature(Temperature::PerRow);
    let per_row = per_row.reduction(Reduction::MeanPerGroup).build().unwrap();
    let per_row = gpu.plan(&per_row, 10, Options::default()).unwrap();
    assert_eq!(missing(refusal(gpu, &per_row, &batch)), "tau");
    assert_eq!(missing(refusal(gpu, &per_row, &batch.tau(16))), "workspace");
    let upstream = refusal(gpu, &without, &batch.upstream(f32::NAN));
    assert!(matches!(
        upstream,
        Error::Argument(ArgumentError::Scalar { .. })
    ));
    // SAFETY: it is refused, and nothing is launched.
    let dtd = unsafe { without.launch_raw_temperatures(gpu.stream().cu_stream(), &batch, 16) };
    assert_eq!(unused(dtd.unwrap_err()), "tau");
}

#[test]
fn plans() {
    let Some(gpu) = gpu() else { return };
    let of = |preset: Preset, classes, options| gpu.plan(&preset.spec(), classes, options);
    let error = of(Preset::Lr, 0, Options::default()).unwrap_err();
    assert_eq!(error, SpecError::Classes { given: 0 }.into());
    let warp = Options::default().regime(Regime::Warp);
    assert_eq!(of(Preset::Lr, 100, warp).unwrap().regime(1), Regime::Warp);
    for error in [of(Preset::Dkd, 100, warp), of(Preset::Lr, 1000, warp)] {
        let error = error.unwrap_err();
        assert!(
            matches!(error, Error::Regime { given: "warp", .. }),
            "{error}"
        );
    }
}

#[test]
fn slices() {
    let Some(gpu) = gpu() else { return };
    let batch = Batch::new(2, 10);
    let ours = plan(gpu, Options::default());
    let run = |plan: &Plan, teacher: &[f32], labels: &[i32]| {
        gpu.run(plan, HostBatch::new(2, &batch.student, teacher, labels))
    };
    let label = run(&ours, &batch.teacher, &[0, 10]).unwrap_err();
    assert!(matches!(
        label,
        Error::Argument(ArgumentError::Label { row: 1, .. })
    ));
    let short = run(&ours, &batch.teacher[1..], &batch.labels).unwrap_err();
    assert!(matches!(
        short,
        Error::Argument(ArgumentError::Length { .. })
    ));
    let other = Gpu::new(0).unwrap();
    let theirs = plan(&other, Options::default());
    assert_eq!(
        run(&theirs, &batch.teacher, &batch.labels),
        Err(Error::OtherDevice)
    );
    let halves: Vec<f16> = batch.teacher.iter().map(|&z| f16::from_f32(z)).collect();
    for rows in [2, 0] {
        let (logits, labels) = (10 * rows, &batch.labels[..rows]);
        let (student, teacher) = (&batch.student[..logits], &halves[..logits]);
        let expected = ArgumentError::Format {
            argument: "teacher",
            given: "f16",
            planned: "f32",
        };
        let format = gpu.run(&ours, HostBatch::new(rows, student, teacher, labels));
        assert_eq!(format, Err(expected.into()));
    }
}
