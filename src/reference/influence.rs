//! Influence on a validation loss through the last layer.

use super::softmax::{Distribution, has_finite_maximum};
use super::sum::sum;
use crate::spec::IGNORE;

/// `Σ_c (q1_c − e_y,c) u_c` with `q1 = softmax(s)` for one row: `student[V]`, `u[V]`, where
/// `u = H̃ Gᵀ` (TracIn of the last layer, Pruthi et al., arXiv 2002.08484). Positive: a step on the
/// row lowers the validation loss.
///
/// A row without a label has influence 0; NaN if the logits hold NaN, +∞ or nothing but masks, or if
/// the label is no class.
#[must_use]
pub fn influence(student: &[f64], u: &[f64], label: i32) -> f64 {
    let legal = label == IGNORE || usize::try_from(label).is_ok_and(|y| y < student.len());
    if !legal || !has_finite_maximum(student) {
        return f64::NAN;
    }
    let Some(&u_y) = usize::try_from(label).ok().and_then(|y| u.get(y)) else {
        return 0.0;
    };
    let q = Distribution::softmax(student, 1.0).p;
    // Σ_c q_c = 1, so u_y can be taken from every class.
    sum(q
        .iter()
        .zip(u)
        .filter(|(q, _)| **q > 0.0)
        .map(|(q, u)| q * (u - u_y)))
}
