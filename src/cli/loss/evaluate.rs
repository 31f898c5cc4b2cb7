//! One batch on one engine.

use super::inputs::{Files, Inputs};
use super::logits::Logits;
use super::records::Records;
use crate::auto::{Choice, Device, EngineName};
use crate::batch::{Batch, Element};
use crate::cli::failure::failed;
use crate::cpu::{Options, Parallelism, Plan};
#[cfg(feature = "cuda")]
use crate::cuda;
use crate::data::ArrayPath;
use crate::reference;
use crate::spec::{ArgumentError, LossSpec, RowStats, SpecError, Temperature};
#[cfg(feature = "wgpu")]
use crate::wgsl;
use miette::Report;

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
    choice: &Choice,
    files: &Files,
) -> Result<Evaluation, Report> {
    match &choice.device {
        Device::Reference => {
            on_reference(spec, inputs, upstream).map_err(|error| files.refused(error))
        }
        device => {
            let rows = RowEngine {
                spec: *spec,
                device,
            };
            in_single_precision(&rows, inputs, upstream, choice.engine, files)
        }
    }
}

/// An engine that computes in f4, for one loss.
struct RowEngine<'a> {
    spec: LossSpec,
    device: &'a Device,
}

impl RowEngine<'_> {
    /// Runs the batch, and gives its total.
    fn run<S: Element, T: Element>(
        &self,
        batch: Batch<S, T>,
        classes: usize,
    ) -> Result<f32, Refusal> {
        let dynamic = matches!(self.spec.temperature(), Temperature::Dtd(_));
        let mut tau = vec![0.0; batch.rows];
        let mut batch = batch;
        // Both have the same calls.
        #[cfg(any(feature = "cuda", feature = "wgpu"))]
        macro_rules! on_gpu {
            ($module:ident, $gpu:ident) => {{
                let options = $module::Options::default().formats(S::FORMAT, T::FORMAT);
                let plan = $gpu.plan(&self.spec, classes, options)?;
                if dynamic {
                    $gpu.dtd_temperatures(&plan, &batch, &mut tau)?;
                    batch = batch.tau(&tau);
                }
                Ok($gpu.run(&plan, batch)?)
            }};
        }
        match &self.device {
            Device::Cpu => {
                let plan = Plan::new(&self.spec, classes, Options::default())?;
                if dynamic {
                    plan.dtd_temperatures(&batch, &mut tau)?;
                    batch = batch.tau(&tau);
                }
                Ok(plan.run(batch, Parallelism::Rayon)?)
            }
            Device::Reference => Err(Refusal::Other(Report::msg("the reference takes f8"))),
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => on_gpu!(cuda, gpu),
            #[cfg(feature = "wgpu")]
            Device::Wgpu(gpu) => on_gpu!(wgsl, gpu),
        }
    }
}

/// Why a batch was not computed.
enum Refusal {
    /// An argument, which has come from a file.
    Argument(ArgumentError),
    Other(Report),
}

impl From<ArgumentError> for Refusal {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}

impl From<SpecError> for Refusal {
    fn from(error: SpecError) -> Self {
        Self::Other(Report::msg(error))
    }
}

#[cfg(feature = "cuda")]
impl From<cuda::Error> for Refusal {
    fn from(error: cuda::Error) -> Self {
        match error {
            cuda::Error::Argument(error) => Self::Argument(error),
            other => Self::Other(Report::msg(other)),
        }
    }
}

#[cfg(feature = "wgpu")]
impl From<wgsl::Error> for Refusal {
    fn from(error: wgsl::Error) -> Self {
        match error {
            wgsl::Error::Argument(error) => Self::Argument(error),
            other => Self::Other(Report::msg(other)),
        }
    }
}

fn on_reference(
    spec: &LossSpec,
    inputs: Inputs,
    upstream: f32,
) -> Result<Evaluation, ArgumentError> {
    let (student, teacher) = (inputs.student.into_double(), inputs.teacher.into_double());
    let mut batch = reference::Batch {
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

fn in_single_precision(
    engine: &RowEngine<'_>,
    inputs: Inputs,
    upstream: f32,
    name: EngineName,
    files: &Files,
) -> Result<Evaluation, Report> {
    let student = narrowing(&inputs.student, &files.student, inputs.classes, name)?;
    let teacher = narrowing(&inputs.teacher, &files.teacher, inputs.classes, name)?;
    let widened = (inputs.types.student == "bf16").then(|| {
        let path = &files.student;
        format!("`{path}` is bf16, which npy files have not: the gradient is f4")
    });
    let call = Call {
        engine,
        classes: inputs.classes,
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
    let (total, gradient, stats) = ran.map_err(|refusal| match refusal {
        Refusal::Argument(error) => files.refused(error),
        Refusal::Other(report) => report,
    })?;
    Ok(Evaluation {
        total: crate::spec::tidy(total),
        gradient,
        records: Records::Single(stats),
        warnings: [student, teacher, widened].into_iter().flatten().collect(),
    })
}

/// What there is to warn of before logits become single precision: that they do. A finite logit
/// must not become infinite on the way, which would mask its class or spoil its row.
fn narrowing(
    logits: &Logits,
    path: &ArrayPath,
    classes: usize,
    engine: EngineName,
) -> Result<Option<String>, Report> {
    let Logits::Double(values) = logits else {
        return Ok(None);
    };
    let too_large = |&&value: &&f64| value.is_finite() && (value as f32).is_infinite();
    match values.iter().position(|value| too_large(&value)) {
        None => Ok(Some(format!(
            "`{path}` is f8 and the {engine} engine computes in f4: its logits are rounded"
        ))),
        Some(i) => Err(failed(
            format_args!(
                "`{path}`, row {}, class {}: {:e} is beyond the range of f4, in which the {engine} \
                 engine computes",
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

/// One call, but for the student.
struct Call<'a> {
    engine: &'a RowEngine<'a>,
    classes: usize,
    teacher: Logits,
    labels: Vec<i32>,
    weight: Option<Vec<f32>>,
    kd_weight: Option<Vec<f32>>,
    tau: Option<Vec<f32>>,
    upstream: f32,
}

/// Total, gradient and records.
type Ran = (f32, Logits, Vec<RowStats>);

impl Call<'_> {
    fn beside_teacher<S: Element>(
        &self,
        student: Vec<S>,
        gradient: fn(Vec<S>) -> Logits,
    ) -> Result<Ran, Refusal> {
        match &self.teacher {
            Logits::Half(t) => self.run(student, t, gradient),
            Logits::Single(t) => self.run(student, t, gradient),
            Logits::Double(t) => self.run(student, &single(t), gradient),
        }
    }

    fn run<S: Element, T: Element>(
        &self,
        mut student: Vec<S>,
        teacher: &[T],
        gradient: fn(Vec<S>) -> Logits,
    ) -> Result<Ran, Refusal> {
        let rows = self.labels.len();
        let mut stats = vec![RowStats::default(); rows];
        let mut batch = Batch::in_place(rows, &mut student, teacher, &self.labels)
            .upstream(self.upstream)
            .stats(&mut stats);
        if let Some(weight) = &self.weight {
            batch = batch.weight(weight);
        }
        if let Some(kd_weight) = &self.kd_weight {
            batch = batch.kd_weight(kd_weight);
        }
        if let Some(tau) = &self.tau {
            batch = batch.tau(tau);
        }
        let total = self.engine.run(batch, self.classes)?;
        Ok((total, gradient(student), stats))
    }
}
