//! One batch on one engine.

use super::inputs::{Files, Inputs, Logits};
use super::records::Records;
use crate::auto::EngineName;
use crate::cli::failure::failed;
use crate::cpu::{Element, Parallelism, Plan, Rows, Student};
use crate::reference::{self, Batch};
use crate::spec::{ArgumentError, LossSpec, RowStats, StatsLevel, Temperature};
use miette::{IntoDiagnostic, Report};
use std::path::Path;

/// What a batch comes to.
pub(super) struct Evaluation {
    pub(super) total: f64,
    /// `∂total/∂s`.
    pub(super) gradient: Logits,
    pub(super) records: Records,
    pub(super) warnings: Vec<String>,
}

/// Runs the batch on an engine that [`EngineName::resolve`] has chosen.
pub(super) fn evaluate(
    spec: &LossSpec,
    inputs: Inputs,
    upstream: f32,
    engine: EngineName,
    files: &Files,
) -> Result<Evaluation, Report> {
    match engine {
        EngineName::Reference => {
            on_reference(spec, inputs, upstream).map_err(|error| files.refused(error))
        }
        EngineName::Cpu | EngineName::Auto => on_cpu(spec, inputs, upstream, files),
    }
}

fn on_reference(
    spec: &LossSpec,
    inputs: Inputs,
    upstream: f32,
) -> Result<Evaluation, ArgumentError> {
    let (student, teacher) = (inputs.student.into_double(), inputs.teacher.into_double());
    let mut batch = Batch {
        student: &student,
        teacher: &teacher,
        classes: inputs.classes,
        labels: &inputs.labels,
        weight: inputs.weight.as_deref(),
        kd_weight: inputs.kd_weight.as_deref(),
        tau: inputs.tau.as_deref(),
        upstream,
    };
    let tau: Vec<f32>;
    if let Temperature::Dtd(dtd) = spec.temperature() {
        let exact = reference::dtd_temperatures(&dtd, &batch)?;
        tau = exact.into_iter().map(|tau| tau as f32).collect();
        batch.tau = Some(&tau);
    }
    let output = reference::run(spec, &batch)?;
    Ok(Evaluation {
        total: output.total,
        gradient: Logits::Double(output.gradient),
        records: Records::Double(output.stats),
        warnings: Vec::new(),
    })
}

fn on_cpu(
    spec: &LossSpec,
    inputs: Inputs,
    upstream: f32,
    files: &Files,
) -> Result<Evaluation, Report> {
    let student = narrowing(&inputs.student, &files.student, inputs.classes)?;
    let teacher = narrowing(&inputs.teacher, &files.teacher, inputs.classes)?;
    let call = Call {
        plan: Plan::new(spec, inputs.classes, StatsLevel::Full).into_diagnostic()?,
        teacher: inputs.teacher,
        labels: inputs.labels,
        weight: inputs.weight,
        kd_weight: inputs.kd_weight,
        tau: inputs.tau,
        upstream,
    };
    let ran = match inputs.student {
        Logits::Half(s) => call.beside_teacher(s, Logits::Half),
        Logits::Single(s) => call.beside_teacher(s, Logits::Single),
        Logits::Double(s) => call.beside_teacher(single(&s), Logits::Single),
    };
    let (total, gradient, stats) = ran.map_err(|error| files.refused(error))?;
    Ok(Evaluation {
        total: crate::spec::tidy(total),
        gradient,
        records: Records::Single(stats),
        warnings: student.into_iter().chain(teacher).collect(),
    })
}

/// What there is to warn of before logits become single precision: that they do. A finite logit
/// must not become infinite on the way, which would mask its class or spoil its row.
fn narrowing(logits: &Logits, file: &Path, classes: usize) -> Result<Option<String>, Report> {
    let Logits::Double(values) = logits else {
        return Ok(None);
    };
    let path = file.display();
    let too_large = |&&value: &&f64| value.is_finite() && (value as f32).is_infinite();
    match values.iter().position(|value| too_large(&value)) {
        None => Ok(Some(format!(
            "`{path}` is f8 and the cpu engine computes in f4: its logits are rounded"
        ))),
        Some(i) => Err(failed(
            format_args!(
                "`{path}`, row {}, class {}: {:e} is beyond the range of f4, in which the cpu engine \
                 computes",
                i / classes,
                i % classes,
                values[i]
            ),
            "use --engine reference, which computes in f8",
        )),
    }
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// One call of the CPU engine, but for the student.
struct Call {
    plan: Plan,
    teacher: Logits,
    labels: Vec<i32>,
    weight: Option<Vec<f32>>,
    kd_weight: Option<Vec<f32>>,
    tau: Option<Vec<f32>>,
    upstream: f32,
}

/// Total, gradient and records.
type Ran = (f32, Logits, Vec<RowStats>);

impl Call {
    fn beside_teacher<S: Element>(
        &self,
        student: Vec<S>,
        gradient: fn(Vec<S>) -> Logits,
    ) -> Result<Ran, ArgumentError> {
        match &self.teacher {
            Logits::Half(t) => self.run(student, t, gradient),
            Logits::Single(t) => self.run(student, t, gradient),
            Logits::Double(t) => self.run(student, &single(t), gradient),
        }
    }

    /// The gradient is written over the student's logits.
    fn run<S: Element, T: Element>(
        &self,
        mut student: Vec<S>,
        teacher: &[T],
        gradient: fn(Vec<S>) -> Logits,
    ) -> Result<Ran, ArgumentError> {
        let mut rows = Rows::new(teacher, &self.labels).upstream(self.upstream);
        if let Some(weight) = &self.weight {
            rows = rows.weight(weight);
        }
        if let Some(kd_weight) = &self.kd_weight {
            rows = rows.kd_weight(kd_weight);
        }
        let mut temperatures = Vec::new();
        if let Temperature::Dtd(_) = self.plan.spec().temperature() {
            temperatures.resize(self.labels.len(), 0.0);
            let student = Student::without_gradient(&student);
            self.plan
                .dtd_temperatures(&rows, &student, &mut temperatures)?;
            rows = rows.tau(&temperatures);
        } else if let Some(tau) = &self.tau {
            rows = rows.tau(tau);
        }
        let mut stats = vec![RowStats::default(); self.labels.len()];
        let student_in_place = Student::in_place(&mut student);
        let total = self
            .plan
            .run(&rows, student_in_place, &mut stats, Parallelism::Rayon)?;
        Ok((total, gradient(student), stats))
    }
}
