//! What is computed, as plain data: no device, no input or output.
//!
//! A [`LossSpec`] names one loss: what the teacher's target is ([`Revision`]), how the student is
//! held against it ([`Divergence`]), at which [`Temperature`], with which weights for rows on which
//! the teacher is right or wrong ([`Side`]), and how rows become one number ([`Reduction`]). It is
//! valid by construction, so engines never check it again. [`Preset`] holds the published methods.
//!
//! For a row `b` with student logits `s`, teacher logits `t` and label `y` every engine computes
//!
//! ```text
//! loss_b = w_b · [ λ_kd · kd_weight_b · D(p', q) + λ_ce · CE ]
//! total  = upstream · Σ_b loss_b · inv_n(group of b)          g = ∂total/∂s
//! ```
//!
//! with `p = softmax(t/τ)`, `q = softmax(s/τ)`, `p'` the revised target, `CE = −log softmax(s)_y`,
//! and one [`RowStats`] record per row: docs/methods.md in the repository has it all on one page. Beside
//! the logits, a [`FeatureSpec`] holds a student's features against a target's.

mod divergence;
mod error;
mod feature;
mod format;
#[cfg(feature = "train")]
pub(crate) mod keys;
mod loss;
mod params;
mod preset;
mod revision;
#[cfg(feature = "serde")]
mod short;
mod stats;
mod temperature;
#[cfg(feature = "serde")]
mod tidy;

pub use divergence::Divergence;
pub use error::{ArgumentError, SpecError, SpecWarning};
pub use feature::{Distance, FeatureSpec, Relation};
pub use format::Format;
pub use loss::{LossSpec, LossSpecBuilder, Reduction, Side};
pub use params::RowParams;
pub use preset::Preset;
pub use revision::Revision;
pub use stats::{RowFlags, RowStats, StatsLevel};
pub use temperature::{Dtd, Normalise, Omega, Temperature};
#[cfg(feature = "train")]
pub(crate) use tidy::{as_tidy, as_tidy_list, tidy};

/// The label of a row without ground truth: no cross-entropy, no revision, counted as right.
pub const IGNORE: i32 = -100;
