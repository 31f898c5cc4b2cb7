//! The CUDA engine: NVIDIA GPUs from Ampere on, through [`cudarc`]. The kernels are embedded as PTX:
//! users need a driver, and neither CUDA nor a C++ compiler.
//!
//! A [`Plan`] is made once per loss, number of classes and context; [`Plan::launch`] takes a stream and a
//! [`Batch`] of cudarc's slices or views, [`Plan::launch_raw`] a [`RawBatch`] of addresses in device
//! memory. [`Gpu`] is for callers that have neither, and takes a [`HostBatch`]:
//!
//! ```
//! use fused_kd::cuda::{Gpu, HostBatch, Options};
//! use fused_kd::spec::{Preset, RowStats};
//!
//! let gpu = match Gpu::new(0) {
//!     Ok(gpu) => gpu,
//!     Err(unavailable) => {
//!         println!("{unavailable}"); // no driver, no device, or too old a one
//!         return Ok(());
//!     }
//! };
//! let plan = gpu.plan(&Preset::Lr.spec(), 3, Options::default())?;
//! let mut student = [0.1_f32, 0.2, 0.3, 1.0, 0.0, -1.0];
//! let (teacher, labels) = ([2.0_f32, 1.0, 0.0, 0.0, 3.0, 1.0], [0, 0]);
//! let mut stats = [RowStats::default(); 2];
//! let batch = HostBatch::in_place(2, &mut student, &teacher, &labels); // the gradient replaces the logits
//! let loss = gpu.run(&plan, batch.stats(&mut stats))?;
//! assert!(loss > 0.0 && stats[1].beta < 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`FeaturePlan`] is the same for features: normalised distances of `[B, D]` from a target's, and
//! their gradient, in one launch on a [`FeatureBatch`] or a [`RawFeatureBatch`].
//!
//! # Beside PyTorch
//!
//! PyTorch and this engine share a device's primary context, and with it addresses and streams. PyTorch
//! takes the thread's current context for its current device, so every call here, [`Gpu::new`], the making
//! of plans and all destructors included, leaves the current context as it found it, on any thread.
//! [`cudarc`]'s own calls do not: what you allocate, copy or drop through it, on [`Gpu::stream`] too, makes
//! its context current, and putting yours back is up to you.
//!
//! Making a plan loads all that its calls launch, so that a plan that has never run can be captured in a
//! graph. Make it before the capture: loading kernels during one is [`Error::Capturing`], unless its mode is
//! the relaxed one, and launching into a stream whose capture that has invalidated is
//! [`Error::CaptureInvalidated`]. Keep the plan as long as the graph: the kernels are the plan's. Where
//! the gradient from above comes late, [`Plan::scale_gradient`] multiplies by it without waiting.
//!
//! Losses and gradients agree with the [`reference`](crate::reference) as `|Δ| ≤ 5e-5·|loss| +
//! 5e-6·w(λ_kd τ² + λ_ce)` and `|Δ| ≤ 5e-6·max(max_c |g_c|, G)`. The same input gives the same bits,
//! run after run, on the same device.

mod arguments;
mod current;
mod driver;
mod error;
mod feature;
mod gpu;
#[cfg(feature = "train")]
mod harness;
mod kernels;
mod launch;
mod operands;
mod options;
mod plan;
mod regime;
mod rescale;
mod run;
mod views;

pub use crate::batch::{Address, Counts, Element, RawBatch, RawFeatureBatch, TypedAddress};
pub use crate::batch::{Batch as HostBatch, FeatureBatch as HostFeatureBatch};
pub use cudarc;
pub use error::{Error, Unavailable};
pub use feature::FeaturePlan;
pub use gpu::Gpu;
#[cfg(feature = "train")]
pub(crate) use harness::Harness;
pub use options::{Options, Regime};
pub use plan::Plan;
pub use views::{Batch, FeatureBatch, View, ViewMut};
