//! Fused knowledge-distillation kernels: temperature softmax, ground-truth label revision, the
//! divergence from the teacher, its gradient and per-sample selection scores in one pass over the
//! logits.
//!
//! Knowledge distillation trains a small student on a large teacher's soft labels. Teachers err,
//! and wrong soft labels mislead students. Three papers answer this, and this crate computes their
//! losses:
//!
//! - *Improve Knowledge Distillation via Label Revision and Data Selection* (Lan et al.,
//!   arXiv 2404.03693): [`spec::Revision::LabelRevision`];
//! - *Preparing Lessons: Improve Knowledge Distillation with Better Supervision* (Wen et al.,
//!   arXiv 1911.07471): [`spec::Revision::ProbabilityShift`], [`spec::Revision::LabelSmoothing`]
//!   and dynamic temperatures, [`spec::Dtd`];
//! - *Revisiting Knowledge Distillation: An Inheritance and Exploration Framework* (Huang et al.,
//!   arXiv 2107.00181): [`spec::FeatureSpec`], normalised distances of features with either sign.
//!
//! # The row program
//!
//! For a row of `V` classes with student logits `s`, teacher logits `t` and label `y`, every engine
//! computes
//!
//! ```text
//! p = softmax(t/τ)   q = softmax(s/τ)   p' = revised p where the teacher is wrong (t_y < max t)
//! loss_b = w_b · [ λ_kd · kd_weight_b · D(p', q) + λ_ce · CE(s, y) ]
//! total  = upstream · Σ_b loss_b · inv_n        g = ∂total/∂s        and one RowStats per row
//! ```
//!
//! docs/methods.md in the repository is the contract of all engines: every formula, edge and bound of
//! agreement on one page, and which test holds it.
//!
//! # Where things are
//!
//! - [`spec`]: **what** is computed, as plain data that is valid by construction;
//! - [`cpu`]: the CPU engine, in vectors, over plain slices of `f32`, `f16` or `bf16`;
//! - `cuda` (feature `cuda`): the engine for NVIDIA's GPUs, over the caller's memory, stream and graph;
//! - `wgsl` (feature `wgpu`): the engine for GPUs, over the caller's device, buffers and encoder;
//! - [`mod@reference`]: the oracle in double precision, which every engine is tested against;
//! - `feature` (feature `train`): inheritance and exploration, on the teacher's factor;
//! - `select` (feature `train`): which samples the teacher supervises;
//! - `data`, `train`, `report` (feature `train`): a small harness that trains teachers and students
//!   on real data; `fused-kd compare` runs it;
//! - `auto` (feature `train`): the only place that chooses an engine.
//!
//! Beside the logits, a batch of features `x[B, D]` is held against a target's `y[B, D]`, each row
//! normalised, in one call as well ([`cpu::FeaturePlan`], and `FeaturePlan` of `cuda` and `wgsl`):
//!
//! ```text
//! total = ± λ · (1/N) Σ_b w_b dist(x_b/‖x_b‖, y_b/‖y_b‖)        g = ∂total/∂x
//! ```
//!
//! # Embedding
//!
//! ```
//! use fused_kd::cpu::{Batch, Options, Parallelism, Plan};
//! use fused_kd::spec::{Preset, RowFlags, RowStats};
//!
//! let plan = Plan::new(&Preset::Lr.spec(), 3, Options::default())?;
//! let (teacher, labels) = ([2.0_f32, 1.0, 0.0, 0.0, 3.0, 1.0], [0, 0]);
//! let mut student = [0.1_f32, 0.2, 0.3, 1.0, 0.0, -1.0];
//! let mut stats = [RowStats::default(); 2];
//! // The gradient replaces the logits.
//! let batch = Batch::in_place(2, &mut student, &teacher, &labels).stats(&mut stats);
//! let loss = plan.run(batch, Parallelism::Serial)?;
//! assert!(loss > 0.0);
//! assert!(stats[1].flags.contains(RowFlags::WRONG)); // the teacher prefers class 1, the label is 0
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! Without default features: `spec`, `reference` and the serial CPU engine. `rayon`: rows in
//! parallel. `serde`: the types of `spec` in files. `cuda`, `wgpu` (default): the engines for
//! GPUs. `train`: the harness. `cli` (default): the program.

mod batch;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod reference;
pub mod spec;
#[cfg(feature = "wgpu")]
pub mod wgsl;

#[cfg(all(test, feature = "train"))]
#[path = "../tests/support/allocations.rs"]
mod allocations;
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
pub mod feature;
#[cfg(all(test, feature = "train"))]
mod harness_parity;
#[cfg(feature = "train")]
mod memory;
#[cfg(feature = "train")]
mod nn;
#[cfg(feature = "train")]
mod random;
#[cfg(feature = "train")]
pub mod report;
#[cfg(all(test, feature = "train", feature = "cuda"))]
#[path = "../tests/support/schedule.rs"]
mod schedule;
#[cfg(feature = "train")]
pub mod select;
#[cfg(all(test, feature = "train", any(feature = "cuda", feature = "wgpu")))]
#[path = "../tests/support/skip.rs"]
mod skip;
#[cfg(feature = "train")]
pub mod train;
