//! A teacher and students under several losses, for each seed.

use super::fit::{self, HostSamples, Samples};
use super::recipe::{Learner, Recipe};
use super::setting::Setting;
use super::summary::{Comparison, Evidence, StudentRun, TeacherRun};
use super::{inspect, metrics};
use crate::data::{self, DataError, Dataset, Scaling, Split};
use crate::engine::Engine;
use crate::nn::Mlp;
use crate::random::{Philox, stream};
use crate::spec::{ArgumentError, LossSpec, Preset, SpecError};
use rayon::prelude::*;
use std::time::Instant;

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
}

/// Where batches are evaluated, and the most rows of a training step.
const CAPACITY: usize = 256;

/// One seed's data: the same for every method, so that methods are paired.
struct Prepared {
    train: HostSamples,
    validation: HostSamples,
    test: HostSamples,
    sizes: (usize, usize),
}

/// Trains a teacher per seed and a student per seed, method and learning rate. Runs are made in
/// parallel, each on an engine of its own and serially: the numbers do not depend on the number of
/// threads, nor one method's on which others are compared.
pub(crate) fn compare<E: Engine + Default>(
    engine_name: &'static str,
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Comparison, TrainError> {
    let dataset = setting.source.load()?;
    setting.check(&dataset)?;
    let rates = &setting.learning_rates;
    let runs = setting.seeds as usize * setting.methods.len() * rates.len();
    progress(Progress::Begin {
        teachers: setting.seeds as usize,
        students: runs,
    });

    let seeds: Vec<u64> = (0..setting.seeds).collect();
    let prepared: Vec<(Prepared, TeacherRun)> = seeds
        .par_iter()
        .with_max_len(1)
        .map(|&seed| {
            let taught = teach::<E>(&dataset, setting, seed);
            progress(Progress::Teacher);
            taught
        })
        .collect::<Result<_, _>>()?;

    let tasks: Vec<(Preset, f32, usize)> = setting
        .methods
        .iter()
        .flat_map(|&method| rates.iter().map(move |&rate| (method, rate)))
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
            let run = learn::<E>(&prepared[seed].0, &learner, &method.spec(), seeds[seed]);
            progress(Progress::Student);
            run
        })
        .collect::<Result<_, _>>()?;

    let teachers = prepared
        .iter()
        .map(|(_, teacher)| teacher.clone())
        .collect();
    let (train_rows, teacher_rows) = prepared[0].0.sizes;
    Ok(Comparison::new(Evidence {
        engine: engine_name,
        setting,
        dataset: &dataset,
        rows: [
            train_rows,
            teacher_rows,
            prepared[0].0.validation.labels.len(),
            prepared[0].0.test.labels.len(),
        ],
        teachers,
        students,
    }))
}

/// Splits the data, trains the seed's teacher, and gives its logits on the student's rows.
fn teach<E: Engine + Default>(
    dataset: &Dataset,
    setting: &Setting,
    seed: u64,
) -> Result<(Prepared, TeacherRun), TrainError> {
    let begin = Instant::now();
    let split = Split::new(dataset, seed)?;
    let pool = &split.train;
    let for_student = setting.train_size.of(pool.len(), "train-size")?;
    let for_teacher = setting
        .teacher_train_size
        .of(pool.len(), "teacher-train-size")?;
    let scaling = Scaling::fit(dataset, pool)?;
    let samples = |rows: &[u32], shifts| host_samples(dataset, &scaling, rows, shifts);

    let mut train = samples(&pool[..for_student], &NO_SHIFT);
    data::corrupt_labels(
        &mut train.labels,
        dataset.classes(),
        setting.label_noise,
        seed,
    )?;
    let shifts = if setting.augment_teacher {
        &SHIFTS[..]
    } else {
        &NO_SHIFT
    };
    let mut lessons = samples(&pool[pool.len() - for_teacher..], shifts);
    // Another seed than the student's noise, so that both err independently.
    let teacher_seed = seed ^ (1 << 63);
    data::corrupt_labels(
        &mut lessons.labels,
        dataset.classes(),
        setting.teacher_label_noise,
        teacher_seed,
    )?;

    let mut engine = E::default();
    let streams = [stream::TEACHER_WEIGHTS, stream::TEACHER_ORDER];
    let ce = Preset::Ce.spec();
    let mut net = trained(
        &mut engine,
        &lessons,
        &setting.teacher,
        &ce,
        seed,
        streams,
        |_, _, _, _| {},
    )?;
    let (validation, test) = (
        samples(&split.validation, &NO_SHIFT),
        samples(&split.test, &NO_SHIFT),
    );
    let mut logits = |of: &HostSamples| {
        let samples = Samples::upload(&mut engine, of);
        fit::logits(&mut engine, &mut net, &samples)
    };
    train.teacher = logits(&train);
    let of_test = logits(&test);
    let classes = dataset.classes();
    let train_accuracy = metrics::accuracy(&train.teacher, &train.labels, classes);
    let run = TeacherRun {
        train_accuracy,
        wrong_train_labels: 1.0 - train_accuracy,
        validation_accuracy: metrics::accuracy(&logits(&validation), &validation.labels, classes),
        test_accuracy: metrics::accuracy(&of_test, &test.labels, classes),
        train_calibration_error: metrics::calibration_error(&train.teacher, &train.labels, classes),
        test_calibration_error: metrics::calibration_error(&of_test, &test.labels, classes),
        bins: inspect::tally(&of_test, &test.labels, classes),
        samples: inspect::samples(dataset, &pool[..for_student], &train),
        seconds: begin.elapsed().as_secs_f64(),
    };
    let sizes = (for_student, for_teacher);
    Ok((
        Prepared {
            train,
            validation,
            test,
            sizes,
        },
        run,
    ))
}

/// Trains one student.
fn learn<E: Engine + Default>(
    prepared: &Prepared,
    learner: &Learner,
    spec: &LossSpec,
    seed: u64,
) -> Result<StudentRun, TrainError> {
    let begin = Instant::now();
    let mut engine = E::default();
    let validation = Samples::upload(&mut engine, &prepared.validation);
    let test = Samples::upload(&mut engine, &prepared.test);
    let mut run = StudentRun::default();
    let streams = [stream::STUDENT_WEIGHTS, stream::STUDENT_ORDER];
    trained(
        &mut engine,
        &prepared.train,
        learner,
        spec,
        seed,
        streams,
        |engine, net, _, loss| {
            run.loss.push(loss);
            run.validation.push(fit::accuracy(engine, net, &validation));
            run.test.push(fit::accuracy(engine, net, &test));
        },
    )?;
    run.seconds = begin.elapsed().as_secs_f64();
    Ok(run)
}

/// A network trained on `host`, with weights and order of the seed's own streams.
fn trained<E: Engine>(
    engine: &mut E,
    host: &HostSamples,
    learner: &Learner,
    spec: &LossSpec,
    seed: u64,
    [weights, order]: [u64; 2],
    after_epoch: impl FnMut(&mut E, &mut Mlp<E>, usize, f32),
) -> Result<Mlp<E>, TrainError> {
    let samples = Samples::upload(engine, host);
    let plan = engine.plan(spec, host.classes)?;
    let width = host.features.len() / (host.labels.len() * host.variants).max(1);
    let mut sizes = vec![width];
    sizes.extend(&learner.hidden);
    sizes.push(host.classes);
    let capacity = learner.recipe.batch.max(CAPACITY);
    let mut net = Mlp::new(engine, &sizes, capacity, &mut Philox::new(seed, weights));
    let mut random = Philox::new(seed, order);
    fit::fit(
        engine,
        &mut net,
        &samples,
        &plan,
        &learner.recipe,
        &mut random,
        after_epoch,
    )?;
    Ok(net)
}

/// Rows and columns by which a picture is shifted.
type Shift = (isize, isize);
const NO_SHIFT: [Shift; 1] = [(0, 0)];
const SHIFTS: [Shift; 5] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)];

/// Scaled features of these rows, once per shift, and their labels.
fn host_samples(
    dataset: &Dataset,
    scaling: &Scaling,
    rows: &[u32],
    shifts: &[Shift],
) -> HostSamples {
    let shifts = if dataset.image().is_some() {
        shifts
    } else {
        &NO_SHIFT
    };
    let width = dataset.dim();
    let mut features = Vec::with_capacity(rows.len() * width * shifts.len());
    for &shift in shifts {
        for &row in rows {
            let row = &dataset.features()[row as usize * width..][..width];
            let start = features.len();
            match dataset.image() {
                Some(image) if shift != (0, 0) => features.extend(shifted(row, image, shift)),
                _ => features.extend_from_slice(row),
            }
            scaling.apply_row(&mut features[start..]);
        }
    }
    HostSamples {
        features,
        labels: rows
            .iter()
            .map(|&row| dataset.labels()[row as usize])
            .collect(),
        teacher: Vec::new(),
        classes: dataset.classes(),
        variants: shifts.len(),
    }
}

/// A picture shifted by whole pixels; what comes in from outside is 0.
fn shifted(picture: &[f32], (height, width): (usize, usize), (down, right): Shift) -> Vec<f32> {
    let pixel = |i: usize| {
        let (y, x) = (i / width, i % width);
        let y = y.checked_add_signed(-down).filter(|&y| y < height)?;
        let x = x.checked_add_signed(-right).filter(|&x| x < width)?;
        Some(picture[y * width + x])
    };
    (0..picture.len())
        .map(|i| pixel(i).unwrap_or(0.0))
        .collect()
}
