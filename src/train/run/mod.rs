//! One run: a teacher, a student, and the network that comes out.

mod config;
mod keys;
mod result;
mod values;

pub use config::{ConfigError, RunConfig};
pub use result::{BestEpoch, RunResult, RunRows, StudentScores, TeacherScores};
pub(super) use values::{LARGEST_BATCH, LARGEST_LAYER, MOST_LAYERS};

use super::fit::{self, Samples};
use super::model::{About, MOST_PARAMETERS, Model, Predictions, parameter_count};
use super::prepare::teach;
use super::student::{self, Lesson, learn};
use super::summary::{self, Curve, Selected};
use super::{Learner, Progress, TrainError};
use crate::data::Dataset;
use crate::engine::{Engine, Source};
use result::Evidence;

/// A run with everything that it leaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// What came of it.
    pub result: RunResult,
    /// The student, epoch by epoch.
    pub curve: Curve,
    /// The choices of the selection; empty where there was no policy.
    pub choices: Vec<Selected>,
    /// The student's network after the last epoch.
    pub model: Model,
    /// Its logits on the test rows, from the engine that trained it.
    pub test: Predictions,
}

/// Trains a teacher, and a student on it.
pub(crate) fn run<E: Engine>(
    engines: Source<E>,
    engine_name: &'static str,
    config: &RunConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Run, TrainError> {
    let setting = &config.setting;
    let dataset = setting.source.load()?;
    setting.check(&dataset)?;
    check(
        &setting.student,
        &dataset,
        ["student.hidden", "student.batch"],
    )?;
    check(
        &setting.teacher,
        &dataset,
        ["teacher.hidden", "teacher.batch"],
    )?;
    let features = !config.terms.is_empty();
    if features {
        setting.check_features()?;
    }
    progress(Progress::Begin {
        teachers: 1,
        students: 1,
    });

    let (prepared, teacher) = teach(engines, &dataset, setting, config.seed, features, progress)?;
    finite(
        &prepared.train.teacher,
        "teacher.learning-rate",
        &setting.teacher,
    )?;
    progress(Progress::Teacher);
    let lesson = Lesson {
        learner: &setting.student,
        spec: &config.loss,
        policy: config.policy,
        terms: &config.terms,
        split: setting.split,
        mutual: config.mutual,
        seed: config.seed,
    };
    let mut learned = learn(engines, &prepared, &lesson, progress)?;
    progress(Progress::Student);

    let (engine, net) = (&mut learned.engine, &mut learned.net);
    let parameters = net.parameters(engine)?;
    for values in parameters.iter().flatten() {
        finite(values, "student.learning-rate", &setting.student)?;
    }
    let samples = Samples::upload(engine, &prepared.test);
    let test = Predictions {
        logits: fit::logits(engine, net, &samples)?,
        labels: prepared.test.labels.clone(),
        classes: dataset.classes(),
    };
    let result = RunResult::new(&Evidence {
        engine: engine_name,
        config,
        dataset: &dataset,
        prepared: &prepared,
        teacher: &teacher,
        student: &learned.run,
        test: &test,
    });
    let about = About::new(&result, config, net.capacity())?;
    Ok(Run {
        model: Model::new(about, parameters, prepared.scaling),
        choices: summary::selected(&learned.run, &prepared.rows),
        curve: summary::curve(&learned.run),
        result,
        test,
    })
}

/// Refuses a network that would not fit.
fn check(learner: &Learner, dataset: &Dataset, names: [&'static str; 2]) -> Result<(), TrainError> {
    let sizes = student::sizes(dataset.dim(), learner, dataset.classes());
    let [hidden, batch] = names;
    let refuse = |name, given: String, expected: String| TrainError::Setting {
        name,
        given,
        expected,
    };
    if learner.hidden.len() > MOST_LAYERS || parameter_count(&sizes).is_none() {
        let expected = format!(
            "at most {MOST_LAYERS} layers, and at most {MOST_PARAMETERS} parameters with the \
             {} features and {} classes of the data",
            dataset.dim(),
            dataset.classes()
        );
        return Err(refuse(hidden, format!("{:?}", learner.hidden), expected));
    }
    let rows = learner.recipe.batch;
    if rows > LARGEST_BATCH {
        let expected = format!("at most {LARGEST_BATCH}");
        return Err(refuse(batch, rows.to_string(), expected));
    }
    Ok(())
}

/// Refuses to go on with a network that has diverged.
fn finite(values: &[f32], name: &'static str, learner: &Learner) -> Result<(), TrainError> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(TrainError::Setting {
        name,
        given: learner.recipe.learning_rate.to_string(),
        expected: "smaller: the network diverged, and holds numbers that are not finite".to_owned(),
    })
}
