//! The WGSL engine: recorded calls by the GPU's own clock where it has one, in turns with copies
//! between buffers.

use super::cases::Case;
use super::logits::Logits;
use super::shape::Shape;
use super::timing::{Timing, median};
use crate::batch::Element;
use crate::cli::failure::failed;
use crate::spec::{Format, RowStats, StatsLevel};
use crate::wgsl::wgpu::{self, Buffer, BufferUsages, CommandEncoder, Features};
use crate::wgsl::{self, Call, Error, Gpu, Options};
use half::{bf16, f16};
use miette::Report;
use std::time::Instant;

/// Bytes of inputs and outputs that are gone through before any are used again: more than GPUs cache.
const ROTATED: usize = 256 << 20;
/// Calls of a measurement, at most.
const CALLS: usize = 100;
/// Bytes that a copy reads, and copies per measurement.
const COPY: u64 = 128 << 20;
const COPIES: u32 = 8;

/// An adapter's device.
pub(super) struct Wgpu {
    gpu: Gpu,
    clock: Option<Clock>,
}

impl Wgpu {
    pub(super) fn new(gpu: Gpu) -> Self {
        let clock = Clock::new(&gpu);
        Self { gpu, clock }
    }

    pub(super) fn isa(&self) -> String {
        "wgsl".to_owned()
    }

    pub(super) fn device(&self) -> String {
        self.gpu.to_string()
    }

    pub(super) fn time(&self, case: &Case, samples: usize) -> Result<Timing, Report> {
        let timing = self.gpu.guarded(|| match case.format {
            Format::F32 => self.time_as::<f32>(case, samples),
            Format::F16 => self.time_as::<f16>(case, samples),
            Format::Bf16 => self.time_as::<bf16>(case, samples),
        });
        timing.map_err(|error| match error {
            Error::OutOfMemory => failed(
                format_args!("the GPU has no memory for {case}"),
                "give --shape with fewer rows",
            ),
            other => Report::msg(other),
        })
    }

    fn time_as<S: Element>(&self, case: &Case, samples: usize) -> Result<Timing, Error> {
        let options = Options::default()
            .formats(case.format, case.format)
            .level(case.level);
        let plan = self.gpu.plan(&case.spec, case.shape.classes, options)?;
        let logits = Logits::<S>::new(case.shape, case.noise);
        let sets = (ROTATED / case.bytes()).clamp(1, CALLS - 1) + 1;
        let calls = (0..sets)
            .map(|_| self.bound(&plan, case, &logits))
            .collect::<Result<Vec<_>, _>>()?;
        let [from, to] = [(); 2].map(|()| self.room(COPY));
        let mut times = (Vec::new(), Vec::new());
        // The first is for the caches and the clock rates.
        for sample in 0..=samples {
            let call =
                self.seconds(|encoder| calls.iter().for_each(|call| call.record(encoder)))?;
            let copied = self.seconds(|encoder| {
                for _ in 0..COPIES {
                    encoder.copy_buffer_to_buffer(&from, 0, &to, 0, COPY);
                }
            })?;
            if sample > 0 {
                times.0.push(call / sets as f64);
                times.1.push(copied / f64::from(COPIES));
            }
        }
        Ok(Timing {
            call: median(times.0),
            copy: 2.0 * COPY as f64 / median(times.1),
            regime: None,
        })
    }

    /// A call with buffers of its own.
    fn bound<S: Element>(
        &self,
        plan: &wgsl::Plan,
        case: &Case,
        logits: &Logits<S>,
    ) -> Result<Call, Error> {
        let Shape { rows, .. } = case.shape;
        let [student, teacher] = [&logits.student, &logits.teacher]
            .map(|logits| self.filled(bytemuck::cast_slice(logits)));
        let labels = self.filled(bytemuck::cast_slice(&logits.labels));
        let gradient = self.room(size_of_val(&logits.student[..]) as u64);
        let stats = self.room((rows * size_of::<RowStats>()) as u64);
        let mut on_device = wgsl::Batch::new(rows, &student, &teacher, &labels);
        if case.gradient {
            on_device = on_device.gradient(&gradient);
        }
        if case.level != StatsLevel::None {
            on_device = on_device.stats(&stats);
        }
        plan.bind(&on_device)
    }

    fn room(&self, bytes: u64) -> Buffer {
        self.gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes.next_multiple_of(4),
            usage: BufferUsages::STORAGE | BufferUsages::COPY_DST | BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        })
    }

    fn filled(&self, content: &[u8]) -> Buffer {
        let buffer = self.room(content.len() as u64);
        let whole = content.len() / 4 * 4;
        self.gpu.queue().write_buffer(&buffer, 0, &content[..whole]);
        if whole < content.len() {
            let mut last = [0; 4];
            last[..content.len() - whole].copy_from_slice(&content[whole..]);
            self.gpu.queue().write_buffer(&buffer, whole as u64, &last);
        }
        buffer
    }

    /// What this takes on the GPU, or, without a clock there, until it is known to be done.
    fn seconds(&self, record: impl FnOnce(&mut CommandEncoder)) -> Result<f64, Error> {
        let mut encoder = self
            .gpu
            .device()
            .create_command_encoder(&Default::default());
        if let Some(clock) = &self.clock {
            encoder.write_timestamp(&clock.moments, 0);
        }
        record(&mut encoder);
        if let Some(clock) = &self.clock {
            clock.stop(&mut encoder);
        }
        let start = Instant::now();
        self.gpu.queue().submit([encoder.finish()]);
        let waited = self.gpu.device().poll(wgpu::PollType::wait_indefinitely());
        let elapsed = start.elapsed().as_secs_f64();
        let failed = |message: String| Error::Device { message };
        waited.map_err(|error| failed(error.to_string()))?;
        match &self.clock {
            None => Ok(elapsed),
            Some(clock) => clock.read(&self.gpu).map_err(failed),
        }
    }
}

/// Two moments of the GPU's clock.
struct Clock {
    moments: wgpu::QuerySet,
    resolved: Buffer,
    readable: Buffer,
}

const BYTES: u64 = 16;

impl Clock {
    /// None where the adapter has no clock.
    fn new(gpu: &Gpu) -> Option<Self> {
        let device = gpu.device();
        if !device
            .features()
            .contains(Features::TIMESTAMP_QUERY_INSIDE_ENCODERS)
        {
            return None;
        }
        let buffer = |usage| {
            device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: BYTES,
                usage,
                mapped_at_creation: false,
            })
        };
        Some(Self {
            moments: device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            }),
            resolved: buffer(BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC),
            readable: buffer(BufferUsages::MAP_READ | BufferUsages::COPY_DST),
        })
    }

    fn stop(&self, encoder: &mut CommandEncoder) {
        encoder.write_timestamp(&self.moments, 1);
        encoder.resolve_query_set(&self.moments, 0..2, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &self.readable, 0, BYTES);
    }

    /// Seconds between the two.
    fn read(&self, gpu: &Gpu) -> Result<f64, String> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let slice = self.readable.slice(..);
        slice.map_async(wgpu::MapMode::Read, move |mapped| {
            let _ = sender.send(mapped);
        });
        let waited = gpu.device().poll(wgpu::PollType::wait_indefinitely());
        waited.map_err(|error| error.to_string())?;
        match receiver.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        let ticks = {
            let view = slice
                .get_mapped_range()
                .map_err(|error| error.to_string())?;
            let moments: [u64; 2] = bytemuck::pod_read_unaligned(&view);
            moments[1].saturating_sub(moments[0])
        };
        self.readable.unmap();
        Ok(ticks as f64 * f64::from(gpu.queue().get_timestamp_period()) * 1e-9)
    }
}
