//! Distances of feature vectors: the row program's arguments, reductions and chunks, with a kernel of
//! their own.

mod kernel;
mod plan;

#[cfg(test)]
pub(super) use kernel::{Kernel, Shape};
pub use plan::FeaturePlan;
