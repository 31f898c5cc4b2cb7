//! What a network makes of rows.

use crate::engine::top;
use crate::train::metrics;

/// A network's logits on labelled rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Predictions {
    /// `[rows, classes]`, row-major.
    pub logits: Vec<f32>,
    /// The rows' labels.
    pub labels: Vec<i32>,
    /// Classes.
    pub classes: usize,
}

impl Predictions {
    /// The class and its probability at τ = 1, row by row; the lowest class of equals.
    pub fn rows(&self) -> impl Iterator<Item = (usize, f64)> {
        self.logits.chunks_exact(self.classes.max(1)).map(|row| {
            let class = top(row);
            (class, metrics::confidence(row, class))
        })
    }

    /// The share of rows whose label is the predicted class.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        metrics::accuracy(&self.logits, &self.labels, self.classes.max(1))
    }

    /// Expected calibration error over 15 equal bins of confidence (Guo et al., arXiv 1706.04599).
    #[must_use]
    pub fn calibration_error(&self) -> f64 {
        metrics::calibration_error(&self.logits, &self.labels, self.classes.max(1))
    }
}
