//! What a network makes of rows.

use crate::engine::top;
use crate::train::metrics;

/// A network's logits on labelled rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Predictions {
    /// `[rows, classes]`, row-major.
    pub logits: Vec<f32>,
    /// The rows' labels: −100 of a row without, and `classes` of one that the network does not know.
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

    /// The probabilities of all classes at τ = 1, row by row.
    pub fn probabilities(&self) -> impl Iterator<Item = Vec<f64>> {
        self.logits.chunks_exact(self.classes.max(1)).map(|row| {
            let max = f64::from(row[top(row)]);
            let exp = |&z: &f32| (f64::from(z) - max).exp();
            let sum: f64 = row.iter().map(exp).sum();
            row.iter().map(|z| exp(z) / sum).collect()
        })
    }

    /// Rows that have a label.
    #[must_use]
    pub fn labelled(&self) -> usize {
        self.labels.iter().filter(|&&label| label >= 0).count()
    }

    /// The share of rows with a label whose label is the predicted class; 0 where none has one.
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
