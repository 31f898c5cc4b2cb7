//! Fused knowledge-distillation kernels.
#[cfg(feature = "train")]
pub mod data;
#[cfg(feature = "train")]
mod random;
