//! What a call refuses, before anything is launched.

use super::device::{Batch, Memory, gpu};
use fused_kd::cuda::{Counts, Error, Gpu, Options, Plan, Pointers, Regime, Rows, Student};
use fused_kd::spec::{
    ArgumentError, Format, LossSpec, Preset, Reduction, RowStats, SpecError, StatsLevel,
    Temperature,
};
use half::f16;

fn plan(gpu: &Gpu, options: Options) -> Plan {
    gpu.plan(&Preset::Lr.spec(), 10, options).unwrap()
}

/// What a launch with these pointers says.
fn refusal(gpu: &Gpu, plan: &Plan, pointers: &Pointers) -> Error {
    // SAFETY: it is refused, and nothing is launched.
    unsafe { plan.launch(gpu.stream().cu_stream(), pointers) }.unwrap_err()
}

#[test]
fn addresses() {
    let Some(gpu) = gpu() else { return };
    let plan = plan(gpu, Options::default());
    let memory = Memory::of(gpu, &[0.0_f32; 64]);
    let at = memory.at();
    let legal = Pointers::new(2, at, at, at);
    let address = |pointers: Pointers| match refusal(gpu, &plan, &pointers) {
        Error::Address {
            argument,
            alignment,
            ..
        } => (argument, alignment),
        other => panic!("{other}"),
    };
    assert_eq!(address(Pointers::new(2, 0, at, at)), ("student", 4));
    assert_eq!(address(Pointers::new(2, at, at + 2, at)), ("teacher", 4));
    assert_eq!(address(Pointers::new(2, at, at, at + 1)), ("labels", 4));
    assert_eq!(address(legal.gradient(at + 2)), ("gradient", 4));
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
    let error = refusal(gpu, &halves, &Pointers::new(2, at + 1, at, at));
    assert!(
        matches!(error, Error::Address { alignment: 2, .. }),
        "{error}"
    );
}

#[test]
fn shapes() {
    let Some(gpu) = gpu() else { return };
    let plan = plan(gpu, Options::default());
    let pointers = Pointers::new(2, 16, 16, 16);
    for (pointers, argument) in [
        (pointers.student_stride(9), "student stride"),
        (pointers.teacher_stride(9), "teacher stride"),
        (pointers.gradient(16).gradient_stride(9), "gradient stride"),
    ] {
        let expected = ArgumentError::Stride {
            argument,
            given: 9,
            classes: 10,
        };
        assert_eq!(refusal(gpu, &plan, &pointers), expected.into());
    }
    let error = refusal(gpu, &plan, &pointers.student_stride(1 << 32));
    assert!(matches!(error, Error::Stride { .. }), "{error}");
    let error = refusal(gpu, &plan, &Pointers::new(1 << 31, 16, 16, 16));
    assert_eq!(error, Error::Rows { given: 1 << 31 });
}

#[test]
fn what_is_missing_and_what_has_no_use() {
    let Some(gpu) = gpu() else { return };
    let without = plan(gpu, Options::default().level(StatsLevel::None));
    let pointers = Pointers::new(2, 16, 16, 16);
    let missing = |error: Error| match error {
        Error::Argument(ArgumentError::Missing { argument, .. }) => argument,
        other => panic!("{other}"),
    };
    let unused = |error: Error| match error {
        Error::Argument(ArgumentError::Unused { argument, .. }) => argument,
        other => panic!("{other}"),
    };
    assert_eq!(unused(refusal(gpu, &without, &pointers.stats(16))), "stats");
    assert_eq!(unused(refusal(gpu, &without, &pointers.tau(16))), "tau");
    assert_eq!(
        missing(refusal(gpu, &without, &pointers.total(16))),
        "workspace"
    );
    // A mean with weights has rows to count, unless the caller has counted them.
    assert_eq!(
        missing(refusal(gpu, &without, &pointers.weight(16))),
        "workspace"
    );
    let counted = pointers.weight(16).counts(Counts { right: 1, wrong: 1 });
    assert_eq!(unused(refusal(gpu, &without, &counted.tau(16))), "tau");
    let per_row = LossSpec::builder().temperature(Temperature::PerRow);
    let per_row = per_row.reduction(Reduction::MeanPerGroup).build().unwrap();
    let per_row = gpu.plan(&per_row, 10, Options::default()).unwrap();
    assert_eq!(missing(refusal(gpu, &per_row, &pointers)), "tau");
    assert_eq!(
        missing(refusal(gpu, &per_row, &pointers.tau(16))),
        "workspace"
    );
    let upstream = refusal(gpu, &without, &pointers.upstream(f32::NAN));
    assert!(matches!(
        upstream,
        Error::Argument(ArgumentError::Scalar { .. })
    ));
    // SAFETY: it is refused, and nothing is launched.
    let dtd = unsafe { without.launch_temperatures(gpu.stream().cu_stream(), &pointers, 16) };
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
    let mut stats = [RowStats::default(); 2];
    let mut run = |plan: &Plan, teacher: &[f32], labels: &[i32]| {
        let student = Student::without_gradient(&batch.student);
        gpu.run(plan, &Rows::new(teacher, labels), student, &mut stats)
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
    let student = Student::without_gradient(&batch.student);
    let format = gpu.run(
        &ours,
        &Rows::new(&halves, &batch.labels),
        student,
        &mut stats,
    );
    let expected = Error::Format {
        argument: "teacher",
        given: "f16",
        planned: "f32",
    };
    assert_eq!(format, Err(expected));
}
