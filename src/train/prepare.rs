//! One seed's data and teacher: the same for every method, so that methods are paired.

use super::error::{Progress, TrainError};
use super::given_teacher::GivenTeacher;
use super::network::trained;
use super::record::TeacherRun;
use super::samples::{self, HostSamples, Samples};
use super::setting::{Data, Setting, SettingError, TrainSize};
use super::{inspect, metrics};
use crate::data::{Dataset, PerRow, Scaling, Split, corrupt_labels, sensor_shift};
use crate::engine::{Engine, Source};
use crate::feature::{self, Centred};
use crate::random::stream;
use crate::spec::{IGNORE, Preset};
use std::time::Instant;

/// What a seed's students have in common.
pub(super) struct Prepared {
    /// With the teacher's logits.
    pub(super) train: HostSamples,
    pub(super) validation: HostSamples,
    pub(super) test: HostSamples,
    /// The training samples' rows in the data set.
    pub(super) rows: Vec<u32>,
    /// Rows that the teacher was trained on.
    pub(super) teacher_rows: usize,
    /// How all features were scaled.
    pub(super) scaling: Scaling,
    /// The teacher's last hidden layer on the test rows, where students' features are held against it.
    pub(super) features: Option<Centred>,
}

/// What a teacher makes of a seed's rows.
struct Taught {
    /// Logits.
    train: Vec<f32>,
    validation: Option<Vec<f32>>,
    test: Option<Vec<f32>>,
    /// Features of the training rows and their width, where there are feature terms.
    features: Option<(Vec<f32>, usize)>,
    /// Those of the test rows, likewise.
    test_features: Option<Vec<f32>>,
    /// Rows that it was trained on here.
    rows: usize,
}

impl Taught {
    /// Refuses a teacher whose training diverged: students would learn from numbers that are none.
    fn check(&self, setting: &Setting, seed: u64) -> Result<(), SettingError> {
        let logits = [
            Some(&self.train),
            self.validation.as_ref(),
            self.test.as_ref(),
        ];
        let mut logits = logits.into_iter().flatten().flatten();
        match logits.all(|logit| logit.is_finite()) {
            true => Ok(()),
            false => {
                let (rate, when) = (
                    setting.teacher.learning_rate,
                    format!("with the seed {seed}"),
                );
                Err(SettingError::diverged("teacher", rate, when))
            }
        }
    }
}

/// Splits the data, trains the seed's teacher unless one is given, and gives its logits on the
/// student's rows; with `features` its factor too.
pub(super) fn teach<E: Engine>(
    engines: Source<E>,
    dataset: &Dataset,
    setting: &Setting,
    given: Option<&GivenTeacher>,
    seed: u64,
    features: bool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Prepared, TeacherRun), TrainError> {
    let begin = Instant::now();
    let (mut prepared, split) = of_student(dataset, &setting.data, seed)?;
    let classes = dataset.classes();
    let mut engine = engines()?;
    let taught = match given {
        Some(given) => given_to(&prepared, &split, given)?,
        None => {
            let rows = &split.train;
            let lessons = lessons(dataset, setting, &prepared.scaling, rows, seed)?;
            let taught = trained_on(
                &mut engine,
                &lessons,
                setting,
                &prepared,
                seed,
                features,
                progress,
            )?;
            taught.check(setting, seed)?;
            taught
        }
    };
    let mut reconstruction_error = None;
    if let Some((values, width)) = &taught.features {
        let factor = &setting.features.factor;
        let encoded = feature::encode(&mut engine, values, *width, factor, seed)?;
        reconstruction_error = Some(encoded.error);
        prepared.train.factor = encoded.values;
        let of_test = taught.test_features.as_ref();
        prepared.features = of_test.map(|of_test| Centred::of(of_test, *width));
    }
    prepared.train.teacher = taught.train;
    prepared.teacher_rows = taught.rows;
    let (train, validation, test) = (&prepared.train, &prepared.validation, &prepared.test);
    let train_accuracy = metrics::accuracy(&train.teacher, &train.labels, classes);
    let (of_validation, of_test) = (taught.validation.as_ref(), taught.test.as_ref());
    let run = TeacherRun {
        train_accuracy,
        wrong_train_labels: 1.0 - train_accuracy,
        validation_accuracy: of_validation
            .map(|logits| metrics::accuracy(logits, &validation.labels, classes)),
        test_accuracy: of_test.map(|logits| metrics::accuracy(logits, &test.labels, classes)),
        train_calibration_error: metrics::calibration_error(&train.teacher, &train.labels, classes),
        test_calibration_error: of_test
            .map(|logits| metrics::calibration_error(logits, &test.labels, classes)),
        bins: of_test.map(|logits| metrics::tally(logits, &test.labels, classes)),
        samples: inspect::samples(dataset, &prepared.rows, train),
        reconstruction_error,
        seconds: begin.elapsed().as_secs_f64(),
    };
    Ok((prepared, run))
}

/// The student's rows, with the labels that it is given and without a teacher yet, and the split that
/// they come from.
fn of_student(dataset: &Dataset, data: &Data, seed: u64) -> Result<(Prepared, Split), TrainError> {
    let split = Split::new(dataset, seed)?;
    let pool = &split.train;
    let for_student = data.train_size.of(pool.len(), "data.train-size")?;
    let rows = pool[..for_student].to_vec();
    let scaling = Scaling::fit(dataset, pool, data.scaling)?;
    let host = |rows: &[u32]| host_samples(dataset, &scaling, rows, &NO_SHIFT);
    let mut train = host(&rows);
    corrupt_labels(&mut train.labels, dataset.classes(), data.label_noise, seed)?;
    let labelled = match data.labelled {
        TrainSize::Rows(rows) => rows,
        other => other.of(for_student, "data.labelled")?,
    };
    let beyond = train.labels.iter_mut().skip(labelled);
    beyond.for_each(|label| *label = IGNORE);
    let prepared = Prepared {
        train,
        validation: host(&split.validation),
        test: host(&split.test),
        rows,
        teacher_rows: 0,
        scaling,
        features: None,
    };
    Ok((prepared, split))
}

/// What a teacher from elsewhere makes of the rows, by their places in the data file.
fn given_to(
    prepared: &Prepared,
    split: &Split,
    given: &GivenTeacher,
) -> Result<Taught, TrainError> {
    // Files are held against the data when they are read: no training row is without values.
    let of_train = |values: &PerRow| {
        let values = values.of(&prepared.rows);
        values.ok_or_else(|| TrainError::Engine("the given teacher lacks training rows".to_owned()))
    };
    let features = given.features.as_ref();
    Ok(Taught {
        train: of_train(&given.logits)?,
        validation: given.logits.of(&split.validation),
        test: given.logits.of(&split.test),
        features: match features {
            None => None,
            Some(features) => Some((of_train(features)?, features.width())),
        },
        test_features: features.and_then(|features| features.of(&split.test)),
        rows: 0,
    })
}

/// What the seed's teacher learns from: rows with a label, from the other end of the permutation than
/// the student's.
fn lessons(
    dataset: &Dataset,
    setting: &Setting,
    scaling: &Scaling,
    pool: &[u32],
    seed: u64,
) -> Result<HostSamples, TrainError> {
    let data = &setting.data;
    let is_labelled = |row: &u32| dataset.labels()[*row as usize] != IGNORE;
    let pool: Vec<u32> = pool.iter().copied().filter(is_labelled).collect();
    let rows = data
        .teacher_train_size
        .of(pool.len(), "data.teacher-train-size")?;
    let shifts = if data.teacher_shifts {
        &SHIFTS[..]
    } else {
        &NO_SHIFT
    };
    let mut lessons = host_samples(dataset, scaling, &pool[pool.len() - rows..], shifts);
    let (width, classes) = (dataset.dim(), dataset.classes());
    sensor_shift(&mut lessons.features, width, data.sensor_shift, seed)?;
    // Another seed than the student's noise, so that both err independently.
    let seed = seed ^ (1 << 63);
    corrupt_labels(&mut lessons.labels, classes, data.teacher_label_noise, seed)?;
    Ok(lessons)
}

/// Trains the seed's teacher.
fn trained_on<E: Engine>(
    engine: &mut E,
    lessons: &HostSamples,
    setting: &Setting,
    prepared: &Prepared,
    seed: u64,
    features: bool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Taught, TrainError> {
    let mut net = trained(
        engine,
        lessons,
        &setting.teacher,
        &Preset::Ce.spec(),
        seed,
        [stream::TEACHER_WEIGHTS, stream::TEACHER_ORDER],
        &|| progress(Progress::Epoch),
    )?;
    let mut logits = |of: &HostSamples| {
        let samples = Samples::upload(engine, of);
        samples::logits(engine, &mut net, &samples)
    };
    let train = logits(&prepared.train)?;
    let (validation, test) = (logits(&prepared.validation)?, logits(&prepared.test)?);
    let mut of_train = None;
    let mut of_test = None;
    if features {
        let mut features = |of: &HostSamples| {
            let samples = Samples::upload(engine, of);
            samples::features(engine, &mut net, &samples)
        };
        of_train = Some(features(&prepared.train)?);
        of_test = Some(features(&prepared.test)?.0);
    }
    Ok(Taught {
        train,
        validation: Some(validation),
        test: Some(test),
        features: of_train,
        test_features: of_test,
        rows: lessons.labels.len(),
    })
}

/// Rows and columns by which a picture is shifted.
pub(super) type Shift = (isize, isize);
pub(super) const NO_SHIFT: [Shift; 1] = [(0, 0)];
const SHIFTS: [Shift; 5] = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)];

/// Scaled features of these rows, once per shift, and their labels.
pub(super) fn host_samples(
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
        factor: Vec::new(),
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
