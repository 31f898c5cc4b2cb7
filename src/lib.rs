//! Fused knowledge-distillation kernels.
pub mod reference;
pub mod spec;

#[cfg(feature = "train")]
pub mod data;
