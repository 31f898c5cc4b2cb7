//! A teacher and students under several losses, for each seed.

use super::comparison::{Comparison, Evidence};
use super::data_check;
use super::error::{Finished, Progress, TrainError};
use super::given_teacher::GivenTeacher;
use super::memory;
use super::method::Method;
use super::prepare::{Prepared, teach};
use super::recipe::Learner;
use super::record::{StudentRun, TeacherRun};
use super::setting::Setting;
use super::student::learn;
use super::student_setup::StudentSetup;
use crate::engine::{Engine, Source};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    let (methods, in_table) = setting.compared();
    let features = methods.iter().any(|method| !method.terms.is_empty());
    setting.check_against(&dataset, features)?;
    let given = GivenTeacher::read(&setting.data, &dataset, features)?;
    let runs = setting.seeds as usize * methods.len() * rates.len();
    memory::check(setting, &dataset, setting.seeds, runs)?;
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

    let ahead: Vec<Ahead> = (0..)
        .zip(&methods)
        .map(|(i, method)| {
            let runs = rates.len() * seeds.len();
            Ahead::new(method, i < in_table, runs)
        })
        .collect();
    let tasks: Vec<(&Ahead, f32, usize)> = ahead
        .iter()
        .flat_map(|method| rates.iter().map(move |&rate| (method, rate)))
        .flat_map(|(method, rate)| (0..seeds.len()).map(move |seed| (method, rate, seed)))
        .collect();
    let students: Vec<StudentRun> = tasks
        .par_iter()
        .with_max_len(1)
        .map(|&(ahead, rate, seed)| {
            let learner = Learner {
                learning_rate: rate,
                ..setting.student.clone()
            };
            let setup = StudentSetup {
                learner: &learner,
                method: ahead.method,
                split: setting.features.split,
                seed: seeds[seed],
            };
            let learned = learn(engines, &prepared[seed].0, &setup, progress)?;
            progress(Progress::Student(ahead.finished(
                rate,
                seeds[seed],
                &learned.run,
            )));
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

/// A method and its runs that are not made yet.
struct Ahead<'a> {
    method: &'a Method,
    name: String,
    left: AtomicUsize,
}

impl<'a> Ahead<'a> {
    fn new(method: &'a Method, in_table: bool, runs: usize) -> Self {
        let selection = method.policy.filter(|_| !in_table);
        let selection = selection.map(|of| format!(" {} {}", of.score.name(), of.fraction));
        Self {
            method,
            name: format!("{}{}", method.name, selection.unwrap_or_default()),
            left: AtomicUsize::new(runs),
        }
    }

    fn finished(&self, rate: f32, seed: u64, run: &StudentRun) -> Finished<'_> {
        Finished {
            method: &self.name,
            learning_rate: crate::spec::tidy(rate),
            seed,
            validation_accuracy: run.last_validation(),
            left: self.left.fetch_sub(1, Ordering::Relaxed) - 1,
        }
    }
}
