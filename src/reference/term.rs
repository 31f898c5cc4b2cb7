//! What a divergence gives of one row.

use super::softmax::Distribution;

/// A divergence of one row: its value, its derivative, and the scale of its rounding error.
///
/// For the divergences of distributions all three leave out τ² and the derivative is with respect
/// to the tempered logits `s/τ`; the squared error of logits knows no τ.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// `D`, +∞ where a mask makes it so.
    pub(super) value: f64,
    /// `∂D/∂(s_c/τ)`, always finite.
    pub(super) slope: Vec<f64>,
    /// `max_c max(p'_c, q_c) (1 + |δ_c|)`, or the largest slope of logits: the row's part in the
    /// bound G.
    pub(super) bound: f64,
}

/// `max_c max(p'_c, q_c)`.
pub(super) fn largest(target: &Distribution, student: &Distribution) -> f64 {
    target
        .p
        .iter()
        .chain(&student.p)
        .fold(0.0, |a, &b| a.max(b))
}
