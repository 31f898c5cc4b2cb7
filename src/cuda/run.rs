//! Batches in host memory: uploaded, run and read back.

use super::current::Current;
use super::error::Error;
use super::gpu::Gpu;
use super::kernels::Kernels;
use super::plan::Plan;
use super::pointers::Pointers;
use super::views::check_formats;
use crate::batch::check::{self, Strides};
use crate::batch::{Element, RowLogits, Rows, Student};
use crate::spec::RowStats;
use bytemuck::{NoUninit, Pod};
use cudarc::driver::{CudaSlice, DevicePtr};
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
    /// [`Error::Device`] and [`Error::OutOfMemory`] are the device's own failures.
    pub fn run<S: Element, T: Element>(
        &self,
        plan: &Plan,
        rows: &Rows<T>,
        mut student: Student<S>,
        stats: &mut [RowStats],
    ) -> Result<f32, Error> {
        let (spec, classes) = (plan.spec(), plan.classes());
        let level = plan.options().level;
        let strides = check::call(spec, level, classes, rows, &student, stats)?;
        self.check_plan::<S, T>(plan)?;
        if rows.is_empty() {
            return Ok(0.0);
        }
        let _current = Current::of(&self.kernels.context)?;
        let batch = Batch::upload(self, plan, rows, &student)?;
        let total = self.upload(&[f32::NAN])?;
        let mut pointers = batch.pointers(self, rows, strides).total(self.at(&total));
        let records = (!stats.is_empty())
            .then(|| self.room(size_of_val(stats)))
            .transpose()?;
        if let Some(records) = &records {
            pointers = pointers.stats(self.at(records));
        }
        let mut apart = None;
        pointers = match &student.logits {
            RowLogits::Alone(_) => pointers,
            RowLogits::InPlace(_) => pointers.in_place(),
            RowLogits::Apart(_, gradient) => {
                let gradient = apart.insert(self.upload(gradient)?);
                pointers
                    .gradient(self.at(gradient))
                    .gradient_stride(strides.gradient)
            }
        };
        // SAFETY: everything was uploaded with the lengths that were checked, on this stream.
        unsafe { plan.launch(self.stream.cu_stream(), &pointers)? };
        if let Some(records) = &records {
            self.download(records, stats)?;
        }
        if let Some(gradient) = student.logits.write() {
            // Between rows lies what was uploaded.
            self.download(apart.as_ref().unwrap_or(&batch.student), gradient)?;
        }
        let mut result = [0.0];
        self.download(&total, &mut result)?;
        self.stream.synchronize()?;
        Ok(result[0])
    }

    /// The temperatures of dynamic temperature distillation for a batch in host memory, `tau[B]`,
    /// for [`Rows::tau`]; see [`Plan::launch_temperatures`].
    ///
    /// # Errors
    /// As [`Gpu::run`]; [`ArgumentError::Unused`](crate::spec::ArgumentError::Unused) where the
    /// specification's temperature is not [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
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
        self.check_plan::<S, T>(plan)?;
        if rows.is_empty() {
            return Ok(());
        }
        let _current = Current::of(&self.kernels.context)?;
        let batch = Batch::upload(self, plan, rows, student)?;
        let out = self.room(size_of_val(tau))?;
        let pointers = batch.pointers(self, rows, strides);
        // SAFETY: everything was uploaded with the lengths that were checked, on this stream.
        unsafe { plan.launch_temperatures(self.stream.cu_stream(), &pointers, self.at(&out))? };
        self.download(&out, tau)?;
        self.stream.synchronize()?;
        Ok(())
    }

    fn check_plan<S: Element, T: Element>(&self, plan: &Plan) -> Result<(), Error> {
        self.check_made(&plan.kernels)?;
        check_formats::<S, T>(plan.options(), "teacher")
    }

    /// Whether a plan was made by this Gpu.
    pub(super) fn check_made(&self, kernels: &Arc<Kernels>) -> Result<(), Error> {
        if Arc::ptr_eq(kernels, &self.kernels) {
            Ok(())
        } else {
            Err(Error::OtherDevice)
        }
    }

    pub(super) fn upload<P: NoUninit>(&self, values: &[P]) -> Result<CudaSlice<u8>, Error> {
        Ok(self
            .stream
            .clone_htod(bytemuck::cast_slice::<P, u8>(values))?)
    }

    pub(super) fn room(&self, bytes: usize) -> Result<CudaSlice<u8>, Error> {
        // SAFETY: kernels write it before anything reads it.
        Ok(unsafe { self.stream.alloc(bytes)? })
    }

    pub(super) fn download<P: Pod>(&self, from: &CudaSlice<u8>, to: &mut [P]) -> Result<(), Error> {
        Ok(self
            .stream
            .memcpy_dtoh(from, bytemuck::cast_slice_mut::<P, u8>(to))?)
    }

    pub(super) fn at(&self, slice: &CudaSlice<u8>) -> u64 {
        slice.device_ptr(&self.stream).0
    }
}

/// What a call reads, on the device, and its workspace.
struct Batch {
    student: CudaSlice<u8>,
    teacher: CudaSlice<u8>,
    labels: CudaSlice<u8>,
    weight: Option<CudaSlice<u8>>,
    kd_weight: Option<CudaSlice<u8>>,
    tau: Option<CudaSlice<u8>>,
    workspace: CudaSlice<u8>,
}

impl Batch {
    fn upload<S: Element, T: Element>(
        gpu: &Gpu,
        plan: &Plan,
        rows: &Rows<T>,
        student: &Student<S>,
    ) -> Result<Self, Error> {
        let vector = |values: Option<&[f32]>| values.map(|values| gpu.upload(values)).transpose();
        Ok(Self {
            student: gpu.upload(student.logits.read())?,
            teacher: gpu.upload(rows.teacher)?,
            labels: gpu.upload(rows.labels)?,
            weight: vector(rows.weight)?,
            kd_weight: vector(rows.kd_weight)?,
            tau: vector(rows.tau)?,
            workspace: gpu.room(plan.workspace_bytes(rows.len()))?,
        })
    }

    fn pointers<T>(&self, gpu: &Gpu, rows: &Rows<T>, strides: Strides) -> Pointers {
        let [student, teacher, labels] =
            [&self.student, &self.teacher, &self.labels].map(|s| gpu.at(s));
        let at = |slice: &Option<CudaSlice<u8>>| slice.as_ref().map(|slice| gpu.at(slice));
        Pointers {
            weight: at(&self.weight),
            kd_weight: at(&self.kd_weight),
            tau: at(&self.tau),
            counts: rows.counts,
            ..Pointers::new(rows.len(), student, teacher, labels)
                .student_stride(strides.student)
                .teacher_stride(strides.teacher)
                .upstream(rows.upstream)
                .workspace(gpu.at(&self.workspace))
        }
    }
}
