//! One run: a teacher, a student, and the network that comes out.

use super::data_check;
use super::error::{Finished, Progress, TrainError};
use super::given_teacher::GivenTeacher;
use super::memory;
use super::model::{About, Columns, FORMAT, FORMULA, Model, Predictions};
use super::prepare::teach;
use super::record::{Curve, Selected};
use super::run_result::{Evidence, RunResult};
use super::samples::{self, Samples};
use super::setting::{Setting, SettingError};
use super::student::learn;
use super::student_setup::StudentSetup;
use crate::data::Dataset;
use crate::engine::{Engine, Source};

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
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Run, TrainError> {
    setting.check_run()?;
    let dataset = data_check::read(&setting.data, progress)?;
    let data_warnings = data_check::warnings(&dataset, &setting.data)?;
    let method = setting.method();
    let features = !method.terms.is_empty();
    setting.check_against(&dataset, features)?;
    memory::check(setting, &dataset, 1, 1)?;
    progress(Progress::Begin {
        teachers: 1,
        students: 1,
    });

    let given = GivenTeacher::read(&setting.data, &dataset, features)?;
    let (prepared, teacher) = teach(
        engines,
        &dataset,
        setting,
        given.as_ref(),
        setting.seed,
        features,
        progress,
    )?;
    progress(Progress::Teacher);
    let setup = StudentSetup {
        learner: &setting.student,
        method: &method,
        split: setting.features.split,
        seed: setting.seed,
    };
    let mut learned = learn(engines, &prepared, &setup, progress)?;
    progress(Progress::Student(Finished {
        method: &method.name,
        learning_rate: crate::spec::tidy(setting.student.learning_rate),
        seed: setting.seed,
        validation_accuracy: learned.run.last_validation(),
        left: 0,
    }));
    if let Some(epoch) = learned.run.diverged {
        let (rate, when) = (setting.student.learning_rate, format!("in epoch {epoch}"));
        return Err(SettingError::diverged("student", rate, when).into());
    }
    let (engine, net) = (&mut learned.engine, &mut learned.net);
    let parameters = net.parameters(engine)?;
    let samples = Samples::upload(engine, &prepared.test);
    let test = Predictions {
        logits: samples::logits(engine, net, &samples)?,
        labels: prepared.test.labels.clone(),
        classes: dataset.classes(),
    };
    let of_teacher = given.map(|given| given.warnings).unwrap_or_default();
    let warnings = [data_warnings, of_teacher].concat();
    let result = RunResult::new(&Evidence {
        engine: engine_name,
        setting,
        warnings,
        dataset: &dataset,
        prepared: &prepared,
        teacher: &teacher,
        student: &learned.run,
        test: &test,
    });
    let about = about(&result, &dataset, setting, net.capacity())?;
    Ok(Run {
        model: Model::new(about, parameters, prepared.scaling),
        choices: learned.run.selected(&prepared.rows),
        curve: learned.run.curve,
        result,
        test,
    })
}

/// Where the student came from, for its file.
fn about(
    result: &RunResult,
    dataset: &Dataset,
    setting: &Setting,
    rows_at_once: usize,
) -> Result<About, SettingError> {
    Ok(About {
        format: FORMAT,
        formula: FORMULA.to_owned(),
        sizes: result.student.sizes.clone(),
        classes: result.rows.classes,
        rows_at_once,
        train_rows: result.rows.train,
        labelled_rows: result.rows.labelled,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        method: result.preset.to_owned(),
        data: result.dataset.clone(),
        rows_checksum: dataset.checksum(dataset.len()),
        train_checksum: dataset.checksum(dataset.test_from().unwrap_or(dataset.len())),
        class_names: (0..dataset.classes())
            .map(|class| dataset.class_name(class))
            .collect(),
        columns: Columns::of(dataset),
        seed: result.seed,
        engine: result.engine.to_owned(),
        test_accuracy: result.student.test_accuracy,
        config: setting.to_toml()?,
    })
}
