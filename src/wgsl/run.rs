//! Batches in host memory: uploaded, run and read back.

use super::batch::{Batch, FeatureBatch, Slice};
use super::call::Call;
use super::error::Error;
use super::feature::FeaturePlan;
use super::gpu::Gpu;
use super::options::Options;
use super::pipelines::Pipelines;
use super::plan::Plan;
use crate::batch::check::{self, Strides};
use crate::batch::{
    Batch as HostBatch, Element, FeatureBatch as HostFeatureBatch, Place, RowLogits, Upstream,
    weighted, written,
};
use crate::spec::{ArgumentError, Format};
use std::sync::Arc;

impl Gpu {
    /// Runs the row program over a batch in host memory, as the CPU engine's `run` does: returns
    /// `total = upstream · Σ_b loss_b · inv_n`, and writes it, the gradient `∂total/∂s` and one record
    /// per row, each where the batch has room for it. Blocks until that is done.
    ///
    /// The batch goes to the device and back each time, into memory that is freed by the end of the
    /// call: all arguments once, what is written once more, and [`Plan::workspace_bytes`]. Compiled
    /// kernels alone are kept. [`HostBatch::workspace`] is ignored.
    ///
    /// # Errors
    /// [`Error::Argument`] is what the CPU engine would refuse, or another type than the plan's, and
    /// nothing is written; [`Error::TooLarge`] what this device cannot hold; [`Error::Device`] and
    /// [`Error::OutOfMemory`] are the device's own failures.
    pub fn run<S: Element, T: Element>(
        &self,
        plan: &Plan,
        mut batch: HostBatch<S, T>,
    ) -> Result<f32, Error> {
        let (spec, level, classes) = (plan.spec(), plan.options().level, plan.classes());
        let strides = check::call(spec, level, classes, &batch)?;
        self.check_plan::<S, T>(plan.pipelines(), plan.options(), "teacher")?;
        let shape = [batch.rows, classes, strides.gradient];
        let (rows, out) = (batch.rows, batch.total.take());
        let run = || {
            let inputs = RowInputs::upload(self, &batch)?;
            let read = inputs.batch(&batch, strides);
            let student = batch.student.with(batch.gradient);
            let outputs = Outputs::new(self, student, &inputs.student, batch.stats)?;
            let call = plan.bind(&Batch {
                student: outputs.place(),
                gradient: outputs.gradient(),
                stats: outputs.records(),
                total: outputs.total(),
                ..read
            })?;
            outputs.read_back(self, &call, shape)
        };
        let total = if rows == 0 { 0.0 } else { self.guarded(run)? };
        Ok(written(total, out))
    }

    /// The temperatures of dynamic temperature distillation for a batch in host memory, `tau[B]`,
    /// for [`HostBatch::tau`]; see [`Plan::bind_temperatures`].
    ///
    /// # Errors
    /// As [`Gpu::run`]; [`ArgumentError::Unused`] where the specification's temperature is not
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn dtd_temperatures<S: Element, T: Element>(
        &self,
        plan: &Plan,
        batch: &HostBatch<S, T>,
        tau: &mut [f32],
    ) -> Result<(), Error> {
        check::dtd(plan.spec())?;
        let strides = check::matrices(plan.classes(), batch)?;
        check::row_inputs(plan.classes(), batch)?;
        check::length("tau", tau.len(), batch.rows, batch.rows)?;
        self.check_plan::<S, T>(plan.pipelines(), plan.options(), "teacher")?;
        if batch.rows == 0 {
            return Ok(());
        }
        self.guarded(|| {
            let inputs = RowInputs::upload(self, batch)?;
            let on_device = self.room("tau", size_of_val(tau))?;
            let call = plan.bind_temperatures(&inputs.batch(batch, strides), &on_device)?;
            self.finish(self.recorded(&call), &[&on_device], |read| {
                copy(tau, read.first());
            })
        })
    }

    /// Runs a feature loss over a batch in host memory, as the CPU engine's `run` does: returns
    /// `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, and writes it, the gradient `∂total/∂x` and
    /// each row's distance, each where the batch has room for it. Blocks until that is done; the memory
    /// that it takes is that of [`Gpu::run`].
    ///
    /// # Errors
    /// As [`Gpu::run`].
    pub fn run_features<S: Element, T: Element>(
        &self,
        plan: &FeaturePlan,
        mut batch: HostFeatureBatch<S, T>,
    ) -> Result<f32, Error> {
        let strides = check::features(plan.width(), &batch)?;
        self.check_plan::<S, T>(plan.pipelines(), plan.options(), "target")?;
        let shape = [batch.rows, plan.width(), strides.gradient];
        let (rows, out) = (batch.rows, batch.total.take());
        let run = || {
            let x = self.upload("student", bytemuck::cast_slice(batch.student.read()))?;
            let y = self.upload("target", bytemuck::cast_slice(batch.target))?;
            let weight = self.upload_floats("weight", batch.weight)?;
            let student = batch.student.with(batch.gradient);
            let outputs = Outputs::new(self, student, &x, batch.distances)?;
            let count = || weighted(batch.rows, batch.weight);
            let call = plan.bind(&FeatureBatch {
                student: outputs.place(),
                student_stride: Some(strides.student),
                target_stride: Some(strides.teacher),
                gradient: outputs.gradient(),
                gradient_stride: Some(strides.gradient),
                weight: weight.as_ref().map(Slice::from),
                upstream: Upstream::Known(batch.upstream.value()),
                counted: Some(batch.counted.unwrap_or_else(count)),
                distances: outputs.records(),
                total: outputs.total(),
                ..FeatureBatch::new(batch.rows, &x, &y)
            })?;
            outputs.read_back(self, &call, shape)
        };
        let total = if rows == 0 { 0.0 } else { self.guarded(run)? };
        Ok(written(total, out))
    }

    fn recorded(&self, call: &Call) -> wgpu::CommandEncoder {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        call.record(&mut encoder);
        encoder
    }

    /// A plan is this device's, and made for these types; `other` is what it calls the teacher's.
    fn check_plan<S: Element, T: Element>(
        &self,
        pipelines: &Arc<Pipelines>,
        options: Options,
        other: &'static str,
    ) -> Result<(), Error> {
        // Devices are told apart within an instance of wgpu only; what is compiled is one device's.
        if !Arc::ptr_eq(pipelines, &self.pipelines) {
            return Err(Error::OtherDevice);
        }
        for (argument, given, planned) in [
            ("student", S::FORMAT, options.student),
            (other, T::FORMAT, options.teacher),
        ] {
            if given != planned {
                let [given, planned] = [given, planned].map(Format::name);
                return Err(Error::Argument(ArgumentError::Format {
                    argument,
                    given,
                    planned,
                }));
            }
        }
        Ok(())
    }

    fn upload_floats(
        &self,
        name: &'static str,
        values: Option<&[f32]>,
    ) -> Result<Option<wgpu::Buffer>, Error> {
        let upload = |values| self.upload(name, bytemuck::cast_slice(values));
        values.map(upload).transpose()
    }
}

/// What the row program reads, on the device. In place, the student's rows are written there as well.
struct RowInputs {
    student: wgpu::Buffer,
    teacher: wgpu::Buffer,
    labels: wgpu::Buffer,
    weight: Option<wgpu::Buffer>,
    kd_weight: Option<wgpu::Buffer>,
    tau: Option<wgpu::Buffer>,
}

impl RowInputs {
    fn upload<S: Element, T: Element>(gpu: &Gpu, host: &HostBatch<S, T>) -> Result<Self, Error> {
        Ok(Self {
            student: gpu.upload("student", bytemuck::cast_slice(host.student.read()))?,
            teacher: gpu.upload("teacher", bytemuck::cast_slice(host.teacher))?,
            labels: gpu.upload("labels", bytemuck::cast_slice(host.labels))?,
            weight: gpu.upload_floats("weight", host.weight)?,
            kd_weight: gpu.upload_floats("kd_weight", host.kd_weight)?,
            tau: gpu.upload_floats("tau", host.tau)?,
        })
    }

    fn batch<S, T>(&self, host: &HostBatch<S, T>, strides: Strides) -> Batch<'_> {
        Batch {
            student_stride: Some(strides.student),
            teacher_stride: Some(strides.teacher),
            gradient_stride: Some(strides.gradient),
            weight: self.weight.as_ref().map(Slice::from),
            kd_weight: self.kd_weight.as_ref().map(Slice::from),
            tau: self.tau.as_ref().map(Slice::from),
            upstream: Upstream::Known(host.upstream.value()),
            counts: host.counts,
            ..Batch::new(host.rows, &self.student, &self.teacher, &self.labels)
        }
    }
}

/// What a call writes: where it goes, and room for it on the device.
struct Outputs<'a, S, R> {
    host: RowLogits<'a, S>,
    records_on_host: Option<&'a mut [R]>,
    student: &'a wgpu::Buffer,
    gradient: Option<wgpu::Buffer>,
    records: Option<wgpu::Buffer>,
    total: wgpu::Buffer,
}

impl<'a, S: Element, R: bytemuck::Pod> Outputs<'a, S, R> {
    fn new(
        gpu: &Gpu,
        host: RowLogits<'a, S>,
        student: &'a wgpu::Buffer,
        records: Option<&'a mut [R]>,
    ) -> Result<Self, Error> {
        let gradient = match &host {
            RowLogits::Apart(_, g) => Some(gpu.room("gradient", size_of_val(*g))?),
            RowLogits::Alone(_) | RowLogits::InPlace(_) => None,
        };
        let room = |records: &&mut [R]| gpu.room("records", size_of_val(*records));
        Ok(Self {
            student,
            gradient,
            records: records.as_ref().map(room).transpose()?,
            total: gpu.room("total", 4)?,
            host,
            records_on_host: records,
        })
    }

    fn place(&self) -> Place<Slice<'_>, Slice<'_>> {
        match self.host {
            RowLogits::InPlace(_) => Place::InPlace(self.student.into()),
            RowLogits::Alone(_) | RowLogits::Apart(..) => Place::Read(self.student.into()),
        }
    }

    fn gradient(&self) -> Option<Slice<'_>> {
        self.gradient.as_ref().map(Slice::from)
    }

    fn records(&self) -> Option<Slice<'_>> {
        self.records.as_ref().map(Slice::from)
    }

    fn total(&self) -> Option<Slice<'_>> {
        Some((&self.total).into())
    }

    /// Runs the call, copies what it has written, and returns its total.
    fn read_back(self, gpu: &Gpu, call: &Call, shape: [usize; 3]) -> Result<f32, Error> {
        let mut wanted = vec![&self.total];
        wanted.extend(&self.records);
        match self.host {
            RowLogits::InPlace(_) => wanted.push(self.student),
            RowLogits::Alone(_) | RowLogits::Apart(..) => wanted.extend(&self.gradient),
        }
        let mut total = 0.0;
        gpu.finish(gpu.recorded(call), &wanted, |read| {
            let mut read = read.iter();
            total = read
                .next()
                .map_or(0.0, |total| bytemuck::pod_read_unaligned(total));
            if let Some(records) = self.records_on_host {
                copy(records, read.next());
            }
            if let (RowLogits::Apart(_, host) | RowLogits::InPlace(host), Some(device)) =
                (self.host, read.next())
            {
                copy_rows(host, device, shape);
            }
        })?;
        Ok(total)
    }
}

/// The rows of a strided matrix; what lies between them stays the host's.
fn copy_rows<P: bytemuck::Pod>(host: &mut [P], device: &[u8], [rows, width, stride]: [usize; 3]) {
    let host: &mut [u8] = bytemuck::cast_slice_mut(host);
    let [row, stride] = [width, stride].map(|elements| elements * size_of::<P>());
    for at in (0..rows).map(|b| b * stride) {
        host[at..at + row].copy_from_slice(&device[at..at + row]);
    }
}

/// As many bytes as the host has.
pub(super) fn copy<P: bytemuck::Pod>(host: &mut [P], device: Option<&&[u8]>) {
    if let Some(device) = device {
        let host: &mut [u8] = bytemuck::cast_slice_mut(host);
        host.copy_from_slice(&device[..host.len()]);
    }
}
