//! What is compared on what: data, noise, teacher, student, methods, seeds.

use super::TrainError;
use super::recipe::{Learner, Recipe, Schedule};
use crate::data::{Dataset, Source};
use crate::nn::Optimiser;
use crate::spec::Preset;

/// One comparison. The default is the scenario that the README describes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// Where the data come from.
    pub source: Source,
    /// The methods, in the order of the table.
    pub methods: Vec<Preset>,
    /// Runs per method, with the seeds 0, 1, …
    pub seeds: u64,
    /// Rows that the student trains on.
    pub train_size: TrainSize,
    /// Rows that the teacher trains on, taken from the other end of the same permutation: they
    /// overlap with the student's only where both together are more than there are.
    pub teacher_train_size: TrainSize,
    /// The share of the student's training labels that are replaced by another class.
    pub label_noise: f32,
    /// The share of the teacher's training labels that are replaced by another class.
    pub teacher_label_noise: f32,
    /// Whether the teacher also sees its pictures shifted by one pixel.
    pub augment_teacher: bool,
    /// The student and how it is trained.
    pub student: Learner,
    /// The teacher and how it is trained.
    pub teacher: Learner,
    /// Learning rates of the student, of which each method takes the one with the best mean
    /// validation accuracy after the last epoch (the first of equals).
    pub learning_rates: Vec<f32>,
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
            methods: Preset::ALL.to_vec(),
            seeds: 5,
            train_size: TrainSize::Few,
            teacher_train_size: TrainSize::Few,
            label_noise: 0.0,
            teacher_label_noise: 0.0,
            augment_teacher: true,
            student: Learner {
                hidden: vec![32],
                recipe: recipe(40, 32, 0.05),
            },
            teacher: Learner {
                hidden: vec![256, 256],
                recipe: recipe(40, 64, 0.05),
            },
            learning_rates: vec![0.005, 0.02, 0.05, 0.1],
        }
    }
}

impl Setting {
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
