//! What came of a run, ready for files.

use super::data_check;
use super::model::Predictions;
use super::prepare::Prepared;
use super::recipe::Learner;
use super::record::{Similarity, StudentRun, TeacherRun, TermDistance};
use super::row_counts::RowCounts;
use super::setting::Setting;
use super::term::Term;
use crate::data::Dataset;
use crate::spec::LossSpec;
use serde::Serialize;

/// What came of a run. Accuracies are shares in 0..1.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RunResult {
    /// The data's name.
    pub dataset: String,
    /// The engine that the run was made on.
    pub engine: &'static str,
    /// How a table was read, and its features scaled; none for other data.
    pub read_as: Option<String>,
    /// What the classes are called, where that is not 0, 1, …
    pub class_names: Option<Vec<String>>,
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
    pub rows: RowCounts,
    /// How reliable the teacher is.
    pub teacher: TeacherScores,
    /// The student.
    pub student: StudentScores,
    /// What was legal and yet probably not meant.
    pub warnings: Vec<String>,
}

/// How reliable a teacher is.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TeacherScores {
    /// The files of a teacher that was trained elsewhere; none where it was trained here.
    pub given: Option<String>,
    /// Layer sizes, input first; none of a teacher that was trained elsewhere.
    pub sizes: Option<Vec<usize>>,
    /// On the student's training rows, against the labels that the student is given.
    pub train_accuracy: f64,
    /// The share of the student's training labels that the teacher gets wrong.
    pub wrong_train_labels: f64,
    /// On the validation rows, where it is known.
    pub validation_accuracy: Option<f64>,
    /// On the test rows; none where a given teacher says nothing about them.
    pub test_accuracy: Option<f64>,
    /// Expected calibration error on the test rows, likewise.
    pub test_calibration_error: Option<f64>,
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
    pub(super) setting: &'a Setting,
    pub(super) warnings: Vec<String>,
    pub(super) dataset: &'a Dataset,
    pub(super) prepared: &'a Prepared,
    pub(super) teacher: &'a TeacherRun,
    pub(super) student: &'a StudentRun,
    pub(super) test: &'a Predictions,
}

impl Evidence<'_> {
    fn sizes(&self, learner: &Learner) -> Vec<usize> {
        learner.sizes(self.dataset.dim(), self.dataset.classes())
    }
}

impl RunResult {
    pub(super) fn new(evidence: &Evidence) -> Self {
        let (setting, dataset) = (evidence.setting, evidence.dataset);
        let warnings = setting.loss.spec.warnings(dataset.classes());
        Self {
            dataset: dataset.name().to_owned(),
            engine: evidence.engine,
            read_as: data_check::described(dataset, &setting.data),
            class_names: dataset.class_names().map(<[_]>::to_vec),
            seed: setting.seed,
            preset: setting.loss.preset.name(),
            spec: setting.loss.spec,
            terms: setting.terms.clone(),
            mutual: setting.mutual,
            selection: setting.select.map(|policy| policy.to_string()),
            rows: RowCounts::new(dataset, evidence.prepared),
            teacher: TeacherScores::new(evidence),
            student: StudentScores::new(evidence),
            warnings: warnings
                .iter()
                .map(ToString::to_string)
                .chain(evidence.warnings.iter().cloned())
                .collect(),
        }
    }
}

impl TeacherScores {
    fn new(evidence: &Evidence) -> Self {
        let run = evidence.teacher;
        Self {
            given: evidence.setting.data.given().map(ToString::to_string),
            sizes: evidence
                .setting
                .data
                .given()
                .is_none()
                .then(|| evidence.sizes(&evidence.setting.teacher)),
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
        let best = run.curve.best();
        let at = |accuracies: &[f64], epoch: usize| accuracies.get(epoch).copied().unwrap_or(0.0);
        Self {
            sizes: evidence.sizes(&evidence.setting.student),
            test_accuracy: evidence.test.accuracy(),
            validation_accuracy: run.curve.validation.last().copied().unwrap_or(0.0),
            test_calibration_error: evidence.test.calibration_error(),
            best_epoch: BestEpoch {
                epoch: best + 1,
                validation_accuracy: at(&run.curve.validation, best),
                test_accuracy: at(&run.curve.test, best),
            },
            similarity: run.similarity,
            distances: run.distances.clone(),
            seconds: run.seconds,
        }
    }
}
