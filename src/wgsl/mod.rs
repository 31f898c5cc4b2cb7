//! The WGSL engine: any GPU that Vulkan, Metal or Direct3D 12 reach, through [`wgpu`].

mod arguments;
mod buffers;
mod call;
mod chunk;
mod error;
mod gpu;
mod kernel;
mod layout;
mod options;
mod pieces;
mod pipelines;
mod plan;
mod regime;
mod run;
#[cfg(test)]
mod shaders;
mod source;
mod transfer;
mod workspace;

pub use crate::batch::{Counts, Element, Rows, Student};
pub use buffers::{Buffers, Slice};
pub use call::Call;
pub use error::{Error, Unavailable};
pub use gpu::{Gpu, GpuOptions};
pub use options::{Checks, Options, Regime, Subgroups};
pub use plan::Plan;
pub use wgpu;
