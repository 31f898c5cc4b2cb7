//! How a network is trained: sizes, epochs, optimiser, learning rate and its schedule.

use crate::nn::Optimiser;

/// A network and how it is trained.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Learner {
    /// Sizes of the hidden layers, from the input on.
    pub hidden: Vec<usize>,
    /// Times that the training rows are gone through.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// How a gradient becomes a step.
    pub optimiser: Optimiser,
    /// The learning rate at its highest.
    #[serde(serialize_with = "crate::spec::as_tidy")]
    pub learning_rate: f32,
    /// How the learning rate falls.
    pub schedule: Schedule,
    /// The first epochs, over which the learning rate rises in equal steps from 0.
    pub warm_up: usize,
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// To a tenth after 60 % of the steps, and again after 80 %.
    Step,
    /// Along half a cosine to 0 (Loshchilov and Hutter, arXiv 1608.03983).
    Cosine,
}

impl Schedule {
    /// All schedules and their names on the command line.
    pub const ALL: [(&'static str, Self); 3] = [
        ("constant", Self::Constant),
        ("step", Self::Step),
        ("cosine", Self::Cosine),
    ];

    /// What the learning rate is multiplied by after this share of the steps.
    fn factor(self, share: f32) -> f32 {
        match self {
            Self::Constant => 1.0,
            Self::Step if share < 0.6 => 1.0,
            Self::Step if share < 0.8 => 0.1,
            Self::Step => 0.01,
            Self::Cosine => 0.5 * (1.0 + (std::f32::consts::PI * share).cos()),
        }
    }
}

/// How far a training is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepIndex {
    pub(crate) step: usize,
    pub(crate) steps_per_epoch: usize,
    pub(crate) epochs: usize,
}

impl StepIndex {
    /// What a value of this height is now: it rises over the epochs of the warm-up, and then falls as
    /// its schedule says.
    pub(crate) fn of(self, height: f32, schedule: Schedule, warm_up: usize) -> f32 {
        let warm_up = warm_up.min(self.epochs) * self.steps_per_epoch;
        if self.step < warm_up {
            return height * (self.step + 1) as f32 / warm_up as f32;
        }
        let rest = (self.epochs * self.steps_per_epoch)
            .saturating_sub(warm_up)
            .max(1);
        height * schedule.factor((self.step - warm_up) as f32 / rest as f32)
    }
}

impl Learner {
    /// Layer sizes, input first.
    pub(super) fn sizes(&self, features: usize, classes: usize) -> Vec<usize> {
        [&[features], &self.hidden[..], &[classes]].concat()
    }

    /// The learning rate, so far into the training.
    pub(crate) fn rate(&self, at: StepIndex) -> f32 {
        at.of(self.learning_rate, self.schedule, self.warm_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(schedule: Schedule, warm_up: usize) -> Learner {
        Learner {
            hidden: Vec::new(),
            epochs: 10,
            batch: 32,
            optimiser: Optimiser::AdamW { decay: 0.0 },
            learning_rate: 0.5,
            schedule,
            warm_up,
        }
    }

    fn rate(recipe: &Learner, step: usize, steps_per_epoch: usize) -> f32 {
        recipe.rate(StepIndex {
            step,
            steps_per_epoch,
            epochs: recipe.epochs,
        })
    }

    #[test]
    fn schedules_fall_from_the_learning_rate() {
        let rates = |schedule| [0, 30, 60, 85].map(|step| rate(&recipe(schedule, 0), step, 10));
        assert_eq!(rates(Schedule::Constant), [0.5; 4]);
        assert_eq!(rates(Schedule::Step), [0.5, 0.5, 0.05, 0.005]);
        let cosine = rates(Schedule::Cosine);
        assert_eq!(cosine[0], 0.5);
        assert!(cosine.is_sorted_by(|a, b| a > b), "{cosine:?}");
        assert!(rate(&recipe(Schedule::Cosine, 0), 99, 10) < 1e-3);
    }

    #[test]
    fn the_warm_up_rises_to_the_learning_rate() {
        let recipe = recipe(Schedule::Cosine, 2);
        assert_eq!(rate(&recipe, 0, 10), 0.5 / 20.0);
        assert_eq!(rate(&recipe, 19, 10), 0.5);
        assert_eq!(rate(&recipe, 20, 10), 0.5);
        // A warm-up as long as the training, or an empty training, divides by nothing.
        let all = Learner {
            warm_up: 99,
            ..recipe
        };
        assert_eq!(rate(&all, 99, 10), 0.5);
    }
}
