//! The CUDA engine: the GPU's own times of graphs of calls, in turns with copies within its memory.

use super::cases::Case;
use super::logits::Logits;
use super::shape::Shape;
use super::timing::{Timing, median};
use crate::batch::Element;
use crate::cli::failure::failed;
use crate::cuda::cudarc::driver::sys::{
    CUevent_flags, CUgraphInstantiate_flags, CUstreamCaptureMode,
};
use crate::cuda::cudarc::driver::{
    CudaEvent, CudaGraph, CudaSlice, CudaStream, DeviceRepr, DriverError, ValidAsZeroBits,
};
use crate::cuda::{Batch, Error, Gpu, Options, Plan, Regime};
use crate::spec::{Format, RowStats, StatsLevel};
use half::{bf16, f16};
use miette::Report;
use std::sync::Arc;

/// Bytes of inputs and outputs that are gone through before any are used again: more than GPUs cache.
const ROTATED: usize = 512 << 20;
/// Calls of a graph, at most.
const CALLS: usize = 200;
/// Bytes that a copy reads, and copies per measurement.
const COPY: usize = 512 << 20;
const COPIES: u32 = 4;
/// Logits that are made here; the rest on the device repeats them.
const MADE: usize = 1 << 20;

/// A GPU, and the regime that all cases have, unless each has its own.
pub(super) struct Cuda {
    gpu: Gpu,
    regime: Option<Regime>,
}

impl Cuda {
    pub(super) fn new(gpu: Gpu, regime: Option<Regime>) -> Self {
        Self { gpu, regime }
    }

    pub(super) fn isa(&self) -> String {
        let (major, minor) = self.gpu.capability();
        format!("sm_{major}{minor}")
    }

    pub(super) fn device(&self) -> String {
        self.gpu.name().to_owned()
    }

    pub(super) fn time(&self, case: &Case, samples: usize) -> Result<Timing, Report> {
        let timing = match case.format {
            Format::F32 => self.time_as::<f32>(case, samples),
            Format::F16 => self.time_as::<f16>(case, samples),
            Format::Bf16 => self.time_as::<bf16>(case, samples),
        };
        timing.map_err(|error| match error {
            Error::OutOfMemory => failed(
                format_args!("the GPU has no memory for {case}"),
                "give --shape with fewer rows",
            ),
            refused @ Error::Regime { .. } => failed(
                format_args!("{case}: {refused}"),
                "leave --regime away, or give --shape and --preset that it takes",
            ),
            other => Report::msg(other),
        })
    }

    fn time_as<S>(&self, case: &Case, samples: usize) -> Result<Timing, Error>
    where
        S: Element + DeviceRepr + ValidAsZeroBits,
    {
        let stream = self.gpu.stream();
        let mut options = Options::default()
            .formats(case.format, case.format)
            .level(case.level);
        if let Some(regime) = self.regime {
            options = options.regime(regime);
        }
        let plan = self.gpu.plan(&case.spec, case.shape.classes, options)?;
        let sets = (ROTATED / case.bytes()).clamp(1, CALLS - 1) + 1;
        let logits = Logits::<S>::new(case.shape.at_most(MADE), case.noise);
        let mut sets = (0..sets)
            .map(|_| Set::new(stream, case, &plan, &logits))
            .collect::<Result<Vec<_>, _>>()?;
        let calls = capture(stream, || {
            sets.iter_mut()
                .try_for_each(|set| set.launch(&plan, stream))
        })?;
        let mut copy = Copy::new(stream)?;
        let clock = Clock::new(stream)?;
        let mut times = (Vec::new(), Vec::new());
        // The first is for the caches and the clock rates.
        for sample in 0..=samples {
            let call = clock.seconds(|| Ok(calls.launch()?))? / sets.len() as f64;
            let copied = clock.seconds(|| copy.run(stream))? / f64::from(COPIES);
            if sample > 0 {
                times.0.push(call);
                times.1.push(copied);
            }
        }
        Ok(Timing {
            call: median(times.0),
            copy: 2.0 * COPY as f64 / median(times.1),
            regime: Some(plan.regime(case.shape.rows).name()),
        })
    }
}

impl Shape {
    /// Fewer rows, so that there are at most so many logits, or one row.
    fn at_most(self, logits: usize) -> Self {
        let rows = self.rows.min(logits / self.classes).max(1);
        Self { rows, ..self }
    }
}

/// A batch on the device, with room for what is written.
struct Set<S> {
    student: CudaSlice<S>,
    teacher: CudaSlice<S>,
    labels: CudaSlice<i32>,
    gradient: Option<CudaSlice<S>>,
    stats: Option<CudaSlice<RowStats>>,
    workspace: CudaSlice<u8>,
}

impl<S: Element + DeviceRepr + ValidAsZeroBits> Set<S> {
    fn new(
        stream: &Arc<CudaStream>,
        case: &Case,
        plan: &Plan,
        logits: &Logits<S>,
    ) -> Result<Self, Error> {
        let Shape { rows, classes } = case.shape;
        let has_stats = case.level != StatsLevel::None;
        Ok(Self {
            student: repeated(stream, &logits.student, rows * classes)?,
            teacher: repeated(stream, &logits.teacher, rows * classes)?,
            labels: repeated(stream, &logits.labels, rows)?,
            gradient: case
                .gradient
                .then(|| stream.alloc_zeros(rows * classes))
                .transpose()?,
            stats: has_stats.then(|| stream.alloc_zeros(rows)).transpose()?,
            workspace: stream.alloc_zeros(plan.workspace_bytes(rows))?,
        })
    }

    fn launch(&mut self, plan: &Plan, stream: &Arc<CudaStream>) -> Result<(), Error> {
        let mut batch = Batch::new(
            self.labels.len(),
            &self.student,
            &self.teacher,
            &self.labels,
        )
        .workspace(&mut self.workspace);
        if let Some(gradient) = &mut self.gradient {
            batch = batch.gradient(gradient);
        }
        if let Some(stats) = &mut self.stats {
            batch = batch.stats(stats);
        }
        plan.launch(stream, batch)
    }
}

/// So many elements on the device: these, over and over.
fn repeated<T: DeviceRepr + ValidAsZeroBits>(
    stream: &Arc<CudaStream>,
    made: &[T],
    length: usize,
) -> Result<CudaSlice<T>, DriverError> {
    let made = stream.clone_htod(made)?;
    let mut all = stream.alloc_zeros(length)?;
    let mut start = 0;
    while start < length {
        let end = length.min(start + made.len());
        stream.memcpy_dtod(&made.slice(..end - start), &mut all.slice_mut(start..end))?;
        start = end;
    }
    Ok(all)
}

/// What is launched meanwhile, as a graph.
fn capture(
    stream: &Arc<CudaStream>,
    launch: impl FnOnce() -> Result<(), Error>,
) -> Result<CudaGraph, Error> {
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
    let launched = launch();
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags)?;
    launched?;
    graph.ok_or_else(|| Error::Device {
        message: "the captured calls are no graph".to_owned(),
    })
}

/// Two buffers.
struct Copy {
    from: CudaSlice<u8>,
    to: CudaSlice<u8>,
}

impl Copy {
    fn new(stream: &Arc<CudaStream>) -> Result<Self, Error> {
        let [from, to] = [stream.alloc_zeros(COPY)?, stream.alloc_zeros(COPY)?];
        Ok(Self { from, to })
    }

    fn run(&mut self, stream: &Arc<CudaStream>) -> Result<(), Error> {
        for _ in 0..COPIES {
            stream.memcpy_dtod(&self.from, &mut self.to)?;
        }
        Ok(())
    }
}

/// The GPU's clock.
struct Clock<'a> {
    stream: &'a Arc<CudaStream>,
    start: CudaEvent,
    end: CudaEvent,
}

impl<'a> Clock<'a> {
    fn new(stream: &'a Arc<CudaStream>) -> Result<Self, Error> {
        let event = || {
            stream
                .context()
                .new_event(Some(CUevent_flags::CU_EVENT_DEFAULT))
        };
        let (start, end) = (event()?, event()?);
        Ok(Self { stream, start, end })
    }

    fn seconds(&self, work: impl FnOnce() -> Result<(), Error>) -> Result<f64, Error> {
        self.start.record(self.stream)?;
        work()?;
        self.end.record(self.stream)?;
        Ok(f64::from(self.start.elapsed_ms(&self.end)?) / 1e3)
    }
}
