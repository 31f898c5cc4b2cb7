//! Everything that a call refuses: the exact error, and nothing written.

use super::{SENTINEL, sentinels};
use fused_kd::cpu::{Batch, Counts, Options, Parallelism, Plan};
use fused_kd::spec::{
    ArgumentError, LossSpec, Preset, RowStats, SpecError, StatsLevel, Temperature,
};

const ROWS: usize = 3;
const CLASSES: usize = 4;

/// The arguments of a call that succeeds; each entry of the tables spoils one of them.
struct Call {
    rows: usize,
    spec: LossSpec,
    level: StatsLevel,
    student: Vec<f32>,
    student_stride: Option<usize>,
    gradient: Vec<f32>,
    gradient_stride: Option<usize>,
    teacher: Vec<f32>,
    teacher_stride: Option<usize>,
    labels: Vec<i32>,
    weight: Option<Vec<f32>>,
    kd_weight: Option<Vec<f32>>,
    tau: Option<Vec<f32>>,
    upstream: f32,
    stats: Vec<RowStats>,
}

impl Call {
    fn new() -> Self {
        Self {
            rows: ROWS,
            spec: Preset::Kd.spec(),
            level: StatsLevel::Full,
            student: vec![0.5; ROWS * CLASSES],
            student_stride: None,
            gradient: vec![SENTINEL; ROWS * CLASSES],
            gradient_stride: None,
            teacher: vec![0.25; ROWS * CLASSES],
            teacher_stride: None,
            labels: vec![0, 3, -100],
            weight: None,
            kd_weight: None,
            tau: None,
            upstream: 1.0,
            stats: sentinels(ROWS),
        }
    }

    fn per_row(tau: &[f32]) -> Self {
        let spec = LossSpec::builder().temperature(Temperature::PerRow);
        Self {
            spec: spec.build().unwrap(),
            tau: Some(tau.to_vec()),
            ..Self::new()
        }
    }

    fn plan(&self) -> Plan {
        Plan::new(&self.spec, CLASSES, Options::default().level(self.level)).unwrap()
    }

    fn complete<'a>(&'a self, mut batch: Batch<'a, f32, f32>) -> Batch<'a, f32, f32> {
        batch = batch.upstream(self.upstream);
        if let Some(stride) = self.student_stride {
            batch = batch.student_stride(stride);
        }
        if let Some(stride) = self.gradient_stride {
            batch = batch.gradient_stride(stride);
        }
        if let Some(stride) = self.teacher_stride {
            batch = batch.teacher_stride(stride);
        }
        if let Some(weight) = &self.weight {
            batch = batch.weight(weight);
        }
        if let Some(kd_weight) = &self.kd_weight {
            batch = batch.kd_weight(kd_weight);
        }
        if let Some(tau) = &self.tau {
            batch = batch.tau(tau);
        }
        batch
    }

    /// What only reads.
    fn batch(&self) -> Batch<'_, f32, f32> {
        self.complete(Batch::new(
            self.rows,
            &self.student,
            &self.teacher,
            &self.labels,
        ))
    }

    /// The answer with the gradient apart, which has to have written nothing if it is an error.
    fn apart(&self) -> Result<f32, ArgumentError> {
        let (mut gradient, mut stats) = (self.gradient.clone(), self.stats.clone());
        let mut total = SENTINEL;
        let batch = self.batch().gradient(&mut gradient).stats(&mut stats);
        let answer = self
            .plan()
            .run(batch.total(&mut total), Parallelism::Serial);
        match answer {
            Ok(returned) => assert_eq!(total, returned),
            Err(_) => {
                assert_eq!(gradient, self.gradient);
                assert_eq!(stats, self.stats);
                assert_eq!(total, SENTINEL);
            }
        }
        answer
    }

    fn in_place(&self) -> Result<f32, ArgumentError> {
        let (mut student, mut stats) = (self.student.clone(), self.stats.clone());
        let batch = Batch::in_place(self.rows, &mut student, &self.teacher, &self.labels);
        let batch = self.complete(batch).stats(&mut stats);
        let answer = self.plan().run(batch, Parallelism::Serial);
        if answer.is_err() {
            assert_eq!(student, self.student);
            assert_eq!(stats, self.stats);
        }
        answer
    }

    fn without_gradient(&self) -> Result<f32, ArgumentError> {
        let mut stats = self.stats.clone();
        let batch = self.batch().stats(&mut stats);
        let answer = self.plan().run(batch, Parallelism::Serial);
        if answer.is_err() {
            assert_eq!(stats, self.stats);
        }
        answer
    }

    /// The answer of [`Plan::dtd_temperatures`] into `len` temperatures.
    fn dtd(&self, len: usize) -> Result<(), ArgumentError> {
        let mut tau = vec![SENTINEL; len];
        let answer = self.plan().dtd_temperatures(&self.batch(), &mut tau);
        if answer.is_err() {
            assert_eq!(tau, vec![SENTINEL; len]);
        }
        answer
    }
}

/// Equal as their texts are, so that NaN equals NaN.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ArgumentError>, expected: &ArgumentError) {
    let error = answer.expect_err(&format!("{expected:?}"));
    assert_eq!(format!("{error:?}"), format!("{expected:?}"));
}

fn length(argument: &'static str, given: usize, needed: usize) -> ArgumentError {
    ArgumentError::Length {
        argument,
        given,
        needed,
        rows: ROWS,
    }
}

fn stride(argument: &'static str, given: usize) -> ArgumentError {
    ArgumentError::Stride {
        argument,
        given,
        classes: CLASSES,
    }
}

fn too_large(stride: usize) -> ArgumentError {
    ArgumentError::TooLarge { rows: ROWS, stride }
}

fn label(row: usize, given: i32) -> ArgumentError {
    ArgumentError::Label {
        row,
        given,
        classes: CLASSES,
    }
}

fn parameter(argument: &'static str, row: usize, given: f32) -> ArgumentError {
    let expected = match argument {
        "tau" => "finite and greater than 0",
        _ => "finite and not negative",
    };
    ArgumentError::RowParameter {
        argument,
        row,
        given,
        expected,
    }
}

/// What spoils a call, and the refusal.
type Entry = (fn(&mut Call), ArgumentError);

/// What every call reads: the teacher's logits, labels and weights.
fn of_rows() -> Vec<Entry> {
    vec![
        (|c| c.teacher.truncate(11), length("teacher", 11, 12)),
        (|c| c.teacher.push(0.0), length("teacher", 13, 12)),
        (|c| c.teacher.clear(), length("teacher", 0, 12)),
        (|c| c.teacher_stride = Some(5), length("teacher", 12, 14)),
        (|c| c.teacher_stride = Some(3), stride("teacher stride", 3)),
        (|c| c.teacher_stride = Some(0), stride("teacher stride", 0)),
        (
            |c| c.teacher_stride = Some(usize::MAX),
            too_large(usize::MAX),
        ),
        (
            |c| c.teacher_stride = Some(usize::MAX / 2),
            too_large(usize::MAX / 2),
        ),
        (|c| c.labels.truncate(2), length("labels", 2, 3)),
        (|c| c.labels.push(0), length("labels", 4, 3)),
        (|c| c.labels[1] = 4, label(1, 4)),
        (|c| c.labels[0] = -1, label(0, -1)),
        (|c| c.labels[2] = -99, label(2, -99)),
        (|c| c.labels[2] = -101, label(2, -101)),
        (|c| c.labels[2] = i32::MIN, label(2, i32::MIN)),
        (|c| c.labels[1] = i32::MAX, label(1, i32::MAX)),
        (|c| c.weight = Some(vec![1.0; 2]), length("weight", 2, 3)),
        (|c| c.weight = Some(vec![1.0; 4]), length("weight", 4, 3)),
        (|c| c.weight = Some(vec![]), length("weight", 0, 3)),
        (
            |c| c.weight = Some(vec![1.0, -0.5, 1.0]),
            parameter("weight", 1, -0.5),
        ),
        (
            |c| c.weight = Some(vec![f32::NAN, 1.0, 1.0]),
            parameter("weight", 0, f32::NAN),
        ),
        (
            |c| c.weight = Some(vec![0.0, 1.0, f32::INFINITY]),
            parameter("weight", 2, f32::INFINITY),
        ),
        (
            |c| c.kd_weight = Some(vec![1.0; 2]),
            length("kd_weight", 2, 3),
        ),
        (
            |c| c.kd_weight = Some(vec![1.0; 4]),
            length("kd_weight", 4, 3),
        ),
        (
            |c| c.kd_weight = Some(vec![1.0, 1.0, -1.0]),
            parameter("kd_weight", 2, -1.0),
        ),
        (
            |c| c.kd_weight = Some(vec![1.0, f32::NAN, 1.0]),
            parameter("kd_weight", 1, f32::NAN),
        ),
        (
            |c| c.kd_weight = Some(vec![f32::NEG_INFINITY, 1.0, 1.0]),
            parameter("kd_weight", 0, f32::NEG_INFINITY),
        ),
        (
            |c| c.kd_weight = Some(vec![f32::INFINITY, 1.0, 1.0]),
            parameter("kd_weight", 0, f32::INFINITY),
        ),
    ]
}

/// The student's logits.
fn of_the_student() -> Vec<Entry> {
    vec![
        (|c| c.student.truncate(11), length("student", 11, 12)),
        (|c| c.student.push(0.0), length("student", 13, 12)),
        (|c| c.student_stride = Some(5), length("student", 12, 14)),
        (|c| c.student_stride = Some(3), stride("student stride", 3)),
        (|c| c.student_stride = Some(0), stride("student stride", 0)),
        (
            |c| c.student_stride = Some(usize::MAX),
            too_large(usize::MAX),
        ),
    ]
}

/// The gradient, where it is apart.
fn of_the_gradient() -> Vec<Entry> {
    vec![
        (|c| c.gradient.truncate(11), length("gradient", 11, 12)),
        (|c| c.gradient.push(SENTINEL), length("gradient", 13, 12)),
        (|c| c.gradient.clear(), length("gradient", 0, 12)),
        (|c| c.gradient_stride = Some(7), length("gradient", 12, 18)),
        (
            |c| c.gradient_stride = Some(1),
            stride("gradient stride", 1),
        ),
        (
            |c| c.gradient_stride = Some(usize::MAX / 2),
            too_large(usize::MAX / 2),
        ),
    ]
}

/// What the row program alone reads: records, temperatures, upstream.
fn of_the_row_program() -> Vec<Entry> {
    let upstream = |given| ArgumentError::Scalar {
        argument: "upstream",
        given,
        expected: "finite",
    };
    let missing = |why| ArgumentError::Missing {
        argument: "tau",
        why,
    };
    let unused = |argument, why| ArgumentError::Unused { argument, why };
    let one_for_all =
        "the specification has one temperature for all rows; use temperature \"per-row\"";
    vec![
        (|c| c.stats.truncate(2), length("stats", 2, 3)),
        (|c| c.stats.extend(sentinels(1)), length("stats", 4, 3)),
        (|c| c.stats.clear(), length("stats", 0, 3)),
        (
            |c| {
                c.level = StatsLevel::Loss;
                c.stats.clear();
            },
            length("stats", 0, 3),
        ),
        (
            |c| c.level = StatsLevel::None,
            unused(
                "stats",
                "the plan was made with StatsLevel::None; give no room for records",
            ),
        ),
        (
            |c| {
                *c = Call::per_row(&[]);
                c.tau = None;
            },
            missing("the specification's temperature is \"per-row\"; give one value per row"),
        ),
        (
            |c| c.spec = Preset::DtdFlsw.spec(),
            missing("the specification's temperature is \"dtd\"; compute it with dtd_temperatures"),
        ),
        (|c| c.tau = Some(vec![1.0; 3]), unused("tau", one_for_all)),
        (
            |c| {
                c.spec = Preset::Lskd.spec();
                c.tau = Some(vec![1.0; 3]);
            },
            unused("tau", one_for_all),
        ),
        (|c| *c = Call::per_row(&[1.0; 2]), length("tau", 2, 3)),
        (|c| *c = Call::per_row(&[1.0; 4]), length("tau", 4, 3)),
        (
            |c| *c = Call::per_row(&[1.0, 0.0, 1.0]),
            parameter("tau", 1, 0.0),
        ),
        (
            |c| *c = Call::per_row(&[1.0, 1.0, -0.0]),
            parameter("tau", 2, -0.0),
        ),
        (
            |c| *c = Call::per_row(&[-4.0, 1.0, 1.0]),
            parameter("tau", 0, -4.0),
        ),
        (
            |c| *c = Call::per_row(&[1.0, f32::NAN, 1.0]),
            parameter("tau", 1, f32::NAN),
        ),
        (
            |c| *c = Call::per_row(&[1.0, 1.0, f32::INFINITY]),
            parameter("tau", 2, f32::INFINITY),
        ),
        (
            |c| {
                *c = Call::per_row(&[1.0, 0.0, 1.0]);
                c.spec = Preset::DtdCwsm.spec();
            },
            parameter("tau", 1, 0.0),
        ),
        (|c| c.upstream = f32::NAN, upstream(f32::NAN)),
        (|c| c.upstream = f32::INFINITY, upstream(f32::INFINITY)),
        (
            |c| c.upstream = f32::NEG_INFINITY,
            upstream(f32::NEG_INFINITY),
        ),
    ]
}

#[test]
fn the_calls_that_the_tables_spoil_succeed() {
    let call = Call::new();
    assert_eq!(call.apart(), call.in_place());
    assert_eq!(call.apart(), call.without_gradient());
    assert!(call.apart().unwrap() > 0.0);
    Call::per_row(&[1.0; 3]).apart().unwrap();
}

#[test]
fn a_run_refuses_every_bad_argument_and_writes_nothing() {
    for (spoil, expected) in [of_rows(), of_the_student(), of_the_row_program()].concat() {
        let mut call = Call::new();
        spoil(&mut call);
        refused(call.apart(), &expected);
        refused(call.in_place(), &expected);
        refused(call.without_gradient(), &expected);
    }
    for (spoil, expected) in of_the_gradient() {
        let mut call = Call::new();
        spoil(&mut call);
        refused(call.apart(), &expected);
        // Without a gradient apart nothing of this is looked at.
        assert_eq!(call.in_place(), Call::new().in_place());
        assert_eq!(call.without_gradient(), Call::new().without_gradient());
    }
}

#[test]
fn counts_refuse_what_they_read() {
    for (spoil, expected) in of_rows() {
        let mut call = Call::new();
        spoil(&mut call);
        refused(call.plan().counts(&call.batch()), &expected);
    }
    for (spoil, _) in [of_the_student(), of_the_row_program()].concat() {
        let mut call = Call::new();
        spoil(&mut call);
        let counts = Counts { right: 3, wrong: 0 };
        assert_eq!(call.plan().counts(&call.batch()), Ok(counts));
    }
}

#[test]
fn dynamic_temperatures_refuse_what_they_read() {
    let dtd = || Call {
        spec: Preset::DtdFlsw.spec(),
        ..Call::new()
    };
    dtd().dtd(ROWS).unwrap();
    for (spoil, expected) in [of_rows(), of_the_student()].concat() {
        let mut call = dtd();
        spoil(&mut call);
        refused(call.dtd(ROWS), &expected);
    }
    refused(dtd().dtd(2), &length("tau", 2, 3));
    refused(dtd().dtd(4), &length("tau", 4, 3));
    let unused = ArgumentError::Unused {
        argument: "tau",
        why: "the specification's temperature is not \"dtd\"",
    };
    refused(Call::new().dtd(ROWS), &unused);
    refused(Call::per_row(&[1.0; 3]).dtd(ROWS), &unused);
}

/// Dense matrices with something in them do not fit no rows.
#[test]
fn logits_without_rows_are_refused() {
    let empty = |argument| ArgumentError::Length {
        argument,
        given: 12,
        needed: 0,
        rows: 0,
    };
    let mut call = Call::new();
    (call.rows, call.labels) = (0, Vec::new());
    call.stats.clear();
    refused(call.apart(), &empty("teacher"));
    call.teacher.clear();
    refused(call.apart(), &empty("student"));
    refused(call.in_place(), &empty("student"));
    call.student.clear();
    refused(call.apart(), &empty("gradient"));
    call.gradient.clear();
    assert_eq!(call.apart(), Ok(0.0));
    // Buffers with a stride of their own may be longer than their rows.
    let mut call = Call::new();
    (call.rows, call.labels) = (0, Vec::new());
    call.stats.clear();
    for stride in [
        &mut call.student_stride,
        &mut call.gradient_stride,
        &mut call.teacher_stride,
    ] {
        *stride = Some(CLASSES + 1);
    }
    assert_eq!(call.apart(), Ok(0.0));
}

#[test]
fn messages_name_the_argument_what_was_given_and_what_would_be_right() {
    for (error, message) in [
        (
            length("student", 11, 12),
            "student has 11 elements, but 12 are needed for 3 rows",
        ),
        (
            stride("teacher stride", 3),
            "teacher stride = 3 is smaller than a row of 4 classes",
        ),
        (
            ArgumentError::TooLarge {
                rows: 3,
                stride: 1 << 31,
            },
            "3 rows with a stride of 2147483648 elements exceed the address space",
        ),
        (
            label(2, i32::MIN),
            "labels[2] = -2147483648 is no class: it must be in 0..4, or −100 for no label",
        ),
        (
            parameter("weight", 1, -0.5),
            "weight[1] = -0.5 is out of range: it must be finite and not negative",
        ),
        (
            parameter("tau", 0, f32::NAN),
            "tau[0] = NaN is out of range: it must be finite and greater than 0",
        ),
    ] {
        assert_eq!(error.to_string(), message);
    }
    // In the others it is the reason that says what would be right.
    for (spoil, expected) in of_the_row_program() {
        let mut call = Call::new();
        spoil(&mut call);
        let message = call.apart().unwrap_err().to_string();
        assert_eq!(message, expected.to_string());
        let remedies = ["needed", "must be", "give ", "compute ", "use "];
        assert!(remedies.iter().any(|r| message.contains(r)), "{message}");
    }
}

#[test]
fn a_plan_needs_classes_that_kernels_can_index() {
    let plan = |classes| Plan::new(&Preset::Kd.spec(), classes, Options::default());
    for given in [0, 1 << 31, u32::MAX as usize, usize::MAX] {
        let error = plan(given).unwrap_err();
        assert_eq!(error, SpecError::Classes { given });
        let message = error.to_string();
        assert!(message.contains(&given.to_string()), "{message}");
        assert!(message.contains("between 1 and 2^31 − 1"), "{message}");
    }
    assert_eq!(plan(1).unwrap().classes(), 1);
    assert_eq!(plan((1 << 31) - 1).unwrap().classes(), i32::MAX as usize);
}
