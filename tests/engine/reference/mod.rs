//! The oracle over its public face: laws, edges, and its gradient by differences.

mod edges;
mod gradients;
mod laws;

use fused_kd::reference::Batch;
use fused_kd::spec::{Divergence, LossSpec, LossSpecBuilder, Revision};

pub(crate) const MASKED: f64 = f64::NEG_INFINITY;
pub(crate) const INFINITE: f64 = f64::INFINITY;
pub(crate) const LABEL_REVISION: Revision = Revision::LabelRevision { eta: 0.8 };
pub(crate) const LABEL_SMOOTHING: Revision = Revision::LabelSmoothing { epsilon: 0.1 };
pub(crate) const DECOUPLED: Divergence = Divergence::Decoupled {
    alpha: 1.0,
    beta: 8.0,
};

/// Rows without weights at upstream 1; tests change what they are about.
pub(crate) fn batch<'a>(student: &'a [f64], teacher: &'a [f64], labels: &'a [i32]) -> Batch<'a> {
    Batch {
        student,
        teacher,
        classes: student.len() / labels.len().max(1),
        labels,
        weight: None,
        kd_weight: None,
        tau: None,
        upstream: 1.0,
    }
}

pub(crate) fn kd_only() -> LossSpecBuilder {
    LossSpec::builder().weights(1.0, 0.0)
}

pub(crate) fn of(divergence: Divergence) -> LossSpec {
    kd_only().divergence(divergence).build().unwrap()
}

pub(crate) fn revising(revision: Revision) -> LossSpec {
    kd_only().revision(revision).build().unwrap()
}
