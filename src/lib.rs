//! Fused knowledge-distillation kernels.
pub mod cpu;
pub mod reference;
pub mod spec;

#[cfg(feature = "train")]
pub mod auto;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
mod engine;
#[cfg(feature = "train")]
mod nn;
#[cfg(feature = "train")]
mod random;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "train")]
pub mod train;
