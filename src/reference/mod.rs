//! The f64 oracle: every loss of [`LossSpec`](crate::spec::LossSpec), written plainly in double
//! precision. Engines are measured against it; it is not meant for training.
//!
//! For a row with student logits `s`, teacher logits `t`, label `y` and temperature τ:
//!
//! ```text
//! p = softmax(t/τ), q = softmax(s/τ), p' = the revised target       q1 = softmax(s)
//! loss_b = w · [ λ_kd · kd_weight · D(p', q) + λ_ce · CE ]           CE = −log q1_y
//! total  = upstream · Σ_b loss_b · inv_n(group of b)                g  = ∂total/∂s
//! ```
//!
//! docs/methods.md is the contract that this module computes, formula by formula.
//!
//! # Reading order
//! `run` goes through a batch, `batch` says what is refused and counted, `row` is the row program,
//! and under it lie `softmax`, `standardise`, `revise`, `divergence`, `decoupled`, `kl` and `scores`.
//! `temperature` computes the per-row temperatures of DTD from a whole batch; `feature` is the
//! distance of feature vectors, which needs no logits.
//!
//! # Edges, decided here for every engine
//! - **A factor of 0** (w, λ, kd_weight, α, β, upstream) means that its term is not evaluated: no
//!   0·∞ and no NaN comes of it. [`kd`](ReferenceStats::kd) and [`ce`](ReferenceStats::ce) are
//!   filled all the same, and [`RowFlags::INFINITE`](crate::spec::RowFlags::INFINITE) tells of them.
//! - **Flags.** IGNORED, OFF, UNSELECTED, LABEL_OUT_OF_RANGE and BAD_PARAMETER are facts of the
//!   row's inputs and are set whenever they are true; WRONG, AGREE and INFINITE only on rows that
//!   are neither refused nor NONFINITE. A refused row is not NONFINITE: nobody looks at its logits.
//! - **NONFINITE rows**: all floats NaN, and the gradient too; where w = 0 loss and gradient are 0.
//!   The total is NaN iff such a row has w ≠ 0, whatever `upstream` is.
//! - **Rows without a label** have no CE and no revision, and are right;
//!   [`Decoupled`](crate::spec::Divergence::Decoupled) is there the plain forward KL, without α, β.
//! - **Infinite divergences** make loss and total infinite; the gradient stays the formula, but for
//!   [`ReverseKl`](crate::spec::Divergence::ReverseKl), whose part of that row is 0.
//! - **Masks** are decided on logits. Label revision and label smoothing unmask y, probability
//!   shift exchanges the masks of y and top. In Decoupled the "rest" is masked when all its
//!   classes are; without a rest in one of the rows the β term is 0.
//! - **MseLogits** under probability shift compares a wrong row with the teacher's logits at y and
//!   top exchanged.
//! - **Standardised**: CE and scores stay on the raw logits, and so does the question whether a row
//!   is wrong. τ² and the record's `tau` are those of the scalar. Where the student masks a class
//!   D's gradient is 0.
//!
//! # The bound G
//! Gradients in f32 are judged against `k · max(max_c |g_c|, G)`:
//!
//! ```text
//! G = |w · upstream · inv_n| · max_c( λ_kd · kd_weight · a · max(p'_c, q_c) · (1 + |δ_c|), λ_ce · q1_c )
//! ```
//!
//! `δ = log q − log p'` for ReverseKl and else 0. `a` is what the derivative with respect to s/τ is
//! multiplied by: τ where D carries τ² (times α+β for Decoupled), 1/τ where the specification drops
//! τ², and 2/(Vτ) for MseProbs. With Standardised `a` is divided by σ_s + 1e-7 where that is below 1.
//! MseLogits knows no probabilities: in place of `a · max(p'_c, q_c) · (1 + |δ_c|)` it has its own
//! derivative `2 |s_c − t_c|/V`, which the cross-entropy's may cancel.

mod batch;
mod decoupled;
mod divergence;
mod feature;
#[cfg(feature = "train")]
mod harness;
mod influence;
mod kl;
mod revise;
mod row;
mod run;
mod scores;
mod softmax;
mod standardise;
mod stats;
mod sum;
mod temperature;
mod term;

pub use batch::{Batch, counts};
pub use feature::{FeatureBatch, FeatureOutput, features};
#[cfg(feature = "train")]
pub(crate) use harness::Harness;
pub use influence::influence;
pub use row::revise;
pub use run::{Output, run, run_flagged};
pub use stats::ReferenceStats;
pub use temperature::dtd_temperatures;
