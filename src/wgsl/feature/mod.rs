//! Distances of feature vectors: the row program's bindings, reductions and chunks, with a kernel of
//! their own.

mod arguments;
mod buffers;
mod call;
mod kernel;
mod plan;
mod run;

pub use buffers::FeatureBuffers;
#[cfg(test)]
pub(super) use kernel::{Kernel, Shape};
pub use plan::FeaturePlan;
