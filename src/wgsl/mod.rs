//! The WGSL engine: any GPU that Vulkan, Metal or Direct3D 12 reach, through [`wgpu`].
//!
//! It works on the caller's device. A [`Plan`] is made once per loss and number of classes;
//! [`Plan::bind`] checks a [`Batch`] of buffers and binds them; [`Call::record`] puts the dispatches
//! into the caller's encoder and does nothing else, as often as the buffers' contents change:
//!
//! ```no_run
//! use fused_kd::spec::Preset;
//! use fused_kd::wgsl::{Batch, Options, Plan, wgpu};
//!
//! # fn step(
//! #     device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder,
//! #     [student, teacher, labels, stats, total]: [&wgpu::Buffer; 5],
//! # ) -> Result<(), fused_kd::wgsl::Error> {
//! let plan = Plan::new(device, &Preset::Lr.spec(), 1000, Options::default())?;
//! let batch = Batch::in_place(256, student, teacher, labels) // the gradient replaces the logits
//!     .stats(stats)
//!     .total(total);
//! let call = plan.bind(&batch)?;
//! call.record(encoder);
//! # Ok(())
//! # }
//! ```
//!
//! Logits are f32, f16 or bf16 ([`Options::formats`]); records and everything else are f32, i32 and
//! u32, little endian, as [`RowStats`](crate::spec::RowStats) lays them out. What a batch has no room
//! for is not written. Batches beyond the device's bindings or grids are dispatched in chunks of rows;
//! [`Plan`] says which path runs.
//!
//! Those who have no device take a [`Gpu`], which runs a [`HostBatch`], a batch in host memory, as the
//! CPU engine does:
//!
//! ```no_run
//! use fused_kd::spec::{Preset, RowStats};
//! use fused_kd::wgsl::{Gpu, GpuOptions, HostBatch, Options};
//!
//! let gpu = Gpu::new(&GpuOptions::default())?;
//! let plan = gpu.plan(&Preset::Lr.spec(), 3, Options::default())?;
//! let (teacher, labels) = ([2.0_f32, 1.0, 0.0, 0.0, 3.0, 1.0], [0, 0]);
//! let mut student = [0.1_f32, 0.2, 0.3, 1.0, 0.0, -1.0];
//! let mut stats = [RowStats::default(); 2];
//! let batch = HostBatch::in_place(2, &mut student, &teacher, &labels).stats(&mut stats);
//! let loss = gpu.run(&plan, batch)?;
//! assert!(loss > 0.0 && stats[1].beta < 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`FeaturePlan`] is the same for features: normalised distances of `[B, D]` from a target's, and
//! their gradient, in one dispatch over a [`FeatureBatch`].
//!
//! Losses and gradients agree with the [`reference`](mod@crate::reference) as `|Δ| ≤ 5e-5·|loss| +
//! 5e-6·w(λ_kd τ² + λ_ce)` and `|Δ| ≤ 5e-6·max(max_c |g_c|, G)`. The same input at the same places
//! gives the same bits on the same device.

mod arguments;
mod batch;
mod binder;
mod call;
mod chunk;
#[doc(hidden)]
pub mod described;
mod error;
mod feature;
mod gpu;
#[cfg(feature = "train")]
mod harness;
mod kernel;
mod layout;
mod limits;
mod memory;
mod options;
mod pieces;
mod pipelines;
mod plan;
mod regime;
mod run;
mod setup;
#[cfg(test)]
mod shaders;
mod source;
mod transfer;
mod workspace;

pub use crate::batch::{Batch as HostBatch, Counts, Element, FeatureBatch as HostFeatureBatch};
pub use batch::{Batch, FeatureBatch, Slice};
pub use call::Call;
pub use error::{Error, Unavailable};
pub use feature::FeaturePlan;
pub use gpu::{Gpu, GpuOptions};
#[cfg(feature = "train")]
pub(crate) use harness::Harness;
pub use options::{Checks, Options, Regime, Subgroups};
pub use plan::Plan;
pub use wgpu;
