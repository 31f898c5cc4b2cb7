//! A teacher and students under several losses, for each seed.

use super::comparison::{Comparison, Evidence};
use super::data_check;
use super::given_teacher::GivenTeacher;
use super::method::Method;
use super::prepare::{Prepared, teach};
use super::recipe::Learner;
use super::record::{StudentRun, TeacherRun};
use super::setting::Setting;
use super::student::learn;
use super::student_setup::StudentSetup;
use super::{Progress, TrainError};
use crate::engine::{Engine, Source};
use rayon::prelude::*;

/// Trains a teacher per seed and a student per seed, method and learning rate. Runs are made in
/// parallel, each on an engine of its own and serially: the numbers do not depend on the number of
/// threads, nor one method's on which others are compared.
pub(crate) fn compare<E: Engine>(
    engines: Source<E>,
    engine_name: &'static str,
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Comparison, TrainError> {
    setting.check_comparison()?;
    let dataset = data_check::read(&setting.data, progress)?;
    let data_warnings = data_check::warnings(&dataset, &setting.data)?;
    let rates = &setting.learning_rates;
    let (methods, _) = setting.compared();
    let features = methods.iter().any(|method| !method.terms.is_empty());
    setting.check_against(&dataset, features)?;
    let given = GivenTeacher::read(&setting.data, &dataset, features)?;
    let runs = setting.seeds as usize * methods.len() * rates.len();
    progress(Progress::Begin {
        teachers: setting.seeds as usize,
        students: runs,
    });

    let seeds: Vec<u64> = (setting.seed..setting.seed + setting.seeds).collect();
    let prepared: Vec<(Prepared, TeacherRun)> = seeds
        .par_iter()
        .with_max_len(1)
        .map(|&seed| {
            let taught = teach(
                engines,
                &dataset,
                setting,
                given.as_ref(),
                seed,
                features,
                progress,
            );
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
            let learner = Learner {
                learning_rate: rate,
                ..setting.student.clone()
            };
            let setup = StudentSetup {
                learner: &learner,
                method,
                split: setting.features.split,
                seed: seeds[seed],
            };
            let learned = learn(engines, &prepared[seed].0, &setup, progress)?;
            progress(Progress::Student);
            Ok(learned.run)
        })
        .collect::<Result<_, TrainError>>()?;

    let of_teacher = given.map(|given| given.warnings).unwrap_or_default();
    let warnings = [data_warnings, of_teacher].concat();
    Ok(Comparison::new(Evidence {
        engine: engine_name,
        setting,
        dataset: &dataset,
        warnings,
        prepared,
        students,
    }))
}
