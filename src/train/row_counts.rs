//! How many rows there are of each kind.

use super::prepare::Prepared;
use crate::data::Dataset;
use crate::spec::IGNORE;
use serde::Serialize;

/// How many rows there are of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RowCounts {
    /// Features per row.
    pub features: usize,
    /// Classes.
    pub classes: usize,
    /// Rows that the student trains on.
    pub train: usize,
    /// Those of them that have a label.
    pub labelled: usize,
    /// Rows that the teacher trains on.
    pub teacher: usize,
    /// Rows that learning rates and epochs are chosen on.
    pub validation: usize,
    /// Rows that accuracies are reported on.
    pub test: usize,
}

impl RowCounts {
    pub(super) fn new(dataset: &Dataset, prepared: &Prepared) -> Self {
        let labels = &prepared.train.labels;
        Self {
            features: dataset.dim(),
            classes: dataset.classes(),
            train: labels.len(),
            labelled: labels.iter().filter(|&&label| label != IGNORE).count(),
            teacher: prepared.teacher_rows,
            validation: prepared.validation.labels.len(),
            test: prepared.test.labels.len(),
        }
    }
}
