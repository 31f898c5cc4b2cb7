//! Batches in the host's memory: uploaded, run and read back.

use super::current::Current;
use super::error::Error;
use super::feature::FeaturePlan;
use super::gpu::Gpu;
use super::kernels::Kernels;
use super::operands::check_formats;
use super::plan::Plan;
use crate::batch::{
    Address, Batch, Element, FeatureBatch, Place, RawBatch, RawFeatureBatch, TypedAddress,
    Upstream, check, weighted, written,
};
use bytemuck::{NoUninit, Pod};
use cudarc::driver::{CudaSlice, DevicePtr};
use std::sync::Arc;

impl Gpu {
    /// Runs the row program over a batch in the host's memory, as the CPU engine's `run` does: returns
    /// `total = upstream · Σ_b loss_b · inv_n`, and writes it, the gradient `∂total/∂s` and one record
    /// per row, each where the batch has room for it. Blocks until that is done; the batch goes to the
    /// device and back each time. The workspace is this Gpu's own: the batch needs none.
    ///
    /// # Errors
    /// [`Error::Argument`] is what the CPU engine would refuse, and nothing is written;
    /// [`Error::Device`] and [`Error::OutOfMemory`] are the device's own failures.
    pub fn run<S: Element, T: Element>(
        &self,
        plan: &Plan,
        mut batch: Batch<S, T>,
    ) -> Result<f32, Error> {
        check::call(plan.spec(), plan.options().level, plan.classes(), &batch)?;
        self.check_made(&plan.launcher.kernels)?;
        check_formats([S::FORMAT, T::FORMAT], plan.options(), "teacher")?;
        let mut result = 0.0;
        let total = batch.total.take();
        if batch.rows > 0 {
            let bytes = plan.workspace_bytes(batch.rows);
            let mut device = Transfers::new(self)?;
            let raw = device.logits(batch.total(&mut result), bytes)?;
            // SAFETY: everything was uploaded with the lengths that were checked, on this stream.
            unsafe { plan.launch_raw(self.stream.cu_stream(), &raw)? };
            device.finish()?;
        }
        Ok(written(result, total))
    }

    /// The temperatures of dynamic temperature distillation for a batch in the host's memory, `tau[B]`,
    /// for [`HostBatch::tau`](Batch::tau); see [`Plan::launch_temperatures`].
    ///
    /// # Errors
    /// As [`Gpu::run`]; [`ArgumentError::Unused`](crate::spec::ArgumentError::Unused) where the
    /// specification's temperature is not [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn dtd_temperatures<S: Element, T: Element>(
        &self,
        plan: &Plan,
        batch: &Batch<S, T>,
        tau: &mut [f32],
    ) -> Result<(), Error> {
        check::dtd(plan.spec())?;
        let strides = check::matrices(plan.classes(), batch)?;
        check::row_inputs(plan.classes(), batch)?;
        check::length("tau", tau.len(), batch.rows, batch.rows)?;
        self.check_made(&plan.launcher.kernels)?;
        check_formats([S::FORMAT, T::FORMAT], plan.options(), "teacher")?;
        if batch.rows == 0 {
            return Ok(());
        }
        let read = Batch {
            weight: batch.weight,
            kd_weight: batch.kd_weight,
            ..Batch::new(
                batch.rows,
                batch.student.read(),
                batch.teacher,
                batch.labels,
            )
        };
        let read = read
            .student_stride(strides.student)
            .teacher_stride(strides.teacher);
        let mut device = Transfers::new(self)?;
        let raw = device.logits(read, plan.workspace_bytes(batch.rows))?;
        let tau = device.output(tau)?;
        // SAFETY: everything was uploaded with the lengths that were checked, on this stream.
        unsafe { plan.launch_raw_temperatures(self.stream.cu_stream(), &raw, tau)? };
        device.finish()
    }

    /// Runs a feature loss over a batch in the host's memory, as the CPU engine's `run` does: returns
    /// `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, and writes it, the gradient `∂total/∂x` and
    /// each row's distance, each where the batch has room for it. Blocks until that is done; the batch
    /// goes to the device and back each time. The workspace is this Gpu's own: the batch needs none.
    ///
    /// # Errors
    /// As [`Gpu::run`].
    pub fn run_features<S: Element, T: Element>(
        &self,
        plan: &FeaturePlan,
        mut batch: FeatureBatch<S, T>,
    ) -> Result<f32, Error> {
        check::features(plan.width(), &batch)?;
        self.check_made(&plan.launcher.kernels)?;
        check_formats([S::FORMAT, T::FORMAT], plan.options(), "target")?;
        let mut result = 0.0;
        let total = batch.total.take();
        if batch.rows > 0 {
            let bytes = plan.workspace_bytes(batch.rows);
            let mut device = Transfers::new(self)?;
            let raw = device.features(batch.total(&mut result), bytes)?;
            // SAFETY: everything was uploaded with the lengths that were checked, on this stream.
            unsafe { plan.launch_raw(self.stream.cu_stream(), &raw)? };
            device.finish()?;
        }
        Ok(written(result, total))
    }

    /// Whether a plan was made by this Gpu.
    fn check_made(&self, kernels: &Arc<Kernels>) -> Result<(), Error> {
        if Arc::ptr_eq(kernels, &self.kernels) {
            Ok(())
        } else {
            Err(Error::OtherDevice)
        }
    }
}

/// What a call has on the device, freed when it is dropped; what it writes goes back where it belongs.
struct Transfers<'a> {
    gpu: &'a Gpu,
    inputs: Vec<CudaSlice<u8>>,
    outputs: Vec<(CudaSlice<u8>, &'a mut [u8])>,
    /// Outlives what is freed before it.
    _current: Current,
}

impl<'a> Transfers<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self, Error> {
        Ok(Self {
            gpu,
            inputs: Vec::new(),
            outputs: Vec::new(),
            _current: Current::of(&gpu.kernels.context)?,
        })
    }

    /// A checked batch of logits, with a workspace of so many bytes.
    fn logits<S: Element, T: Element>(
        &mut self,
        batch: Batch<'a, S, T>,
        workspace: usize,
    ) -> Result<RawBatch, Error> {
        Ok(RawBatch {
            rows: batch.rows,
            student: self.student(batch.student)?,
            student_stride: batch.student_stride,
            teacher: self.matrix(batch.teacher)?,
            teacher_stride: batch.teacher_stride,
            labels: self.input(batch.labels)?,
            gradient: batch.gradient.map(|g| self.exchanged(g)).transpose()?,
            gradient_stride: batch.gradient_stride,
            weight: batch.weight.map(|w| self.input(w)).transpose()?,
            kd_weight: batch.kd_weight.map(|w| self.input(w)).transpose()?,
            tau: batch.tau.map(|tau| self.input(tau)).transpose()?,
            upstream: Upstream::Known(batch.upstream.value()),
            counts: batch.counts,
            stats: batch.stats.map(|stats| self.output(stats)).transpose()?,
            total: batch.total.map(|total| self.scalar(total)).transpose()?,
            workspace: Some(self.room(workspace)?),
        })
    }

    /// A checked batch of features, with a workspace of so many bytes.
    fn features<S: Element, T: Element>(
        &mut self,
        batch: FeatureBatch<'a, S, T>,
        workspace: usize,
    ) -> Result<RawFeatureBatch, Error> {
        let count = || weighted(batch.rows, batch.weight);
        Ok(RawFeatureBatch {
            rows: batch.rows,
            counted: Some(batch.counted.unwrap_or_else(count)),
            student: self.student(batch.student)?,
            student_stride: batch.student_stride,
            target: self.matrix(batch.target)?,
            target_stride: batch.target_stride,
            gradient: batch.gradient.map(|g| self.exchanged(g)).transpose()?,
            gradient_stride: batch.gradient_stride,
            weight: batch.weight.map(|w| self.input(w)).transpose()?,
            upstream: Upstream::Known(batch.upstream.value()),
            distances: batch.distances.map(|d| self.output(d)).transpose()?,
            total: batch.total.map(|total| self.scalar(total)).transpose()?,
            workspace: Some(self.room(workspace)?),
        })
    }

    fn student<S: Element>(
        &mut self,
        student: Place<&'a [S], &'a mut [S]>,
    ) -> Result<Place<TypedAddress, TypedAddress>, Error> {
        Ok(match student {
            Place::Read(rows) => Place::Read(self.matrix(rows)?),
            Place::InPlace(rows) => Place::InPlace(self.exchanged(rows)?),
        })
    }

    /// Rows that are read.
    fn matrix<E: Element>(&mut self, rows: &[E]) -> Result<TypedAddress, Error> {
        let (address, format) = (self.input(rows)?, E::FORMAT);
        Ok(TypedAddress { address, format })
    }

    /// Rows that are written: between them lies on the way back what was uploaded.
    fn exchanged<E: Element>(&mut self, rows: &'a mut [E]) -> Result<TypedAddress, Error> {
        let slice = self.upload(rows)?;
        let (address, format) = (self.goes_back(slice, rows), E::FORMAT);
        Ok(TypedAddress { address, format })
    }

    fn input<P: NoUninit>(&mut self, values: &[P]) -> Result<Address, Error> {
        let slice = self.upload(values)?;
        Ok(self.stays(slice))
    }

    /// Values that are all written.
    fn output<P: Pod>(&mut self, values: &'a mut [P]) -> Result<Address, Error> {
        let slice = self.alloc(size_of_val(values))?;
        Ok(self.goes_back(slice, values))
    }

    /// A number that is NaN until it is written.
    fn scalar(&mut self, value: &'a mut f32) -> Result<Address, Error> {
        let slice = self.upload(&[f32::NAN])?;
        Ok(self.goes_back(slice, std::slice::from_mut(value)))
    }

    fn room(&mut self, bytes: usize) -> Result<Address, Error> {
        let slice = self.alloc(bytes)?;
        Ok(self.stays(slice))
    }

    fn upload<P: NoUninit>(&self, values: &[P]) -> Result<CudaSlice<u8>, Error> {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        Ok(self.gpu.stream.clone_htod(bytes)?)
    }

    fn alloc(&self, bytes: usize) -> Result<CudaSlice<u8>, Error> {
        // SAFETY: kernels write it before anything reads it.
        Ok(unsafe { self.gpu.stream.alloc(bytes)? })
    }

    fn stays(&mut self, slice: CudaSlice<u8>) -> Address {
        let address = slice.device_ptr(&self.gpu.stream).0;
        self.inputs.push(slice);
        address.into()
    }

    fn goes_back<P: Pod>(&mut self, slice: CudaSlice<u8>, to: &'a mut [P]) -> Address {
        let address = slice.device_ptr(&self.gpu.stream).0;
        self.outputs.push((slice, bytemuck::cast_slice_mut(to)));
        address.into()
    }

    /// Reads back what was written, and waits for it.
    fn finish(self) -> Result<(), Error> {
        for (from, to) in self.outputs {
            self.gpu.stream.memcpy_dtoh(&from, to)?;
        }
        Ok(self.gpu.stream.synchronize()?)
    }
}
