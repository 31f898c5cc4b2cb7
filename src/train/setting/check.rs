//! The ranges of a setting's values.

use super::error::SettingError;
use super::keys::{Features, Setting};
use crate::data::Dataset;
use crate::nn::Optimiser;
use crate::spec::Temperature;
use crate::train::recipe::Learner;
use crate::train::term::Term;
use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;

/// More rows than this do not make a step; an activation of so many rows still fits a machine.
pub(in crate::train) const LARGEST_BATCH: usize = 1 << 16;
/// The most units of a hidden layer.
pub(in crate::train) const LARGEST_LAYER: usize = 1 << 16;
/// The most hidden layers.
pub(in crate::train) const MOST_LAYERS: usize = 16;
/// A GiB of them.
pub(in crate::train) const MOST_PARAMETERS: usize = 1 << 28;
const MOST_EPOCHS: usize = 1_000_000;
const MOST_SEEDS: u64 = 10_000;
/// Runs of a comparison: seeds times methods times learning rates.
const MOST_RUNS: usize = 1_000_000;
/// Deviations; of more there is nothing to learn.
const LARGEST_SHIFT: f32 = 1000.0;
/// Methods, learning rates, shares or scores.
const LONGEST_LIST: usize = 1000;
/// TOML has no larger numbers.
const LARGEST_SEED: u64 = i64::MAX as u64;

type Checked = Result<(), SettingError>;

impl Setting {
    /// Refuses values outside their ranges, and parts that do not go together.
    pub(super) fn check(&self) -> Checked {
        whole("seeds", self.seeds, 1..=MOST_SEEDS)?;
        whole("seed", self.seed, 0..=LARGEST_SEED - self.seeds)?;
        let methods = !self.methods.is_empty();
        hold("methods", "[]", methods, "at least one method")?;
        let rates = &self.learning_rates;
        let hold_rates = !rates.is_empty() && rates.iter().all(|&rate| is_rate(rate));
        listed(
            "learning-rates",
            rates,
            hold_rates,
            "finite numbers greater than 0",
        )?;
        let data = &self.data;
        share("data.label-noise", data.label_noise)?;
        share("data.teacher-label-noise", data.teacher_label_noise)?;
        let shift = data.sensor_shift;
        let holds = (0.0..=LARGEST_SHIFT).contains(&shift);
        let expected = format!("a number of deviations from 0 to {LARGEST_SHIFT}");
        hold("data.sensor-shift", shift, holds, &expected)?;
        let floor = data.probability_floor;
        let holds = floor > 0.0 && floor < 1.0;
        hold(
            "data.probability-floor",
            floor,
            holds,
            "between 0 and 1, both excluded",
        )?;
        if data.teacher_logits.is_some() && data.teacher_probabilities.is_some() {
            return Err(SettingError::new(
                "data.teacher-probabilities",
                "give the teacher's logits or its probabilities, not both",
            ));
        }
        if data.teacher_ids.is_some() && data.given().is_none() {
            return Err(SettingError::new(
                "data.teacher-ids",
                "needs a teacher from elsewhere: give its logits or probabilities too",
            ));
        }
        if data.teacher_features.is_some() && data.given().is_none() {
            return Err(SettingError::new(
                "data.teacher-features",
                "needs a teacher from elsewhere: give its logits or probabilities too",
            ));
        }
        self.student.check("student")?;
        self.teacher.check("teacher")?;
        self.features.check()?;
        self.terms.iter().try_for_each(Term::check)?;
        if let Some(policy) = &self.select {
            share("select.fraction", policy.fraction)?;
            whole("select.every", policy.recompute_every, 0..=MOST_EPOCHS)?;
            whole("select.warm-up", policy.warm_up, 0..=MOST_EPOCHS)?;
        }
        if let Some(budget) = &self.budget {
            let shares = &budget.fractions;
            let holds = !shares.is_empty() && shares.iter().all(|&share| is_share(share));
            listed("budget.fractions", shares, holds, "shares between 0 and 1")?;
            listed(
                "budget.scores",
                &budget.scores,
                !budget.scores.is_empty(),
                "at least one score",
            )?;
        }
        let per_row = matches!(self.loss.spec.temperature(), Temperature::PerRow);
        hold(
            "loss.temperature",
            "per-row",
            !per_row,
            "fixed, dtd or standardised: only `fused-kd loss` takes a temperature for each row",
        )
    }

    /// Refuses lists that say something twice: who writes that means something else.
    pub(super) fn check_lists(&self) -> Checked {
        distinct("methods", &self.methods, |method| method.name.clone())?;
        distinct("learning-rates", &self.learning_rates, |&rate| rate)?;
        let Some(budget) = &self.budget else {
            return Ok(());
        };
        distinct("budget.fractions", &budget.fractions, |&share| share)?;
        distinct("budget.scores", &budget.scores, |score| score.name())
    }

    /// Refuses what a run alone cannot be made of.
    pub(in crate::train) fn check_run(&self) -> Checked {
        self.check()?;
        if self.mutual && self.select.is_some() {
            return Err(SettingError::new(
                "select",
                "mutual learning has no teacher to select samples by: leave out [select] or mutual",
            ));
        }
        Ok(())
    }

    /// Refuses what a comparison alone cannot be made of.
    pub(in crate::train) fn check_comparison(&self) -> Checked {
        self.check()?;
        self.check_runs()?;
        let selects = self.methods.iter().any(|method| method.policy.is_some());
        match self.budget.is_none() || selects {
            true => Ok(()),
            false => Err(SettingError::new(
                "budget.fractions",
                "needs a method with data selection: add ds or lr-ds to the methods",
            )),
        }
    }

    /// Refuses more runs than anybody could wait for.
    fn check_runs(&self) -> Checked {
        let budget = self.budget.as_ref();
        let points = budget.map_or(0, |of| of.scores.len().saturating_mul(of.fractions.len()));
        let selecting = self.methods.iter().filter(|method| method.policy.is_some());
        let methods = (selecting.count().saturating_mul(points)).saturating_add(self.methods.len());
        let rates = self.learning_rates.len();
        let runs = methods
            .saturating_mul(rates)
            .saturating_mul(self.seeds as usize);
        let expected = format!(
            "fewer: {methods} methods with {rates} learning rates make {runs} runs, and at most \
             {MOST_RUNS} are made"
        );
        hold("seeds", self.seeds, runs <= MOST_RUNS, &expected)
    }

    /// Refuses what does not fit the data; `features` says whether there are feature terms.
    pub(in crate::train) fn check_against(&self, dataset: &Dataset, features: bool) -> Checked {
        for (key, noise) in [
            ("data.label-noise", self.data.label_noise),
            ("data.teacher-label-noise", self.data.teacher_label_noise),
        ] {
            let holds = noise == 0.0 || dataset.classes() > 1;
            hold(key, noise, holds, "0: the data have only one class")?;
        }
        // A given teacher is no network of ours.
        let teacher = self.data.given().is_none();
        let teacher = teacher.then_some(("teacher", &self.teacher, 1));
        for (table, learner, least) in [("student", &self.student, 2)].into_iter().chain(teacher) {
            learner.check_size(table, dataset)?;
            let enough = learner.hidden.last().is_some_and(|&width| width >= least);
            let expected = format!(
                "sizes of which the last is at least {least}: feature terms compare that layer"
            );
            let key = format!("{table}.hidden");
            listed(&key, &learner.hidden, !features || enough, &expected)?;
        }
        Ok(())
    }
}

impl Learner {
    fn check(&self, table: &str) -> Checked {
        let key = |name: &str| format!("{table}.{name}");
        let sizes = |size: &usize| (1..=LARGEST_LAYER).contains(size);
        let holds = self.hidden.len() <= MOST_LAYERS && self.hidden.iter().all(sizes);
        let expected =
            format!("at most {MOST_LAYERS} layers, each from 1 to {LARGEST_LAYER} units wide");
        listed(&key("hidden"), &self.hidden, holds, &expected)?;
        whole(&key("epochs"), self.epochs, 1..=MOST_EPOCHS)?;
        whole(&key("batch"), self.batch, 1..=LARGEST_BATCH)?;
        whole(&key("warm-up"), self.warm_up, 0..=MOST_EPOCHS)?;
        rate(&key("learning-rate"), self.learning_rate)?;
        match self.optimiser {
            Optimiser::Sgd { momentum, decay } => {
                let holds = (0.0..1.0).contains(&momentum);
                let expected = "a number from 0 to below 1";
                hold(key("optimiser.momentum"), momentum, holds, expected)?;
                not_negative(&key("optimiser.decay"), decay)
            }
            Optimiser::AdamW { decay } => not_negative(&key("optimiser.decay"), decay),
        }
    }

    /// Refuses a network that would not fit a machine.
    fn check_size(&self, table: &str, dataset: &Dataset) -> Checked {
        let (features, classes) = (dataset.dim(), dataset.classes());
        let holds = parameter_count(&self.sizes(features, classes)).is_some();
        let expected = format!(
            "smaller: with {features} features and {classes} classes the network has more than \
             {MOST_PARAMETERS} parameters"
        );
        listed(&format!("{table}.hidden"), &self.hidden, holds, &expected)
    }
}

/// The number of parameters of a network of these sizes, if it is at most [`MOST_PARAMETERS`].
pub(in crate::train) fn parameter_count(sizes: &[usize]) -> Option<usize> {
    let layer = |pair: &[usize]| pair[0].checked_add(1)?.checked_mul(pair[1]);
    let count = sizes
        .windows(2)
        .try_fold(0_usize, |sum, pair| sum.checked_add(layer(pair)?))?;
    (count <= MOST_PARAMETERS).then_some(count)
}

impl Features {
    fn check(&self) -> Checked {
        let factor = &self.factor;
        // Half of the teacher's features unless it is given.
        whole(
            "features.factor.width",
            factor.width.unwrap_or(1),
            1..=LARGEST_LAYER,
        )?;
        whole("features.factor.epochs", factor.epochs, 0..=MOST_EPOCHS)?;
        whole("features.factor.batch", factor.batch, 1..=LARGEST_BATCH)?;
        rate("features.factor.learning-rate", factor.learning_rate)
    }
}

impl Term {
    fn check(&self) -> Checked {
        not_negative("term.weight", self.weight)?;
        whole("term.warm-up", self.warm_up, 0..=MOST_EPOCHS)
    }
}

/// `Ok` where `holds`, else the error that names the key, the value and what would be right.
fn hold(key: impl Into<String>, given: impl Display, holds: bool, expected: &str) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(SettingError::refused(key, given, expected)),
    }
}

fn listed(key: &str, given: &[impl Debug], holds: bool, expected: &str) -> Checked {
    match holds {
        true => Ok(()),
        false => Err(SettingError::refused(
            key,
            format_args!("{given:?}"),
            expected,
        )),
    }
}

/// Refuses one list that says something twice, or is longer than anybody writes.
fn distinct<T: PartialEq, N: Display>(key: &str, given: &[T], name: fn(&T) -> N) -> Checked {
    if given.len() > LONGEST_LIST {
        let problem = format!(
            "{} values, and at most {LONGEST_LIST} are accepted",
            given.len()
        );
        return Err(SettingError::new(key, problem));
    }
    let twice = (1..given.len()).find(|&i| given[..i].contains(&given[i]));
    match twice.map(|i| &given[i]) {
        None => Ok(()),
        Some(value) => Err(SettingError::new(
            key,
            format_args!("`{}` is there twice", name(value)),
        )),
    }
}

fn whole<T: Copy + PartialOrd + Display>(key: &str, given: T, range: RangeInclusive<T>) -> Checked {
    let expected = format!("a whole number from {} to {}", range.start(), range.end());
    hold(key, given, range.contains(&given), &expected)
}

fn is_share(value: f32) -> bool {
    (0.0..=1.0).contains(&value)
}

fn share(key: &str, given: f32) -> Checked {
    hold(key, given, is_share(given), "a share between 0 and 1")
}

fn is_rate(value: f32) -> bool {
    value > 0.0 && value.is_finite()
}

fn rate(key: &str, given: f32) -> Checked {
    hold(key, given, is_rate(given), "a finite number greater than 0")
}

fn not_negative(key: &str, given: f32) -> Checked {
    let holds = given >= 0.0 && given.is_finite();
    hold(key, given, holds, "a finite number that is not negative")
}
