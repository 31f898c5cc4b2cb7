//! What is kept of one teacher and of one student.

use super::inspect::RevisedSample;
use super::metrics::{BINS, Tally};
use crate::spec::Relation;
use serde::Serialize;

/// One teacher.
#[derive(Clone, Debug)]
pub(super) struct TeacherRun {
    pub(super) train_accuracy: f64,
    pub(super) wrong_train_labels: f64,
    /// What is known of rows that a given teacher has nothing for is nothing.
    pub(super) validation_accuracy: Option<f64>,
    pub(super) test_accuracy: Option<f64>,
    pub(super) train_calibration_error: f64,
    pub(super) test_calibration_error: Option<f64>,
    /// Test rows by confidence.
    pub(super) bins: Option<[Tally; BINS]>,
    pub(super) samples: Vec<RevisedSample>,
    /// What the auto-encoder of the features misses, where there is one.
    pub(super) reconstruction_error: Option<f64>,
    pub(super) seconds: f64,
}

/// One student: mean loss and accuracies after each epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct StudentRun {
    pub(super) curve: Curve,
    pub(super) choices: Vec<Choice>,
    pub(super) similarity: Option<Similarity>,
    pub(super) distances: Vec<TermDistance>,
    /// The epoch, from 1, by which the training had diverged, if it has.
    pub(super) diverged: Option<usize>,
    pub(super) seconds: f64,
}

/// One student, epoch by epoch.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Curve {
    /// Mean total of the epoch's steps.
    pub loss: Vec<f32>,
    /// Validation accuracy after the epoch; not a number from the epoch on in which the training
    /// diverged.
    pub validation: Vec<f64>,
    /// Test accuracy after the epoch, likewise.
    pub test: Vec<f64>,
}

impl Curve {
    /// The epoch, from 0, that is best on validation data, the first of equals.
    pub(super) fn best(&self) -> usize {
        let mut best = 0;
        for (epoch, &accuracy) in self.validation.iter().enumerate() {
            if accuracy > self.validation[best] {
                best = epoch;
            }
        }
        best
    }
}

impl StudentRun {
    /// Holds the run to have diverged from the first epoch on whose loss is not finite, or in the last
    /// one where the network is not `finite`: the arg-max of what is no number is class 0, and no
    /// prediction.
    pub(super) fn note_divergence(&mut self, finite: bool) {
        let losses = &self.curve.loss;
        let of_loss = losses.iter().position(|loss| !loss.is_finite());
        let of_network = (!finite).then_some(losses.len().saturating_sub(1));
        let Some(epoch) = of_loss.or(of_network) else {
            return;
        };
        self.diverged = Some(epoch + 1);
        for accuracies in [&mut self.curve.validation, &mut self.curve.test] {
            accuracies
                .iter_mut()
                .skip(epoch)
                .for_each(|share| *share = f64::NAN);
        }
    }

    /// Validation accuracy after the last epoch.
    pub(super) fn last_validation(&self) -> f64 {
        self.curve.validation.last().copied().unwrap_or(0.0)
    }
}

/// The samples that the teacher supervises from an epoch on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(super) epoch: usize,
    pub(super) selected: Vec<bool>,
}

/// The samples that the teacher supervises from an epoch on, as rows of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selected {
    /// The first epoch, from 0.
    pub epoch: usize,
    /// Rows of the data set.
    pub rows: Vec<u32>,
}

impl StudentRun {
    /// The choices as rows of the data set.
    pub(super) fn selected(&self, rows: &[u32]) -> Vec<Selected> {
        let choice = |choice: &Choice| {
            let kept = choice.selected.iter().zip(rows).filter(|(kept, _)| **kept);
            Selected {
                epoch: choice.epoch,
                rows: kept.map(|(_, &row)| row).collect(),
            }
        };
        self.choices.iter().map(choice).collect()
    }
}

/// Linear centred kernel alignment (Kornblith et al., arXiv 1905.00414, 0..=1) between a half of the
/// student's last hidden layer and the last hidden layer of what supervises it, on the test rows,
/// before and after training: the teacher's, or for mutual learning the other student's. A number of
/// one student, or a spread over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Similarity<T = f64> {
    /// The inheriting half, before training.
    pub inherit_before: T,
    /// The inheriting half, after training.
    pub inherit_after: T,
    /// The exploring half, before training.
    pub explore_before: T,
    /// The exploring half, after training.
    pub explore_after: T,
}

/// The mean distance of a feature term over the training rows, without its λ, before and after
/// training: what its loss is made of. A number of one student, or a spread over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TermDistance<T = f64> {
    /// The half.
    pub relation: Relation,
    /// Before training, with encoders that have learned nothing.
    pub before: T,
    /// After training.
    pub after: T,
}
