//! The keys of a run's configuration file, as they are written.

use super::values;
use crate::data::Source;
use crate::feature::{Factor, Split};
use crate::nn::Optimiser;
use crate::select::{Keep, Policy, Score};
use crate::spec::{Distance, LossSpec, Relation, tidy};
use crate::train::{Learner, Recipe, Schedule, Setting, Term, TrainSize};
use serde::{Deserialize, Serialize};
use toml::{Spanned, Table};

/// A file as somebody wrote it; what is left out is a default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    #[serde(deserialize_with = "values::seed")]
    pub(super) seed: u64,
    pub(super) mutual: bool,
    pub(super) data: DataKeys,
    pub(super) student: LearnerKeys,
    pub(super) teacher: LearnerKeys,
    /// Free here: its keys are those of a [`LossSpec`], and `preset`.
    pub(super) loss: Option<Spanned<Table>>,
    pub(super) select: Option<SelectKeys>,
    pub(super) features: Option<FeatureKeys>,
    #[serde(rename = "term")]
    pub(super) terms: Vec<TermKeys>,
}

/// A file with every key.
#[derive(Serialize)]
pub(super) struct Resolved {
    pub(super) seed: u64,
    pub(super) mutual: bool,
    pub(super) data: DataKeys,
    pub(super) student: LearnerKeys,
    pub(super) teacher: LearnerKeys,
    pub(super) loss: LossKeys,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) select: Option<SelectKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) features: Option<FeatureKeys>,
    #[serde(rename = "term", skip_serializing_if = "Vec::is_empty")]
    pub(super) terms: Vec<TermKeys>,
}

#[derive(Serialize)]
pub(super) struct LossKeys {
    pub(super) preset: &'static str,
    #[serde(flatten)]
    pub(super) spec: LossSpec,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct DataKeys {
    #[serde(
        deserialize_with = "values::source",
        serialize_with = "values::write_source"
    )]
    source: Source,
    #[serde(
        deserialize_with = "values::train_size",
        serialize_with = "values::write_train_size"
    )]
    train_size: TrainSize,
    #[serde(
        deserialize_with = "values::train_size",
        serialize_with = "values::write_train_size"
    )]
    teacher_train_size: TrainSize,
    #[serde(
        deserialize_with = "values::labelled",
        serialize_with = "values::write_labelled"
    )]
    labelled: Option<usize>,
    #[serde(deserialize_with = "values::share")]
    label_noise: f64,
    #[serde(deserialize_with = "values::share")]
    teacher_label_noise: f64,
    #[serde(deserialize_with = "values::sensor_shift")]
    sensor_shift: f64,
    teacher_shifts: bool,
}

impl Default for DataKeys {
    fn default() -> Self {
        Self::from(&Setting::default())
    }
}

impl From<&Setting> for DataKeys {
    fn from(setting: &Setting) -> Self {
        Self {
            source: setting.source.clone(),
            train_size: setting.train_size,
            teacher_train_size: setting.teacher_train_size,
            labelled: setting.labelled,
            label_noise: tidy(setting.label_noise),
            teacher_label_noise: tidy(setting.teacher_label_noise),
            sensor_shift: tidy(setting.sensor_shift),
            teacher_shifts: setting.augment_teacher,
        }
    }
}

impl DataKeys {
    pub(super) fn apply(self, setting: &mut Setting) {
        setting.source = self.source;
        setting.train_size = self.train_size;
        setting.teacher_train_size = self.teacher_train_size;
        setting.labelled = self.labelled;
        setting.label_noise = self.label_noise as f32;
        setting.teacher_label_noise = self.teacher_label_noise as f32;
        setting.sensor_shift = self.sensor_shift as f32;
        setting.augment_teacher = self.teacher_shifts;
    }
}

/// The name of an optimiser; its parameters are keys beside it.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum OptimiserName {
    Sgd,
    Adamw,
}

/// A network and how it is trained. Student and teacher have different defaults, so what is left out
/// is none here.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct LearnerKeys {
    #[serde(deserialize_with = "values::hidden")]
    hidden: Option<Vec<usize>>,
    #[serde(deserialize_with = "values::epochs")]
    epochs: Option<usize>,
    #[serde(deserialize_with = "values::batch")]
    batch: Option<usize>,
    #[serde(deserialize_with = "values::learning_rate")]
    learning_rate: Option<f64>,
    optimiser: Option<OptimiserName>,
    #[serde(
        deserialize_with = "values::momentum",
        skip_serializing_if = "Option::is_none"
    )]
    momentum: Option<f64>,
    #[serde(deserialize_with = "values::decay")]
    decay: Option<f64>,
    schedule: Option<Schedule>,
    #[serde(deserialize_with = "values::warm_up")]
    warm_up: Option<usize>,
}

impl From<&Learner> for LearnerKeys {
    fn from(learner: &Learner) -> Self {
        let recipe = &learner.recipe;
        let (optimiser, momentum, decay) = match recipe.optimiser {
            Optimiser::Sgd { momentum, decay } => (OptimiserName::Sgd, Some(momentum), decay),
            Optimiser::AdamW { decay } => (OptimiserName::Adamw, None, decay),
        };
        Self {
            hidden: Some(learner.hidden.clone()),
            epochs: Some(recipe.epochs),
            batch: Some(recipe.batch),
            learning_rate: Some(tidy(recipe.learning_rate)),
            optimiser: Some(optimiser),
            momentum: momentum.map(tidy),
            decay: Some(tidy(decay)),
            schedule: Some(recipe.schedule),
            warm_up: Some(recipe.warm_up),
        }
    }
}

impl LearnerKeys {
    /// These keys over a learner; an error says which key does not go with the optimiser.
    pub(super) fn over(self, base: Learner) -> Result<Learner, (&'static str, &'static str)> {
        let mut recipe = Recipe {
            epochs: self.epochs.unwrap_or(base.recipe.epochs),
            batch: self.batch.unwrap_or(base.recipe.batch),
            schedule: self.schedule.unwrap_or(base.recipe.schedule),
            warm_up: self.warm_up.unwrap_or(base.recipe.warm_up),
            ..base.recipe
        };
        if matches!(self.optimiser, Some(OptimiserName::Adamw)) {
            if self.momentum.is_some() {
                return Err(("momentum", "adamw has none: leave it out, or use sgd"));
            }
            // Rates that are right for sgd are too large for adamw.
            recipe.optimiser = Optimiser::AdamW { decay: 0.01 };
            recipe.learning_rate = 0.01;
        }
        match &mut recipe.optimiser {
            Optimiser::Sgd { momentum, decay } => {
                *momentum = self.momentum.map_or(*momentum, |given| given as f32);
                *decay = self.decay.map_or(*decay, |given| given as f32);
            }
            Optimiser::AdamW { decay } => {
                *decay = self.decay.map_or(*decay, |given| given as f32);
            }
        }
        if let Some(rate) = self.learning_rate {
            recipe.learning_rate = rate as f32;
        }
        Ok(Learner {
            hidden: self.hidden.unwrap_or(base.hidden),
            recipe,
        })
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct SelectKeys {
    score: Score,
    keep: Keep,
    #[serde(deserialize_with = "values::share")]
    fraction: f64,
    per_class: bool,
    #[serde(deserialize_with = "values::some_epochs")]
    every: usize,
    #[serde(deserialize_with = "values::some_epochs")]
    warm_up: usize,
}

impl Default for SelectKeys {
    fn default() -> Self {
        Self::from(&Policy::default())
    }
}

impl From<&Policy> for SelectKeys {
    fn from(policy: &Policy) -> Self {
        Self {
            score: policy.score,
            keep: policy.keep,
            fraction: tidy(policy.fraction),
            per_class: policy.per_class,
            every: policy.recompute_every,
            warm_up: policy.warm_up,
        }
    }
}

impl From<SelectKeys> for Policy {
    fn from(keys: SelectKeys) -> Self {
        Self {
            score: keys.score,
            keep: keys.keep,
            fraction: keys.fraction as f32,
            per_class: keys.per_class,
            recompute_every: keys.every,
            warm_up: keys.warm_up,
        }
    }
}

/// What feature terms look at.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct FeatureKeys {
    split: Split,
    /// Half of the teacher's features if none.
    #[serde(
        deserialize_with = "values::layer",
        skip_serializing_if = "Option::is_none"
    )]
    factor: Option<usize>,
    #[serde(deserialize_with = "values::some_epochs")]
    factor_epochs: usize,
    #[serde(deserialize_with = "values::some_batch")]
    factor_batch: usize,
    #[serde(deserialize_with = "values::some_rate")]
    factor_learning_rate: f64,
}

impl Default for FeatureKeys {
    fn default() -> Self {
        Self::from(&Setting::default())
    }
}

impl From<&Setting> for FeatureKeys {
    fn from(setting: &Setting) -> Self {
        let factor = &setting.factor;
        Self {
            split: setting.split,
            factor: factor.width,
            factor_epochs: factor.epochs,
            factor_batch: factor.batch,
            factor_learning_rate: tidy(factor.learning_rate),
        }
    }
}

impl FeatureKeys {
    pub(super) fn apply(self, setting: &mut Setting) {
        setting.split = self.split;
        setting.factor = Factor {
            width: self.factor,
            epochs: self.factor_epochs,
            batch: self.factor_batch,
            learning_rate: self.factor_learning_rate as f32,
        };
    }
}

/// A feature term; what is left out is as in [`Term::new`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TermKeys {
    kind: Relation,
    distance: Option<Distance>,
    #[serde(default, deserialize_with = "values::lambda")]
    weight: Option<f64>,
    schedule: Option<Schedule>,
    #[serde(default, deserialize_with = "values::warm_up")]
    warm_up: Option<usize>,
}

impl From<&Term> for TermKeys {
    fn from(term: &Term) -> Self {
        Self {
            kind: term.relation,
            distance: Some(term.distance),
            weight: Some(tidy(term.weight)),
            schedule: Some(term.schedule),
            warm_up: Some(term.warm_up),
        }
    }
}

impl From<TermKeys> for Term {
    fn from(keys: TermKeys) -> Self {
        let term = Self::new(keys.kind);
        Self {
            relation: keys.kind,
            distance: keys.distance.unwrap_or(term.distance),
            weight: keys.weight.map_or(term.weight, |given| given as f32),
            schedule: keys.schedule.unwrap_or(term.schedule),
            warm_up: keys.warm_up.unwrap_or(term.warm_up),
        }
    }
}
