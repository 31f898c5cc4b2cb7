//! Batches in host memory: uploaded, run and read back.

use super::buffers::Buffers;
use super::call::Call;
use super::error::Error;
use super::gpu::Gpu;
use super::options::Options;
use super::pipelines::Pipelines;
use super::plan::Plan;
use crate::batch::check::{self, Strides};
use crate::batch::{Element, RowLogits, Rows, Student};
use crate::spec::{Format, RowStats};
use std::sync::Arc;

impl Gpu {
    /// Runs the row program over a batch in host memory, as the CPU engine's `run` does: returns
    /// `total = upstream · Σ_b loss_b · inv_n`, writes the gradient `∂total/∂s` where `student` has
    /// room for it and one record per row to `stats` (an empty slice with
    /// [`StatsLevel::None`](crate::spec::StatsLevel::None)). Blocks until that is done; the batch
    /// goes to the device and back each time.
    ///
    /// # Errors
    /// [`Error::Argument`] is what the CPU engine would refuse, and nothing is written;
    /// [`Error::TooLarge`] what this device cannot hold; [`Error::Device`] and
    /// [`Error::OutOfMemory`] are the device's own failures.
    pub fn run<S: Element, T: Element>(
        &self,
        plan: &Plan,
        rows: &Rows<T>,
        mut student: Student<S>,
        stats: &mut [RowStats],
    ) -> Result<f32, Error> {
        let options = plan.options();
        let strides = check::call(
            plan.spec(),
            options.level,
            plan.classes(),
            rows,
            &student,
            stats,
        )?;
        self.check_plan::<S, T>(&plan.pipelines, plan.options(), "teacher")?;
        if rows.is_empty() {
            return Ok(0.0);
        }
        self.guarded(|| {
            let batch = Batch::upload(self, rows, &student)?;
            let total = self.room("total", 4)?;
            let records = self.room("stats", size_of_val(stats))?;
            let gradient = match &student.logits {
                RowLogits::Apart(_, g) => Some(self.room("gradient", size_of_val(*g))?),
                RowLogits::Alone(_) | RowLogits::InPlace(_) => None,
            };
            let mut buffers = batch.buffers(rows, strides).total(&total);
            let mut wanted = vec![&total];
            if !stats.is_empty() {
                buffers = buffers.stats(&records);
                wanted.push(&records);
            }
            match (&student.logits, &gradient) {
                (RowLogits::InPlace(_), _) => {
                    buffers = buffers.in_place();
                    wanted.push(&batch.student);
                }
                (_, Some(gradient)) => {
                    buffers = buffers.gradient(gradient).gradient_stride(strides.gradient);
                    wanted.push(gradient);
                }
                (_, None) => {}
            }
            let mut result = 0.0;
            self.finish(self.recorded(&plan.bind(&buffers)?), &wanted, |read| {
                result = bytemuck::pod_read_unaligned(read[0]);
                let mut read = read[1..].iter();
                if !stats.is_empty() {
                    copy(stats, read.next());
                }
                if let (Some(host), Some(device)) = (student.logits.write(), read.next()) {
                    copy_rows(host, device, rows.len(), plan.classes(), strides.gradient);
                }
            })?;
            Ok(result)
        })
    }

    /// The temperatures of dynamic temperature distillation for a batch in host memory, `tau[B]`,
    /// for [`Rows::tau`]; see [`Plan::bind_temperatures`].
    ///
    /// # Errors
    /// As [`Gpu::run`]; [`ArgumentError::Unused`](crate::spec::ArgumentError::Unused) where the specification's temperature is not
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn dtd_temperatures<S: Element, T: Element>(
        &self,
        plan: &Plan,
        rows: &Rows<T>,
        student: &Student<S>,
        tau: &mut [f32],
    ) -> Result<(), Error> {
        check::dtd(plan.spec())?;
        let strides = check::matrices(plan.classes(), rows, student)?;
        check::row_inputs(plan.classes(), rows)?;
        check::length("tau", tau.len(), rows.len(), rows.len())?;
        self.check_plan::<S, T>(&plan.pipelines, plan.options(), "teacher")?;
        if rows.is_empty() {
            return Ok(());
        }
        self.guarded(|| {
            let batch = Batch::upload(self, rows, student)?;
            let on_device = self.room("tau", size_of_val(tau))?;
            let buffers = batch.buffers(rows, strides);
            let call = plan.bind_temperatures(&buffers, &on_device)?;
            self.finish(self.recorded(&call), &[&on_device], |read| {
                copy(tau, read.first());
            })
        })
    }

    pub(super) fn recorded(&self, call: &Call) -> wgpu::CommandEncoder {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        call.record(&mut encoder);
        encoder
    }

    /// A plan is this device's, and made for these types; `other` is what it calls the teacher's.
    pub(super) fn check_plan<S: Element, T: Element>(
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
                return Err(Error::Format {
                    argument,
                    given,
                    planned,
                });
            }
        }
        Ok(())
    }
}

/// What a call reads, on the device.
struct Batch {
    student: wgpu::Buffer,
    teacher: wgpu::Buffer,
    labels: wgpu::Buffer,
    weight: Option<wgpu::Buffer>,
    kd_weight: Option<wgpu::Buffer>,
    tau: Option<wgpu::Buffer>,
}

impl Batch {
    fn upload<S: Element, T: Element>(
        gpu: &Gpu,
        rows: &Rows<T>,
        student: &Student<S>,
    ) -> Result<Self, Error> {
        let vector = |name, values: Option<&[f32]>| {
            let upload = |values| gpu.upload(name, bytemuck::cast_slice(values));
            values.map(upload).transpose()
        };
        Ok(Self {
            student: gpu.upload("student", bytemuck::cast_slice(student.logits.read()))?,
            teacher: gpu.upload("teacher", bytemuck::cast_slice(rows.teacher))?,
            labels: gpu.upload("labels", bytemuck::cast_slice(rows.labels))?,
            weight: vector("weight", rows.weight)?,
            kd_weight: vector("kd_weight", rows.kd_weight)?,
            tau: vector("tau", rows.tau)?,
        })
    }

    fn buffers<T>(&self, rows: &Rows<T>, strides: Strides) -> Buffers<'_> {
        let mut buffers = Buffers::new(rows.len(), &self.student, &self.teacher, &self.labels)
            .student_stride(strides.student)
            .teacher_stride(strides.teacher)
            .upstream(rows.upstream);
        if let Some(weight) = &self.weight {
            buffers = buffers.weight(weight);
        }
        if let Some(kd_weight) = &self.kd_weight {
            buffers = buffers.kd_weight(kd_weight);
        }
        if let Some(tau) = &self.tau {
            buffers = buffers.tau(tau);
        }
        if let Some(counts) = rows.counts {
            buffers = buffers.counts(counts);
        }
        buffers
    }
}

/// The rows of a strided matrix; what lies between them stays the host's.
pub(super) fn copy_rows<P: bytemuck::Pod>(
    host: &mut [P],
    device: &[u8],
    rows: usize,
    width: usize,
    stride: usize,
) {
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
