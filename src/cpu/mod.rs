//! The CPU engine: AVX-512, AVX2 or portable vectors, nothing allocated in a hot call.
//!
//! A [`Plan`] is made once per loss and number of classes; [`Plan::run`] then takes plain slices:
//!
//! ```
//! use fused_kd::cpu::{Batch, Options, Parallelism, Plan};
//! use fused_kd::spec::{Preset, RowStats};
//!
//! let plan = Plan::new(&Preset::Lr.spec(), 3, Options::default())?;
//! let student = [0.1_f32, 0.2, 0.3, 1.0, 0.0, -1.0];
//! let teacher = [2.0_f32, 1.0, 0.0, 0.0, 3.0, 1.0];
//! let labels = [0, 0]; // the teacher is right on the first row and wrong on the second
//! let mut gradient = [0.0; 6];
//! let mut stats = [RowStats::default(); 2];
//! let batch = Batch::new(2, &student, &teacher, &labels)
//!     .gradient(&mut gradient)
//!     .stats(&mut stats);
//! let loss = plan.run(batch, Parallelism::Serial)?;
//! assert!(loss > 0.0 && stats[1].beta < 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Losses and gradients agree with the [`reference`](crate::reference) as `|Δ| ≤ 1e-5·|loss| +
//! 1e-6·w(λ_kd τ² + λ_ce)` and `|Δ| ≤ 2e-6·max(max_c |g_c|, G)`; section 9 of docs/methods.md says
//! which long rows fall short of it. The same input gives the same bits with the same instructions
//! ([`Isa`]), whatever the number of threads.

// The map. Imports run down: harness, raw → plan → prologue, block → sweep → row → math → simd; regime is below
// all that ask it.
mod block; // a thread's rows: the path of each, and the end of all
mod copy; // a copy that tells a machine's bandwidth
mod feature; // distances of features
#[cfg(feature = "train")]
mod harness; // the harness's operations on this engine
mod influence; // influence of each row on a validation loss
mod math; // exp, ln, terms of KL
mod options; // records and instructions of a plan
mod plan; // one loss: checks a batch, shares it between threads
mod prologue; // counts and temperatures of a whole batch
mod raw; // batches by address
mod regime; // choice: every threshold
mod row; // mathematics: from logits to a record and a gradient
mod simd; // vectors, and the instruction set that runs
mod sweep; // memory: layouts, formats, scratch, the order of reads and writes
mod tree; // pairwise sums

pub use crate::batch::{
    Address, Batch, Counts, Element, FeatureBatch, RawBatch, RawFeatureBatch, TypedAddress,
};
#[doc(hidden)]
pub use copy::copy_past_caches;
pub use feature::FeaturePlan;
#[cfg(feature = "train")]
pub(crate) use harness::Harness;
pub use influence::influence;
pub use options::Options;
pub use plan::{Parallelism, Plan};
pub use regime::Regime;
pub use simd::Isa;
