//! What a measurement gives.

/// One case's seconds per call, and bytes per second of the copy beside it.
pub(super) struct Timing {
    pub(super) call: f64,
    pub(super) copy: f64,
    /// Which of the engine's kernels, where it has a choice.
    pub(super) regime: Option<&'static str>,
}

/// The middle one.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
