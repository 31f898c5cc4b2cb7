//! Batches in host memory: uploaded, run and read back.

use super::super::current::Current;
use super::super::error::Error;
use super::super::gpu::Gpu;
use super::super::views::check_formats;
use super::plan::FeaturePlan;
use super::pointers::FeaturePointers;
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
    /// [`Error::Device`] and [`Error::OutOfMemory`] are the device's own failures.
    pub fn run_features<S: Element, T: Element>(
        &self,
        plan: &FeaturePlan,
        rows: &FeatureRows<T>,
        mut student: Student<S>,
        distances: &mut [f32],
    ) -> Result<f32, Error> {
        let strides = check::features(plan.width(), rows, &student, distances)?;
        self.check_made(&plan.kernels)?;
        check_formats::<S, T>(plan.options(), "target")?;
        if rows.rows == 0 {
            return Ok(0.0);
        }
        let _current = Current::of(&self.kernels.context)?;
        let x = self.upload(student.logits.read())?;
        let y = self.upload(rows.target)?;
        let weight = rows.weight.map(|w| self.upload(w)).transpose()?;
        let total = self.upload(&[f32::NAN])?;
        let workspace = self.room(plan.workspace_bytes(rows.rows))?;
        let records = self.room(4 * rows.rows)?;
        let mut pointers = FeaturePointers {
            weight: weight.as_ref().map(|w| self.at(w)),
            ..FeaturePointers::new(rows.rows, self.at(&x), self.at(&y))
        }
        .student_stride(strides.student)
        .target_stride(strides.teacher)
        .upstream(rows.upstream)
        .counted(rows.counted() as u64)
        .distances(self.at(&records))
        .total(self.at(&total))
        .workspace(self.at(&workspace));
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
        if !distances.is_empty() {
            self.download(&records, distances)?;
        }
        if let Some(gradient) = student.logits.write() {
            // Between rows lies what was uploaded.
            self.download(apart.as_ref().unwrap_or(&x), gradient)?;
        }
        let mut result = [0.0];
        self.download(&total, &mut result)?;
        self.stream.synchronize()?;
        Ok(result[0])
    }
}
