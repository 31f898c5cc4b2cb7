//! The keys of a setting and their defaults.

use super::scenario::Scenario;
use super::train_size::TrainSize;
use crate::data::{ScalingRule, Source, TeacherFiles};
use crate::feature::{Factor, Split};
use crate::nn::Optimiser;
use crate::select::{Policy, Score};
use crate::spec::{LossSpec, Preset, as_tidy, as_tidy_list};
use crate::train::method::Method;
use crate::train::recipe::{Learner, Schedule};
use crate::train::term::Term;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is trained on what. `compare` and `train` read the same keys, each those that it needs:
/// `methods`, `seeds`, `learning-rates` and `budget` are a comparison's, `loss` and `mutual` a
/// run's.
///
/// As TOML, of which every key may be left out:
///
/// ```
/// use fused_kd::train::Setting;
///
/// let setting = Setting::from_toml(
///     r#"
///     seed = 3
///     [data]
///     source = "digits"
///     train-size = 100
///     [student]
///     hidden = [64, 32]
///     epochs = 20
///     [loss]
///     preset = "lr"
///     revision.eta = 0.7
///     [select]
///     score = "el2n"
///     fraction = 0.6
///     [[term]]
///     kind = "inherit"
///     weight = 50
///     "#,
/// )?;
/// assert_eq!(setting.student.epochs, 20);
/// assert_eq!(Setting::from_toml(&setting.to_toml()?)?, setting);
/// # Ok::<(), fused_kd::train::SettingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Setting {
    /// The scenario that the data come from; other keys change it further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Scenario>,
    /// What everything random is drawn from; a comparison's first seed.
    pub seed: u64,
    /// Runs per method of a comparison, with the seeds `seed`, `seed + 1`, …
    pub seeds: u64,
    /// The methods that are compared, in the order of the table.
    pub methods: Vec<Method>,
    /// Learning rates of the student in a comparison, of which each method takes the one with the
    /// best mean validation accuracy after the last epoch (the first of equals).
    #[serde(serialize_with = "as_tidy_list")]
    pub learning_rates: Vec<f32>,
    /// Whether a run trains a second student in turns with the first, whose logits and features take
    /// the place of the teacher's.
    pub mutual: bool,
    /// Rows, labels and noise.
    pub data: Data,
    /// The student and how it is trained.
    pub student: Learner,
    /// The teacher and how it is trained.
    pub teacher: Learner,
    /// The loss of a run.
    pub loss: Loss,
    /// Which samples the teacher supervises: of a run, all unless this is given; of a comparison,
    /// how its methods with a selection choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub select: Option<Policy>,
    /// Where a comparison measures accuracy against the share of samples that the teacher
    /// supervises: each method with a selection is run once per score and share as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What feature terms look at.
    pub features: Features,
    /// Feature terms: of a run, beside its loss; of a comparison, those of its methods that have
    /// some, unless there are none here.
    #[serde(rename = "term", skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
}

/// Rows, labels, and how both are spoiled.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Data {
    /// Where the data come from.
    pub source: Source,
    /// By what features are divided.
    pub scaling: ScalingRule,
    /// Rows that the student trains on.
    pub train_size: TrainSize,
    /// Rows that the teacher trains on, taken from the other end of the same permutation: they
    /// overlap with the student's only where both together are more than there are.
    pub teacher_train_size: TrainSize,
    /// How many of the student's training rows have a label; the teacher supervises the others
    /// alone.
    pub labelled: TrainSize,
    /// The share of the student's training labels that are replaced by another class.
    #[serde(serialize_with = "as_tidy")]
    pub label_noise: f32,
    /// The share of the teacher's training labels that are replaced by another class.
    #[serde(serialize_with = "as_tidy")]
    pub teacher_label_noise: f32,
    /// How far the teacher's training features are those of another sensor, see
    /// [`sensor_shift`](crate::data::sensor_shift); 0 for not at all.
    #[serde(serialize_with = "as_tidy")]
    pub sensor_shift: f32,
    /// Whether the teacher also sees its pictures shifted by one pixel.
    pub teacher_shifts: bool,
    /// The logits of a teacher that was trained elsewhere, a row for each row of the data file, in
    /// the same order: then none is trained here. A second file is for the rows of the test file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_logits: Option<TeacherFiles>,
    /// Likewise its probabilities, of which `ln max(p, floor)` are the logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_probabilities: Option<TeacherFiles>,
    /// The least probability: zeros, as forests give them, have no logarithm. The value is ours.
    #[serde(serialize_with = "as_tidy")]
    pub probability_floor: f32,
    /// Whole numbers, one for each row of the teacher's files: the ids of the rows of data that they
    /// are for, in any order, and of more rows than there are. An id is what the data file's column of
    /// ids says, or the row's number, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_ids: Option<TeacherFiles>,
    /// Features of a teacher that was trained elsewhere, for feature terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher_features: Option<TeacherFiles>,
}

/// The loss of a run: a preset, and what was changed of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Loss {
    /// The published method that the loss starts from.
    #[serde(serialize_with = "as_name")]
    pub preset: Preset,
    /// The loss in full.
    #[serde(flatten)]
    pub spec: LossSpec,
}

/// Selections that a budget curve goes through.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// What samples are judged by; [`Score::Random`] is the control.
    pub scores: Vec<Score>,
    /// Shares of samples that the teacher supervises, 0..=1.
    #[serde(serialize_with = "as_tidy_list")]
    pub fractions: Vec<f32>,
}

/// What feature terms look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Features {
    /// Which of the student's channels inherit and which explore.
    pub split: Split,
    /// The auto-encoder that the teacher's factor comes from.
    pub factor: Factor,
}

impl Default for Setting {
    fn default() -> Self {
        let learner = |hidden: &[usize], batch| Learner {
            hidden: hidden.to_vec(),
            epochs: 150,
            batch,
            optimiser: Optimiser::default(),
            learning_rate: 0.05,
            schedule: Schedule::Cosine,
            warm_up: 2,
        };
        Self {
            scenario: None,
            seed: 0,
            seeds: 5,
            methods: Method::all(),
            learning_rates: vec![0.005, 0.02, 0.05, 0.1],
            mutual: false,
            data: Data::default(),
            student: learner(&[32], 32),
            teacher: learner(&[256, 256], 64),
            loss: Preset::Kd.into(),
            select: None,
            budget: None,
            features: Features::default(),
            terms: Vec::new(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            source: Source::Digits,
            scaling: ScalingRule::Auto,
            train_size: TrainSize::Few,
            teacher_train_size: TrainSize::Few,
            labelled: TrainSize::All,
            label_noise: 0.0,
            teacher_label_noise: 0.0,
            sensor_shift: 0.0,
            teacher_shifts: true,
            teacher_logits: None,
            teacher_probabilities: None,
            probability_floor: 1e-3,
            teacher_ids: None,
            teacher_features: None,
        }
    }
}

impl Data {
    /// The files of a teacher that was trained elsewhere, if it was.
    pub(in crate::train) fn given(&self) -> Option<&TeacherFiles> {
        self.teacher_logits
            .as_ref()
            .or(self.teacher_probabilities.as_ref())
    }

    /// The files that are read: the data's, and those of a teacher that was trained elsewhere.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let teacher = [
            &self.teacher_logits,
            &self.teacher_probabilities,
            &self.teacher_features,
            &self.teacher_ids,
        ];
        let of_teacher = teacher.into_iter().flatten().flat_map(TeacherFiles::paths);
        let mut paths = self.source.paths();
        paths.extend(of_teacher);
        paths
    }

    /// The rows, labels and noise of a scenario.
    #[must_use]
    pub fn of(scenario: Scenario) -> Self {
        let data = Self::default();
        let all = TrainSize::All;
        match scenario {
            Scenario::OtherRows => data,
            Scenario::ReliableTeacher => Self {
                teacher_train_size: all,
                ..data
            },
            Scenario::NoisyTeacher => Self {
                train_size: all,
                teacher_train_size: all,
                teacher_label_noise: 0.3,
                ..data
            },
            Scenario::ScarceLabels => Self {
                train_size: all,
                labelled: TrainSize::Rows(100),
                ..data
            },
            Scenario::NoisyLabels => Self {
                train_size: all,
                label_noise: 0.3,
                ..data
            },
            Scenario::ShiftedTeacher => Self {
                teacher_train_size: all,
                sensor_shift: 0.5,
                ..data
            },
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            scores: vec![Score::Influence, Score::El2n, Score::Random],
            fractions: Vec::new(),
        }
    }
}

impl From<Preset> for Loss {
    fn from(preset: Preset) -> Self {
        Self {
            preset,
            spec: preset.spec(),
        }
    }
}

/// A run by this method, in the default setting.
impl From<Method> for Setting {
    fn from(method: Method) -> Self {
        Self {
            loss: Loss {
                preset: method.preset,
                spec: method.spec,
            },
            select: method.policy,
            terms: method.terms,
            mutual: method.mutual,
            ..Self::default()
        }
    }
}

impl Setting {
    /// The method of a run.
    #[must_use]
    pub fn method(&self) -> Method {
        Method {
            name: self.loss.preset.name().to_owned(),
            preset: self.loss.preset,
            spec: self.loss.spec,
            policy: self.select,
            terms: self.terms.clone(),
            mutual: self.mutual,
        }
    }

    /// The methods of a comparison, and how many of them the table has: after them come those of the
    /// budget curves, by method, score and share.
    pub(in crate::train) fn compared(&self) -> (Vec<Method>, usize) {
        let mut all: Vec<Method> = self.methods.iter().map(|m| self.adjusted(m)).collect();
        let in_table = all.len();
        let Some(budget) = &self.budget else {
            return (all, in_table);
        };
        for i in 0..in_table {
            let Some(policy) = all[i].policy else {
                continue;
            };
            for &score in &budget.scores {
                for &fraction in &budget.fractions {
                    let method = all[i].clone();
                    let policy = Some(Policy {
                        score,
                        fraction,
                        ..policy
                    });
                    all.push(Method { policy, ..method });
                }
            }
        }
        (all, in_table)
    }

    /// A method with the selection and the feature terms that are set here, where it has such.
    fn adjusted(&self, method: &Method) -> Method {
        let mut method = method.clone();
        method.policy = method.policy.map(|policy| self.select.unwrap_or(policy));
        if !method.terms.is_empty() && !self.terms.is_empty() {
            method.terms.clone_from(&self.terms);
        }
        method
    }
}

fn as_name<S: serde::Serializer>(preset: &Preset, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(preset.name())
}
