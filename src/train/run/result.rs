//! What came of a run, ready for files.

use super::RunConfig;
use crate::data::Dataset;
use crate::spec::{IGNORE, LossSpec};
use crate::train::Learner;
use crate::train::model::Predictions;
use crate::train::prepare::Prepared;
use crate::train::student;
use crate::train::summary::{self, Similarity, StudentRun, TeacherRun, TermDistance};
use crate::train::term::Term;
use serde::Serialize;

/// What came of a run. Accuracies are shares in 0..1.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunResult {
    /// The data's name.
    pub dataset: String,
    /// The engine that the run was made on.
    pub engine: &'static str,
    /// What everything random was drawn from.
    pub seed: u64,
    /// The method that the loss started from.
    pub preset: &'static str,
    /// The loss in full.
    pub spec: LossSpec,
    /// Feature terms beside it.
    pub terms: Vec<Term>,
    /// Whether a second student took the teacher's place.
    pub mutual: bool,
    /// Which samples the teacher supervised; all where there was no policy.
    pub selection: Option<String>,
    /// How many rows there were of each kind.
    pub rows: RunRows,
    /// How reliable the teacher is.
    pub teacher: TeacherScores,
    /// The student.
    pub student: StudentScores,
    /// What was legal and yet probably not meant.
    pub warnings: Vec<String>,
}

/// How many rows there were of each kind.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct RunRows {
    /// Rows that the student trained on.
    pub train: usize,
    /// Those of them that had a label.
    pub labelled: usize,
    /// Rows that the teacher trained on.
    pub teacher: usize,
    /// Rows that the best epoch was chosen on.
    pub validation: usize,
    /// Rows that accuracies are reported on.
    pub test: usize,
}

/// How reliable a teacher is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TeacherScores {
    /// Layer sizes, input first.
    pub sizes: Vec<usize>,
    /// On the student's training rows, against the labels that the student is given.
    pub train_accuracy: f64,
    /// The share of the student's training labels that the teacher gets wrong.
    pub wrong_train_labels: f64,
    /// On the validation rows.
    pub validation_accuracy: f64,
    /// On the test rows.
    pub test_accuracy: f64,
    /// Expected calibration error on the test rows.
    pub test_calibration_error: f64,
    /// `Σ |reconstructed − given| / Σ |given|` of the auto-encoder of the last hidden layer, where
    /// there are feature terms.
    pub reconstruction_error: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
}

/// How good a student is, after the last epoch.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StudentScores {
    /// Layer sizes, input first.
    pub sizes: Vec<usize>,
    /// On the test rows.
    pub test_accuracy: f64,
    /// On the validation rows.
    pub validation_accuracy: f64,
    /// Expected calibration error on the test rows.
    pub test_calibration_error: f64,
    /// The epoch that is best on validation data, the first of equals. The network that is kept is
    /// that of the last epoch.
    pub best_epoch: BestEpoch,
    /// How alike the halves of its features are to those of what supervised it, where there are feature
    /// terms.
    pub similarity: Option<Similarity>,
    /// How far their factors are from their target; one per feature term.
    pub distances: Vec<TermDistance>,
    /// Seconds of training.
    pub seconds: f64,
}

/// An epoch that is best on validation data.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct BestEpoch {
    /// From 1.
    pub epoch: usize,
    /// After it.
    pub validation_accuracy: f64,
    /// After it.
    pub test_accuracy: f64,
}

/// Where the parts of a result come from.
pub(super) struct Evidence<'a> {
    pub(super) engine: &'static str,
    pub(super) config: &'a RunConfig,
    pub(super) dataset: &'a Dataset,
    pub(super) prepared: &'a Prepared,
    pub(super) teacher: &'a TeacherRun,
    pub(super) student: &'a StudentRun,
    pub(super) test: &'a Predictions,
}

impl Evidence<'_> {
    fn sizes(&self, learner: &Learner) -> Vec<usize> {
        student::sizes(self.dataset.dim(), learner, self.dataset.classes())
    }
}

impl RunResult {
    pub(super) fn new(evidence: &Evidence) -> Self {
        let (config, dataset) = (evidence.config, evidence.dataset);
        let warnings = config.loss.warnings(dataset.classes());
        Self {
            dataset: dataset.name().to_owned(),
            engine: evidence.engine,
            seed: config.seed,
            preset: config.preset.name(),
            spec: config.loss,
            terms: config.terms.clone(),
            mutual: config.mutual,
            selection: config.policy.map(|policy| policy.to_string()),
            rows: RunRows::new(evidence.prepared),
            teacher: TeacherScores::new(evidence),
            student: StudentScores::new(evidence),
            warnings: warnings.iter().map(ToString::to_string).collect(),
        }
    }
}

impl RunRows {
    fn new(prepared: &Prepared) -> Self {
        let labels = &prepared.train.labels;
        Self {
            train: labels.len(),
            labelled: labels.iter().filter(|&&label| label != IGNORE).count(),
            teacher: prepared.teacher_rows,
            validation: prepared.validation.labels.len(),
            test: prepared.test.labels.len(),
        }
    }
}

impl TeacherScores {
    fn new(evidence: &Evidence) -> Self {
        let run = evidence.teacher;
        Self {
            sizes: evidence.sizes(&evidence.config.setting.teacher),
            train_accuracy: run.train_accuracy,
            wrong_train_labels: run.wrong_train_labels,
            validation_accuracy: run.validation_accuracy,
            test_accuracy: run.test_accuracy,
            test_calibration_error: run.test_calibration_error,
            reconstruction_error: run.reconstruction_error,
            seconds: run.seconds,
        }
    }
}

impl StudentScores {
    fn new(evidence: &Evidence) -> Self {
        let run = evidence.student;
        let best = summary::best_on_validation(run);
        let at = |accuracies: &[f64], epoch: usize| accuracies.get(epoch).copied().unwrap_or(0.0);
        Self {
            sizes: evidence.sizes(&evidence.config.setting.student),
            test_accuracy: evidence.test.accuracy(),
            validation_accuracy: run.validation.last().copied().unwrap_or(0.0),
            test_calibration_error: evidence.test.calibration_error(),
            best_epoch: BestEpoch {
                epoch: best + 1,
                validation_accuracy: at(&run.validation, best),
                test_accuracy: at(&run.test, best),
            },
            similarity: run.similarity,
            distances: run.distances.clone(),
            seconds: run.seconds,
        }
    }
}
