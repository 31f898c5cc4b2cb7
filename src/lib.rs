//! Fused knowledge-distillation kernels.
pub mod spec;

#[cfg(feature = "train")]
pub mod data;
