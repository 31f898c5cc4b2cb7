//! Everything that a plan and a call refuse: the exact error, and no panic of wgpu's.

use super::rig::{OnDevice, Rig};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::spec::{ArgumentError, LossSpec, Preset, SpecError, StatsLevel, Temperature};
use fused_kd::wgsl::{Batch, Call, Error, Options, Plan, Regime, Slice, Unavailable, wgpu};

const ROWS: usize = 3;
const CLASSES: usize = 4;

fn case(spec: &LossSpec) -> Case {
    Case::new(&mut Rng::new(1), spec, ROWS, CLASSES, &[Kind::Plain])
}

fn per_row() -> LossSpec {
    let spec = LossSpec::builder().temperature(Temperature::PerRow);
    spec.build().unwrap()
}

#[test]
fn plans_refuse_what_cannot_be_planned() {
    let Some(rig) = Rig::usual() else { return };
    let refused = |classes, options| {
        Plan::new(&rig.device, &Preset::Kd.spec(), classes, options).expect_err("a refusal")
    };
    let usual = Options::default();
    for given in [0, 1 << 31] {
        let error = Error::Spec(SpecError::Classes { given });
        assert_eq!(refused(given, usual), error);
    }
    let option = |option, given, least, most| Error::Option {
        option,
        given,
        least,
        most,
    };
    for given in [0, 16, 96, 512, u32::MAX] {
        let error = option("workgroup", given, 32, 256);
        assert_eq!(refused(10, usual.workgroup(given)), error);
    }
    for lanes in [0, 3, 256] {
        let options = usual.workgroup(128).regime(Regime::Whole { lanes });
        assert_eq!(refused(10, options), option("lanes", lanes, 1, 128));
    }
    for parts in [0, 1, 3, 128] {
        let options = usual.regime(Regime::Split { parts });
        assert_eq!(refused(10, options), option("parts", parts, 2, 64));
    }
    let options = usual.workgroup(32).regime(Regime::Split { parts: 64 });
    assert_eq!(refused(10, options), option("parts", 64, 2, 32));
}

#[test]
fn devices_without_what_is_needed_are_unavailable() {
    let refused = |change: fn(&mut wgpu::Limits), options| {
        let rig = Rig::with(change)?;
        let plan = Plan::new(&rig.device, &Preset::Kd.spec(), 10, options);
        match plan.expect_err("a refusal") {
            Error::Unavailable(Unavailable::Limit {
                limit,
                given,
                needed,
            }) => Some((limit, given, needed)),
            other => panic!("{other}"),
        }
    };
    let usual = Options::default();
    let split = usual.regime(Regime::Split { parts: 2 });
    for (change, options, expected) in [
        (
            (|limits| limits.max_storage_buffers_per_shader_stage = 7) as fn(&mut wgpu::Limits),
            usual,
            ("max_storage_buffers_per_shader_stage", 7, 8),
        ),
        (
            |limits| limits.max_storage_buffers_per_shader_stage = 8,
            split,
            ("max_storage_buffers_per_shader_stage", 8, 9),
        ),
        (
            |limits| limits.max_bindings_per_bind_group = 12,
            usual,
            ("max_bindings_per_bind_group", 12, 15),
        ),
        (
            |limits| limits.max_compute_invocations_per_workgroup = 128,
            usual,
            ("max_compute_invocations_per_workgroup", 128, 256),
        ),
        (
            |limits| limits.max_compute_workgroup_size_x = 64,
            usual.workgroup(128),
            ("max_compute_workgroup_size_x", 64, 128),
        ),
        (
            |limits| limits.max_compute_workgroup_storage_size = 4096,
            usual,
            ("max_compute_workgroup_storage_size", 4096, 4112),
        ),
    ] {
        let Some(refusal) = refused(change, options) else {
            return;
        };
        assert_eq!(refusal, expected);
    }
}

/// A buffer in the place of one that is right.
fn spoilt(
    rig: &Rig,
    spec: &LossSpec,
    options: Options,
    spoil: impl for<'a> Fn(Batch<'a>, &'a wgpu::Buffer) -> Batch<'a>,
    other: &wgpu::Buffer,
) -> Error {
    let case = case(spec);
    let plan = rig.plan::<f32, f32>(&case, options);
    let on_device = OnDevice::dense::<f32, f32>(rig, &case);
    plan.bind(&on_device.batch()).unwrap();
    plan.bind(&spoil(on_device.batch(), other))
        .expect_err("a refusal")
}

type Replace = for<'a> fn(Batch<'a>, Slice<'a>) -> Batch<'a>;

/// Each argument besides the three that a call begins with, and the bytes that it needs.
const OPTIONAL: [(&str, Replace, u64); 7] = [
    ("gradient", |b, s| b.gradient(s), 48),
    ("weight", |b, s| b.weight(s), 12),
    ("kd_weight", |b, s| b.kd_weight(s), 12),
    ("tau", |b, s| b.tau(s), 12),
    ("upstream", |b, s| b.upstream_at(s), 4),
    ("stats", |b, s| b.stats(s), 192),
    ("total", |b, s| b.total(s), 4),
];

/// With each argument: a buffer of another use, one that is too small, offsets that are wrong.
#[test]
fn buffers_that_cannot_be_bound_are_refused() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&per_row());
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on_device = OnDevice::dense::<f32, f32>(rig, &case);
    plan.bind(&on_device.batch()).unwrap();
    let begun: [(&str, Replace, u64); 3] = [
        ("student", |_, _| unreachable!(), 48),
        ("teacher", |_, _| unreachable!(), 48),
        ("labels", |_, _| unreachable!(), 12),
    ];
    // Annotated, so that each slice may live for its own time.
    let with = |argument: &str, replace: Replace, slice: Slice<'_>| -> Result<Call, Error> {
        let [mut s, mut t, mut y] =
            [&on_device.student, &on_device.teacher, &on_device.labels].map(Slice::from);
        let tau = on_device.tau.as_ref().unwrap();
        match argument {
            "student" => s = slice,
            "teacher" => t = slice,
            "labels" => y = slice,
            _ => return plan.bind(&replace(on_device.batch(), slice)),
        }
        plan.bind(&Batch::new(ROWS, s, t, y).tau(tau).stats(&on_device.stats))
    };
    let storage = wgpu::BufferUsages::STORAGE;
    for (argument, replace, needed) in begun.into_iter().chain(OPTIONAL) {
        let refused = |slice: Slice, expected: Error| {
            let error = with(argument, replace, slice).expect_err(argument);
            assert_eq!(error, expected);
        };
        let unfit = rig.empty(1024, wgpu::BufferUsages::UNIFORM);
        refused(Slice::from(&unfit), Error::Usage { argument });

        let small = rig.empty(needed - 4, storage);
        let too_small = |offset, size| Error::Size {
            argument,
            needed,
            offset,
            size,
        };
        if needed > 4 {
            refused(Slice::from(&small), too_small(0, needed - 4));
        }
        let exact = rig.empty(needed, storage);
        with(argument, replace, Slice::from(&exact)).unwrap();
        refused(Slice::new(&exact, 256), too_small(256, needed));
        let far = u64::MAX - 255;
        refused(Slice::new(&exact, far), too_small(far, needed));
        let last = u64::MAX - 3;

        let matrix = ["student", "teacher", "gradient"].contains(&argument);
        let (given, alignment) = if matrix { (2, 4) } else { (64, 256) };
        let large = rig.empty(1024, storage);
        let misplaced = |given| Error::Offset {
            argument,
            given,
            alignment,
        };
        refused(Slice::new(&large, given), misplaced(given));
        if matrix {
            with(argument, replace, Slice::new(&large, 68)).unwrap();
            refused(
                Slice::new(&large, last),
                Error::Size {
                    argument,
                    needed,
                    offset: last,
                    size: 1024,
                },
            );
        } else {
            refused(Slice::new(&large, last), misplaced(last));
        }
    }
}

#[test]
fn strides_are_those_of_every_engine() {
    let Some(rig) = Rig::usual() else { return };
    let stride = |argument, given| {
        Error::Argument(ArgumentError::Stride {
            argument,
            given,
            classes: CLASSES,
        })
    };
    let too_large = |stride| Error::Argument(ArgumentError::TooLarge { rows: ROWS, stride });
    let beyond = |argument, stride: u64| Error::Size {
        argument,
        needed: (2 * stride + 4) * 4,
        offset: 0,
        size: 48,
    };
    type Set = for<'a> fn(Batch<'a>, usize) -> Batch<'a>;
    let strides: [(&str, &str, Set); 3] = [
        ("student", "student stride", |b, n| b.student_stride(n)),
        ("teacher", "teacher stride", |b, n| b.teacher_stride(n)),
        ("gradient", "gradient stride", |b, n| b.gradient_stride(n)),
    ];
    let case = case(&Preset::Kd.spec());
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on_device = OnDevice::dense::<f32, f32>(rig, &case);
    for (argument, name, set) in strides {
        let refused = |given| plan.bind(&set(on_device.batch(), given)).expect_err(name);
        assert_eq!(refused(0), stride(name, 0));
        assert_eq!(refused(3), stride(name, 3));
        assert_eq!(refused(5), beyond(argument, 5));
        assert_eq!(
            refused(u32::MAX as usize),
            beyond(argument, u32::MAX.into())
        );
        assert_eq!(refused(1 << 32), too_large(1 << 32));
        assert_eq!(refused(usize::MAX), too_large(usize::MAX));
    }
}

#[test]
fn more_rows_than_kernels_count_are_refused() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&Preset::Kd.spec());
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on_device = OnDevice::dense::<f32, f32>(rig, &case);
    let refused = |rows| {
        let (s, t, y) = (&on_device.student, &on_device.teacher, &on_device.labels);
        plan.bind(&Batch::new(rows, s, t, y)).unwrap_err()
    };
    for rows in [1 << 31, usize::MAX] {
        let error = ArgumentError::TooLarge {
            rows,
            stride: CLASSES,
        };
        assert_eq!(refused(rows), Error::Argument(error));
    }
    let rows = i32::MAX as usize;
    let error = Error::Size {
        argument: "teacher",
        needed: rows as u64 * 16,
        offset: 0,
        size: 48,
    };
    assert_eq!(refused(rows), error);
}

#[test]
fn arguments_are_given_where_they_are_of_use() {
    let Some(rig) = Rig::usual() else { return };
    let floats = rig.empty(1024, wgpu::BufferUsages::STORAGE);
    let kd = Preset::Kd.spec();
    let argument = |error: Error| match error {
        Error::Argument(ArgumentError::Missing { argument, .. }) => ("missing", argument),
        Error::Argument(ArgumentError::Unused { argument, .. }) => ("unused", argument),
        other => panic!("{other}"),
    };
    let usual = Options::default();
    let tau = spoilt(rig, &kd, usual, |b, floats| b.tau(floats), &floats);
    assert_eq!(argument(tau), ("unused", "tau"));

    for (spec, level, expected) in [
        (Preset::DtdFlsw.spec(), StatsLevel::Full, ("missing", "tau")),
        (per_row(), StatsLevel::Loss, ("missing", "tau")),
    ] {
        let case = case(&spec);
        let plan = rig.plan::<f32, f32>(&case, usual.level(level));
        let on = OnDevice::dense::<f32, f32>(rig, &case);
        let bare = Batch::new(ROWS, &on.student, &on.teacher, &on.labels);
        assert_eq!(argument(plan.bind(&bare).unwrap_err()), expected);
    }
    let case = case(&kd);
    let plan = rig.plan::<f32, f32>(&case, usual.level(StatsLevel::None));
    let on = OnDevice::dense::<f32, f32>(rig, &case);
    let error = plan.bind(&on.batch()).unwrap_err();
    assert_eq!(argument(error), ("unused", "stats"));
    let error = plan.bind_temperatures(&on.batch(), &floats).unwrap_err();
    assert_eq!(argument(error), ("unused", "tau"));
    let both = Batch::in_place(ROWS, &on.student, &on.teacher, &on.labels).gradient(&on.gradient);
    let error = plan.bind(&both).unwrap_err();
    assert_eq!(argument(error), ("unused", "gradient"));

    for given in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = spoilt(rig, &kd, usual, |b, _| b.upstream(given), &floats);
        let Error::Argument(ArgumentError::Scalar { argument, .. }) = error else {
            panic!("{error}");
        };
        assert_eq!(argument, "upstream");
    }
}

/// wgpu tracks whole buffers: one that is read and written in a dispatch is an error there.
#[test]
fn buffers_that_are_read_and_written_are_refused() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&per_row());
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on = OnDevice::dense::<f32, f32>(rig, &case);
    let written: [(&str, Replace, u64); 4] = [
        ("gradient", |b, s| b.gradient(s), 48),
        ("stats", |b, s| b.stats(s), 192),
        ("total", |b, s| b.total(s), 4),
        (
            "workspace",
            |b, s| b.workspace(s),
            plan.workspace_bytes(ROWS),
        ),
    ];
    let large = rig.empty(1 << 14, wgpu::BufferUsages::STORAGE);
    let [low, high] = [0, 1 << 13].map(|offset| Slice::new(&large, offset));
    for (i, &(name, write, bytes)) in written.iter().enumerate() {
        for (read, replace, _) in OPTIONAL {
            if !["weight", "kd_weight", "tau", "upstream"].contains(&read) {
                continue;
            }
            let error = plan.bind(&write(replace(on.batch(), low), high));
            let expected = Error::Shared {
                read,
                written: name,
            };
            assert_eq!(error.unwrap_err(), expected);
        }
        for &(other, write_other, _) in &written[i + 1..] {
            let both = |at| plan.bind(&write_other(write(on.batch(), low), at));
            let expected = Error::Overlap {
                first: name,
                second: other,
            };
            assert_eq!(both(low).unwrap_err(), expected);
            let behind = Slice::new(&large, bytes.next_multiple_of(256));
            both(behind).unwrap();
        }
    }
    // The logits themselves.
    let error = plan.bind(&on.batch().gradient(&on.student)).unwrap_err();
    let expected = Error::Shared {
        read: "student",
        written: "gradient",
    };
    assert_eq!(error, expected);
    let (s, t, y) = (&on.student, &on.teacher, &on.labels);
    let in_place = |t, y| {
        let batch = Batch::in_place(ROWS, s, t, y).tau(&on.weight);
        plan.bind(&batch.stats(&on.stats))
    };
    in_place(t, y).unwrap();
    for (error, read) in [(in_place(s, y), "teacher"), (in_place(t, s), "labels")] {
        let expected = Error::Shared {
            read,
            written: "student",
        };
        assert_eq!(error.unwrap_err(), expected);
    }
}

#[test]
fn dynamic_temperatures_refuse_what_they_read_and_write() {
    let Some(rig) = Rig::usual() else { return };
    let case = case(&Preset::DtdFlsw.spec());
    let plan = rig.plan::<f32, f32>(&case, Options::default());
    let on = OnDevice::dense::<f32, f32>(rig, &case);
    let batch = Batch::new(ROWS, &on.student, &on.teacher, &on.labels);
    let small = rig.empty(8, wgpu::BufferUsages::STORAGE);
    let error = plan.bind_temperatures(&batch, &small).unwrap_err();
    let expected = Error::Size {
        argument: "tau",
        needed: 12,
        offset: 0,
        size: 8,
    };
    assert_eq!(error, expected);
    let error = plan.bind_temperatures(&batch, &on.labels).unwrap_err();
    let expected = Error::Shared {
        read: "labels",
        written: "tau",
    };
    assert_eq!(error, expected);
    let tau = on.tau.as_ref().unwrap();
    plan.bind_temperatures(&batch, tau).unwrap();
}

#[test]
fn messages_say_what_was_given_and_what_would_be_right() {
    for (error, message) in [
        (
            Error::Size {
                argument: "stats",
                needed: 192,
                offset: 256,
                size: 300,
            },
            "stats needs 192 bytes from byte 256 of its buffer, which has 300 bytes",
        ),
        (
            Error::Offset {
                argument: "labels",
                given: 4,
                alignment: 256,
            },
            "labels begins at byte 4 of its buffer, which must be a multiple of 256",
        ),
        (
            Error::Usage { argument: "tau" },
            "tau's buffer was created without wgpu::BufferUsages::STORAGE",
        ),
        (
            Error::Option {
                option: "workgroup",
                given: 96,
                least: 32,
                most: 256,
            },
            "workgroup = 96 is out of range: it must be a power of two from 32 to 256",
        ),
        (
            Error::Unavailable(Unavailable::Limit {
                limit: "max_bindings_per_bind_group",
                given: 12,
                needed: 15,
            }),
            "the device's max_bindings_per_bind_group is 12, but 15 is needed: request the device \
             with a larger limit",
        ),
        (
            Error::Argument(ArgumentError::Stride {
                argument: "student stride",
                given: 3,
                classes: 4,
            }),
            "student stride = 3 is smaller than a row of 4 classes",
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
}
