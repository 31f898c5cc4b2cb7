//! What a mean divides by.

/// How many rows have a weight other than 0, by whether the teacher is right; what
/// [`Reduction::Mean`](crate::spec::Reduction::Mean) (their sum) and
/// [`Reduction::MeanPerGroup`](crate::spec::Reduction::MeanPerGroup) divide by. They depend on
/// `t`, `y` and `w` alone, so that a fixed teacher's can be counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows on which the teacher is right, rows without a label among them.
    pub right: u64,
    /// Rows with `t_y < max_c t_c`.
    pub wrong: u64,
}

/// Rows with a weight other than 0.
pub(crate) fn weighted(rows: usize, weight: Option<&[f32]>) -> u64 {
    match weight {
        None => rows as u64,
        Some(weight) => weight.iter().filter(|&&w| w != 0.0).count() as u64,
    }
}
