//! The harness's operations on a GPU: everything stays in device memory, on one stream.

mod call;
mod engine;
mod memory;
mod operation;
mod queue;
#[cfg(test)]
mod tests;

use super::current::Guarded;
use super::error::Error;
use super::feature::FeaturePlan;
use super::gpu::Gpu;
use super::plan::Plan;
use crate::batch::RawBatch;
use crate::engine::EngineError;
use crate::spec::Temperature;
use bytemuck::Zeroable;
use call::Call;
use memory::Buf;
use operation::{Kernel, Operation};
use queue::Queue;
use std::sync::Arc;

/// One training run's engine: a stream, and what calls share.
pub(crate) struct Harness {
    queue: Guarded<Queue>,
    /// The temperatures of a batch, where the loss has its own per row.
    tau: Buf,
    workspace: Buf,
    /// The total of one batch.
    total: Buf,
}

/// A loss over rows of so many classes, without records and with all of them.
pub(crate) struct RowPlans {
    loss: Arc<Plan>,
    full: Arc<Plan>,
}

impl Harness {
    /// An engine on this device, with a stream of its own.
    pub(crate) fn new(gpu: &Gpu) -> Result<Self, Error> {
        let mut queue = Guarded::new(Queue::new(&gpu.kernels)?);
        let [tau, workspace, total] = [0, 0, 1].map(|len| queue.zeros(len));
        Ok(Self {
            queue,
            tau,
            workspace,
            total,
        })
    }

    /// Queues an operation over so many elements.
    fn operate(&mut self, kernel: Kernel, elements: usize, operation: Operation) {
        if elements >= 1 << 31 {
            self.queue.fail(Error::Rows { given: elements });
        } else if elements > 0 {
            self.queue.push(Call::Operation(kernel, operation));
        }
    }

    /// `into[0] += self.total[0]`.
    fn add_total(&mut self, into: &mut Buf) {
        let operation = Operation {
            a: self.total.at(1),
            out: into.at(1),
            rows: 1,
            columns: 1,
            ..Operation::zeroed()
        };
        self.operate(Kernel::BiasRelu, 1, operation);
    }

    /// The address of a workspace of so many bytes.
    fn workspace(&mut self, bytes: usize) -> u64 {
        let words = bytes.div_ceil(4);
        if self.workspace.len() < words {
            self.workspace = self.queue.zeros(words);
        }
        self.workspace.at(words)
    }

    /// Queues the row program of a plan, and before it the temperatures that the loss has of its own.
    fn run_rows(&mut self, plan: &Arc<Plan>, batch: RawBatch) {
        let rows = batch.rows;
        let mut batch = batch.workspace(self.workspace(plan.workspace_bytes(rows)));
        if matches!(plan.spec().temperature(), Temperature::Dtd(_)) {
            if self.tau.len() < rows {
                self.tau = self.queue.zeros(rows);
            }
            let tau = self.tau.at(rows);
            let call = Call::Temperatures(Arc::clone(plan), batch, tau.into());
            self.queue.push(call);
            batch = batch.tau(tau);
        }
        self.queue.push(Call::Row(Arc::clone(plan), batch));
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            Error::Spec(error) => Self::Spec(error),
            Error::Argument(error) => Self::Argument(error),
            other => Self::Device(other.to_string()),
        }
    }
}
