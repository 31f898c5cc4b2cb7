//! Batches in host memory: uploaded, run and read back.

use super::super::error::Error;
use super::super::gpu::Gpu;
use super::super::run::{copy, copy_rows};
use super::buffers::FeatureBuffers;
use super::plan::FeaturePlan;
use crate::batch::check;
use crate::batch::{Element, FeatureRows, RowLogits, Student};

impl Gpu {
    /// Runs a feature loss over a batch in host memory, as the CPU engine's `run` does: returns
    /// `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, writes the gradient `∂total/∂x` where
    /// `student` has room for it, and each row's distance, without sign, weight and upstream, to
    /// `distances` (an empty slice for none). Blocks until that is done; the batch goes to the device
    /// and back each time.
    ///
    /// # Errors
    /// [`Error::Argument`] is what the CPU engine would refuse, and nothing is written;
    /// [`Error::TooLarge`] what this device cannot hold; [`Error::Device`] and
    /// [`Error::OutOfMemory`] are the device's own failures.
    pub fn run_features<S: Element, T: Element>(
        &self,
        plan: &FeaturePlan,
        rows: &FeatureRows<T>,
        mut student: Student<S>,
        distances: &mut [f32],
    ) -> Result<f32, Error> {
        let strides = check::features(plan.width(), rows, &student, distances)?;
        self.check_plan::<S, T>(&plan.pipelines, plan.options(), "target")?;
        if rows.rows == 0 {
            return Ok(0.0);
        }
        self.guarded(|| {
            let x = self.upload("student", bytemuck::cast_slice(student.logits.read()))?;
            let y = self.upload("target", bytemuck::cast_slice(rows.target))?;
            let weight = rows.weight.map(bytemuck::cast_slice);
            let weight = weight.map(|w| self.upload("weight", w)).transpose()?;
            let total = self.room("total", 4)?;
            let records = self.room("distances", 4 * rows.rows)?;
            let gradient = match &student.logits {
                RowLogits::Apart(_, g) => Some(self.room("gradient", size_of_val(*g))?),
                RowLogits::Alone(_) | RowLogits::InPlace(_) => None,
            };
            let mut buffers = FeatureBuffers::new(rows.rows, &x, &y)
                .student_stride(strides.student)
                .target_stride(strides.teacher)
                .upstream(rows.upstream)
                .counted(rows.counted() as u64)
                .distances(&records)
                .total(&total);
            if let Some(weight) = &weight {
                buffers = buffers.weight(weight);
            }
            let mut wanted = vec![&total, &records];
            match (&student.logits, &gradient) {
                (RowLogits::InPlace(_), _) => {
                    buffers = buffers.in_place();
                    wanted.push(&x);
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
                copy(distances, read.get(1));
                if let (Some(host), Some(device)) = (student.logits.write(), read.get(2)) {
                    copy_rows(host, device, rows.rows, plan.width(), strides.gradient);
                }
            })?;
            Ok(result)
        })
    }
}
