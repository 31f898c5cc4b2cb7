//! The WGSL engine's own promises, beside agreement with the oracle: what it refuses, where it
//! writes, and that neither strides, offsets, chunks nor grids change a bit.

mod arguments;
mod chunks;
mod embedding;
mod features;
mod gpu;
mod numbers;
mod regimes;
mod rig;
