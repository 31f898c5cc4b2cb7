//! Losses over rows: the embedding's calls, bound once to each set of the harness's buffers.

use super::{Buf, Harness};
use crate::batch::check;
use crate::engine::{self, EngineError, RowBatch};
use crate::spec::{FeatureSpec, LossSpec, RowStats, StatsLevel, Temperature};
use crate::wgsl::batch::{Batch, FeatureBatch};
use crate::wgsl::call::Call;
use crate::wgsl::error::Error;
use crate::wgsl::feature::FeaturePlan;
use crate::wgsl::gpu::Gpu;
use crate::wgsl::options::Options;
use crate::wgsl::plan::Plan;
use crate::wgsl::run::copy;
use std::rc::Rc;

/// A loss over rows of so many classes.
pub(crate) struct Loss {
    /// Gradients, and records.
    plans: [(u32, Plan); 2],
}

/// A feature loss over rows of so many features.
pub(crate) struct FeatureLoss {
    number: u32,
    plan: FeaturePlan,
}

impl Harness<'_> {
    pub(super) fn loss(&mut self, spec: &LossSpec, classes: usize) -> Result<Loss, EngineError> {
        let mut plan = |level| -> Result<_, Error> {
            let plan = self
                .gpu
                .plan(spec, classes, Options::default().level(level))?;
            Ok((self.number(), plan))
        };
        let plans = [plan(StatsLevel::None)?, plan(StatsLevel::Full)?];
        Ok(Loss { plans })
    }

    pub(super) fn feature_loss(
        &mut self,
        spec: &FeatureSpec,
        width: usize,
    ) -> Result<FeatureLoss, EngineError> {
        let plan = self.gpu.feature_plan(spec, width, Options::default())?;
        let number = self.number();
        Ok(FeatureLoss { number, plan })
    }

    pub(super) fn row_program(
        &mut self,
        loss: &Loss,
        batch: RowBatch<Self>,
    ) -> Result<(), EngineError> {
        let RowBatch {
            rows,
            student,
            teacher,
            labels,
            weights,
            total,
        } = batch;
        let (number, plan) = &loss.plans[0];
        let of_batch = Rc::clone(&self.of_batch);
        let [weight, kd_weight] = weights.map_or([None; 2], |both| both.map(Some));
        let bound = [
            Some(&*student),
            Some(teacher),
            Some(labels),
            weight,
            kd_weight,
        ];
        self.attempt(|all| {
            all.call(*number, rows, bound, |gpu| {
                let [student, teacher, labels] =
                    [student, teacher, labels].map(|buf| &buf.room.buffer);
                let mut batch =
                    Batch::in_place(rows, student, teacher, labels).total(&of_batch.room.buffer);
                if let Some([weight, kd_weight]) = weights {
                    batch = batch
                        .weight(&weight.room.buffer)
                        .kd_weight(&kd_weight.room.buffer);
                }
                with_temperatures(gpu, plan, &batch)
            })
        })?;
        self.add_total(&of_batch, total);
        Ok(())
    }

    /// Full records, read back.
    pub(super) fn records(
        &mut self,
        loss: &Loss,
        rows: usize,
        matrices: [&Buf; 3],
    ) -> Result<Vec<RowStats>, EngineError> {
        let (number, plan) = &loss.plans[1];
        let on_device = self.zeroed(rows * size_of::<RowStats>() / 4);
        let [student, teacher, labels] = matrices.map(Some);
        let bound = [student, teacher, labels, Some(&on_device), None];
        let mut records = vec![RowStats::default(); rows];
        self.attempt(|all| {
            all.call(*number, rows, bound, |gpu| {
                let [student, teacher, labels] = matrices.map(|buf| &buf.room.buffer);
                let batch = Batch::new(rows, student, teacher, labels);
                with_temperatures(gpu, plan, &batch.stats(&on_device.room.buffer))
            })?;
            let read = |read: &[&[u8]]| copy(&mut records, read.first());
            all.queue.read(&[&on_device.room.buffer], read)
        })?;
        Ok(records)
    }

    pub(super) fn feature_row(
        &mut self,
        loss: &FeatureLoss,
        batch: engine::FeatureBatch<Self>,
    ) -> Result<(), EngineError> {
        let engine::FeatureBatch {
            rows,
            student,
            target,
            weight,
            upstream,
            total,
        } = batch;
        let (of_batch, lambda) = (Rc::clone(&self.of_batch), Rc::clone(&self.lambda));
        let bound = [Some(&*student), Some(target), weight, None, None];
        self.attempt(|all| {
            check::upstream(upstream)?;
            all.queue.put(upstream, &lambda.room.buffer)?;
            all.call(loss.number, rows, bound, |_| {
                let mut batch =
                    FeatureBatch::in_place(rows, &student.room.buffer, &target.room.buffer)
                        .upstream_at(&lambda.room.buffer)
                        .total(&of_batch.room.buffer);
                if let Some(weight) = weight {
                    batch = batch.weight(&weight.room.buffer);
                }
                Ok(vec![loss.plan.bind(&batch)?])
            })
        })?;
        self.add_total(&of_batch, total);
        Ok(())
    }

    /// Adds the total of a batch to the caller's.
    fn add_total(&mut self, of_batch: &Buf, total: &mut Buf) {
        use crate::engine::Engine;
        let first = Rc::clone(&self.first);
        self.add_columns(of_batch, &first, 1, total, 1);
    }
}

/// The row program, and before it the temperatures of the batch where the loss has dynamic ones.
fn with_temperatures(gpu: &Gpu, plan: &Plan, batch: &Batch) -> Result<Vec<Call>, Error> {
    if !matches!(plan.spec().temperature(), Temperature::Dtd(_)) {
        return Ok(vec![plan.bind(batch)?]);
    }
    let tau = gpu.room("tau", 4 * batch.rows)?;
    Ok(vec![
        plan.bind_temperatures(batch, &tau)?,
        plan.bind(&batch.tau(&tau))?,
    ])
}
