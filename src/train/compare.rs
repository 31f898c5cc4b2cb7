//! A teacher and students under several losses, for each seed.

use super::method::Method;
use super::prepare::{Prepared, teach};
use super::recipe::{Learner, Recipe};
use super::setting::Setting;
use super::student::{Lesson, learn};
use super::summary::{Comparison, Evidence, StudentRun, TeacherRun};
use crate::data::DataError;
use crate::engine::{Engine, EngineError, Source};
use crate::spec::{ArgumentError, SpecError};
use rayon::prelude::*;

/// A comparison that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting that no run can be made of.
    #[error("{name} = {given} cannot be run: it must be {expected}")]
    Setting {
        /// The setting's name on the command line.
        name: &'static str,
        /// What was given.
        given: String,
        /// What would be right.
        expected: String,
    },
    /// A loss that does not fit the data.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A call that the engine refused.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// An engine that cannot train here, or failed.
    #[error("{0}")]
    Engine(String),
}

impl From<EngineError> for TrainError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Spec(error) => Self::Spec(error),
            EngineError::Argument(error) => Self::Argument(error),
            #[cfg(any(feature = "cuda", feature = "wgpu"))]
            EngineError::Device(message) => Self::Engine(message),
        }
    }
}

/// How far a comparison is. Called from several threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// So many runs are ahead: teachers, then students.
    Begin {
        /// One per seed.
        teachers: usize,
        /// One per seed, method and learning rate.
        students: usize,
    },
    /// A teacher is trained.
    Teacher,
    /// A student is trained.
    Student,
    /// An epoch of a teacher or a student is over.
    Epoch,
}

/// Trains a teacher per seed and a student per seed, method and learning rate. Runs are made in
/// parallel, each on an engine of its own and serially: the numbers do not depend on the number of
/// threads, nor one method's on which others are compared.
pub(crate) fn compare<E: Engine>(
    engines: Source<E>,
    engine_name: &'static str,
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Comparison, TrainError> {
    let dataset = setting.source.load()?;
    setting.check(&dataset)?;
    let rates = &setting.learning_rates;
    let methods = setting.all_methods();
    let features = methods.iter().any(|method| !method.terms.is_empty());
    if features {
        setting.check_features()?;
    }
    let runs = setting.seeds as usize * methods.len() * rates.len();
    progress(Progress::Begin {
        teachers: setting.seeds as usize,
        students: runs,
    });

    let seeds: Vec<u64> = (0..setting.seeds).collect();
    let prepared: Vec<(Prepared, TeacherRun)> = seeds
        .par_iter()
        .with_max_len(1)
        .map(|&seed| {
            let taught = teach(engines, &dataset, setting, seed, features, progress);
            progress(Progress::Teacher);
            taught
        })
        .collect::<Result<_, _>>()?;

    let tasks: Vec<(&Method, f32, usize)> = methods
        .iter()
        .flat_map(|method| rates.iter().map(move |&rate| (method, rate)))
        .flat_map(|(method, rate)| (0..seeds.len()).map(move |seed| (method, rate, seed)))
        .collect();
    let students: Vec<StudentRun> = tasks
        .par_iter()
        .with_max_len(1)
        .map(|&(method, rate, seed)| {
            let recipe = Recipe {
                learning_rate: rate,
                ..setting.student.recipe.clone()
            };
            let learner = Learner {
                recipe,
                ..setting.student.clone()
            };
            let lesson = Lesson {
                learner: &learner,
                spec: &method.spec(),
                policy: method.policy,
                terms: &method.terms,
                split: setting.split,
                mutual: method.mutual,
                seed: seeds[seed],
            };
            let learned = learn(engines, &prepared[seed].0, &lesson, progress)?;
            progress(Progress::Student);
            Ok(learned.run)
        })
        .collect::<Result<_, TrainError>>()?;

    Ok(Comparison::new(Evidence {
        engine: engine_name,
        setting,
        dataset: &dataset,
        prepared,
        students,
    }))
}
