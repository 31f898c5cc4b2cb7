//! The engines and the oracle, as an embedder meets them: one program for all, because each test program
//! links the whole crate.

mod allocations;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(all(feature = "cuda", feature = "wgpu"))]
mod docs;
mod feature;
mod parity;
mod reference;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "wgpu")]
mod wgsl;
