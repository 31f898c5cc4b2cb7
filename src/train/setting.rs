//! What is compared on what: data, noise, teacher, student, methods, seeds.

use super::TrainError;
use super::method::Method;
use super::recipe::{Learner, Recipe, Schedule};
use super::scenario::Scenario;
use crate::data::{Dataset, Source};
use crate::feature::{Factor, Split};
use crate::nn::Optimiser;
use crate::select::{Policy, Score};

/// One comparison. The default is the scenario that the README describes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// Where the data come from.
    pub source: Source,
    /// The methods, in the order of the table.
    pub methods: Vec<Method>,
    /// Where accuracy is measured against the share of samples that the teacher supervises: each
    /// method with a selection is run once per score and share as well.
    pub budget: Option<Budget>,
    /// Runs per method, with the seeds 0, 1, …
    pub seeds: u64,
    /// Rows that the student trains on.
    pub train_size: TrainSize,
    /// Rows that the teacher trains on, taken from the other end of the same permutation: they
    /// overlap with the student's only where both together are more than there are.
    pub teacher_train_size: TrainSize,
    /// How many of the student's training rows have a label; all if none. The teacher supervises
    /// the others alone.
    pub labelled: Option<usize>,
    /// The share of the student's training labels that are replaced by another class.
    pub label_noise: f32,
    /// The share of the teacher's training labels that are replaced by another class.
    pub teacher_label_noise: f32,
    /// How far the teacher's training features are those of another sensor, see
    /// [`sensor_shift`](crate::data::sensor_shift); 0 for not at all.
    pub sensor_shift: f32,
    /// The scenario that this is, for reports.
    pub scenario: Option<Scenario>,
    /// Whether the teacher also sees its pictures shifted by one pixel.
    pub augment_teacher: bool,
    /// The student and how it is trained.
    pub student: Learner,
    /// The teacher and how it is trained.
    pub teacher: Learner,
    /// Learning rates of the student, of which each method takes the one with the best mean
    /// validation accuracy after the last epoch (the first of equals).
    pub learning_rates: Vec<f32>,
    /// The auto-encoder that feature terms take the teacher's factor from.
    pub factor: Factor,
    /// Which of the student's channels inherit and which explore.
    pub split: Split,
}

/// How many of the rows that are left after validation and test are trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrainSize {
    /// 200, or half of them where that is fewer, so that student and teacher learn from different
    /// rows.
    #[default]
    Few,
    /// All.
    All,
    /// This many.
    Rows(usize),
}

impl TrainSize {
    /// The number of rows, of those that are available.
    pub(super) fn of(self, available: usize, name: &'static str) -> Result<usize, TrainError> {
        match self {
            Self::Few => Ok((available / 2).clamp(1, 200)),
            Self::All => Ok(available),
            Self::Rows(rows) if (1..=available).contains(&rows) => Ok(rows),
            Self::Rows(rows) => Err(TrainError::Setting {
                name,
                given: rows.to_string(),
                expected: format!("between 1 and the {available} rows that there are, or \"all\""),
            }),
        }
    }
}

impl Default for Setting {
    fn default() -> Self {
        let recipe = |epochs, batch, learning_rate| Recipe {
            epochs,
            batch,
            optimiser: Optimiser::Sgd {
                momentum: 0.9,
                decay: 5e-4,
            },
            learning_rate,
            schedule: Schedule::Cosine,
            warm_up: 2,
        };
        Self {
            source: Source::Digits,
            methods: Method::all(),
            budget: None,
            seeds: 5,
            train_size: TrainSize::Few,
            teacher_train_size: TrainSize::Few,
            labelled: None,
            label_noise: 0.0,
            teacher_label_noise: 0.0,
            sensor_shift: 0.0,
            scenario: None,
            augment_teacher: true,
            student: Learner {
                hidden: vec![32],
                recipe: recipe(150, 32, 0.05),
            },
            teacher: Learner {
                hidden: vec![256, 256],
                recipe: recipe(150, 64, 0.05),
            },
            learning_rates: vec![0.005, 0.02, 0.05, 0.1],
            factor: Factor::default(),
            split: Split::default(),
        }
    }
}

/// Selections that a budget curve goes through.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// What samples are judged by; [`Score::Random`] is the control.
    pub scores: Vec<Score>,
    /// Shares of samples that the teacher supervises, 0..=1.
    pub fractions: Vec<f32>,
}

impl Setting {
    /// The methods, and after them those of the budget curves, by method, score and share.
    pub(super) fn all_methods(&self) -> Vec<Method> {
        let mut all = self.methods.clone();
        let Some(budget) = &self.budget else {
            return all;
        };
        for method in &self.methods {
            let Some(policy) = method.policy else {
                continue;
            };
            for &score in &budget.scores {
                for &fraction in &budget.fractions {
                    let policy = Policy {
                        score,
                        fraction,
                        ..policy
                    };
                    all.push(Method {
                        policy: Some(policy),
                        ..method.clone()
                    });
                }
            }
        }
        all
    }

    /// Refuses networks without features for the feature terms.
    pub(super) fn check_features(&self) -> Result<(), TrainError> {
        for (name, learner, least) in [
            ("hidden", &self.student, 2),
            ("teacher-hidden", &self.teacher, 1),
        ] {
            if learner.hidden.last().is_none_or(|&width| width < least) {
                return Err(TrainError::Setting {
                    name,
                    given: format!("{:?}", learner.hidden),
                    expected: format!("layers, the last of {least} or more, for feature terms"),
                });
            }
        }
        Ok(())
    }

    /// Refuses what no run could be made of.
    pub(super) fn check(&self, dataset: &Dataset) -> Result<(), TrainError> {
        let refuse = |name, given: String, expected: &str| {
            Err(TrainError::Setting {
                name,
                given,
                expected: expected.to_owned(),
            })
        };
        if self.methods.is_empty() {
            return refuse("methods", "none".to_owned(), "at least one method");
        }
        if self.seeds == 0 {
            return refuse("seeds", "0".to_owned(), "at least 1");
        }
        for (name, noise) in [
            ("label-noise", self.label_noise),
            ("teacher-label-noise", self.teacher_label_noise),
        ] {
            if !(0.0..=1.0).contains(&noise) {
                return refuse(name, noise.to_string(), "between 0 and 1");
            }
            if noise > 0.0 && dataset.classes() < 2 {
                return refuse(name, noise.to_string(), "0 where there is only one class");
            }
        }
        if let Some(budget) = &self.budget {
            let shares = &budget.fractions;
            if !shares.iter().all(|share| (0.0..=1.0).contains(share)) {
                return refuse("fractions", format!("{shares:?}"), "shares between 0 and 1");
            }
            if self.methods.iter().all(|method| method.policy.is_none()) {
                return refuse(
                    "fractions",
                    format!("{shares:?}"),
                    "given with a method that selects: ds or lr-ds",
                );
            }
        }
        if let Some(labelled @ 0) = self.labelled {
            return refuse("labelled", labelled.to_string(), "at least 1");
        }
        let rates = &self.learning_rates;
        if rates.is_empty() || !rates.iter().all(|&rate| rate > 0.0 && rate.is_finite()) {
            return refuse(
                "lr-grid",
                format!("{rates:?}"),
                "learning rates greater than 0",
            );
        }
        for learner in [&self.student, &self.teacher] {
            let Recipe { epochs, batch, .. } = learner.recipe;
            if epochs == 0 || batch == 0 {
                return refuse(
                    "epochs or batch",
                    format!("{epochs}, {batch}"),
                    "at least 1",
                );
            }
            if learner
                .hidden
                .iter()
                .any(|&size| size == 0 || size > 1 << 16)
            {
                return refuse(
                    "hidden",
                    format!("{:?}", learner.hidden),
                    "sizes of 1 to 65536",
                );
            }
        }
        Ok(())
    }
}
