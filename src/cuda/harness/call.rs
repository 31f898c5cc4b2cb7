//! One launch, or the few of a plan, with everything that it needs.

use super::super::error::Error;
use super::super::feature::FeaturePlan;
use super::super::kernels::Function;
use super::super::plan::Plan;
use super::operation::{Kernel, Operation};
use crate::batch::{Address, RawBatch, RawFeatureBatch};
use cudarc::driver::result;
use cudarc::driver::sys::CUstream;
use std::sync::Arc;

/// A call on a queue. Two that are equal do the same.
pub(super) enum Call {
    Operation(Kernel, Operation),
    Row(Arc<Plan>, RawBatch),
    /// The temperatures of a batch, and where they go.
    Temperatures(Arc<Plan>, RawBatch, Address),
    Feature(Arc<FeaturePlan>, RawFeatureBatch),
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Operation(a, x), Self::Operation(b, y)) => a == b && x == y,
            (Self::Row(a, x), Self::Row(b, y)) => Arc::ptr_eq(a, b) && x == y,
            (Self::Temperatures(a, x, to), Self::Temperatures(b, y, at)) => {
                Arc::ptr_eq(a, b) && x == y && to == at
            }
            (Self::Feature(a, x), Self::Feature(b, y)) => Arc::ptr_eq(a, b) && x == y,
            _ => false,
        }
    }
}

impl Call {
    /// Whether this is what a batch begins with.
    pub(super) fn gathers(&self) -> bool {
        matches!(self, Self::Operation(Kernel::Gather, _))
    }

    /// Launches it; nothing is allocated, nothing waits.
    ///
    /// # Safety
    /// Every address is that of memory of the stream's context, large enough for what the call says,
    /// and stays so until the stream has carried it out. `functions` are the kernels in their order.
    pub(super) unsafe fn launch(
        &self,
        stream: CUstream,
        functions: &[Function],
        processors: u32,
    ) -> Result<(), Error> {
        match self {
            Self::Operation(kernel, operation) => {
                let (blocks, threads) = kernel.geometry(operation, processors);
                let mut operation = *operation;
                let function = functions[*kernel as usize].cu_function();
                let mut arguments = [(&raw mut operation).cast()];
                // SAFETY: the kernel takes this block, which the driver copies; the rest is the
                // caller's.
                unsafe {
                    result::launch_kernel(
                        function,
                        (blocks, 1, 1),
                        (threads, 1, 1),
                        0,
                        stream,
                        &mut arguments,
                    )?;
                }
                Ok(())
            }
            // SAFETY: the caller's.
            Self::Row(plan, batch) => unsafe { plan.launch_raw(stream, batch) },
            Self::Temperatures(plan, batch, to) => {
                // SAFETY: the caller's.
                unsafe { plan.launch_raw_temperatures(stream, batch, *to) }
            }
            // SAFETY: the caller's.
            Self::Feature(plan, batch) => unsafe { plan.launch_raw(stream, batch) },
        }
    }
}
