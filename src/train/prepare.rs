//! One seed's data and teacher: the same for every method, so that methods are paired.

use super::network::trained;
use super::record::TeacherRun;
use super::samples::{self, HostSamples, Samples};
use super::setting::{Setting, TrainSize};
use super::{Progress, TrainError, inspect, metrics};
use crate::data::{Dataset, Scaling, Split, corrupt_labels, sensor_shift};
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

/// Splits the data, trains the seed's teacher, and gives its logits on the student's rows; with
/// `features` its factor too.
pub(super) fn teach<E: Engine>(
    engines: Source<E>,
    dataset: &Dataset,
    setting: &Setting,
    seed: u64,
    features: bool,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(Prepared, TeacherRun), TrainError> {
    let begin = Instant::now();
    let split = Split::new(dataset, seed)?;
    let pool = &split.train;
    let data = &setting.data;
    let for_student = data.train_size.of(pool.len(), "data.train-size")?;
    let for_teacher = data
        .teacher_train_size
        .of(pool.len(), "data.teacher-train-size")?;
    let rows = pool[..for_student].to_vec();
    let scaling = Scaling::fit(dataset, pool)?;
    let host = |rows: &[u32], shifts| host_samples(dataset, &scaling, rows, shifts);
    let classes = dataset.classes();

    let mut train = host(&rows, &NO_SHIFT);
    corrupt_labels(&mut train.labels, classes, data.label_noise, seed)?;
    let labelled = match data.labelled {
        TrainSize::Rows(rows) => rows,
        other => other.of(for_student, "data.labelled")?,
    };
    let beyond = train.labels.iter_mut().skip(labelled);
    beyond.for_each(|label| *label = IGNORE);
    let shifts = if data.teacher_shifts {
        &SHIFTS[..]
    } else {
        &NO_SHIFT
    };
    let mut lessons = host(&pool[pool.len() - for_teacher..], shifts);
    sensor_shift(
        &mut lessons.features,
        dataset.dim(),
        data.sensor_shift,
        seed,
    )?;
    // Another seed than the student's noise, so that both err independently.
    let noise = data.teacher_label_noise;
    corrupt_labels(&mut lessons.labels, classes, noise, seed ^ (1 << 63))?;

    let mut engine = engines()?;
    let streams = [stream::TEACHER_WEIGHTS, stream::TEACHER_ORDER];
    let mut net = trained(
        &mut engine,
        &lessons,
        &setting.teacher,
        &Preset::Ce.spec(),
        seed,
        streams,
        &|| progress(Progress::Epoch),
    )?;
    let validation = host(&split.validation, &NO_SHIFT);
    let test = host(&split.test, &NO_SHIFT);
    let mut logits = |of: &HostSamples| {
        let samples = Samples::upload(&mut engine, of);
        samples::logits(&mut engine, &mut net, &samples)
    };
    train.teacher = logits(&train)?;
    let (of_validation, of_test) = (logits(&validation)?, logits(&test)?);
    let mut centred = None;
    let mut reconstruction_error = None;
    if features {
        let mut features = |of: &HostSamples| {
            let samples = Samples::upload(&mut engine, of);
            samples::features(&mut engine, &mut net, &samples)
        };
        let (of_train, of_test) = (features(&train)?, features(&test)?);
        let (values, width) = of_train;
        let encoded = feature::encode(&mut engine, &values, width, &setting.features.factor, seed)?;
        reconstruction_error = Some(encoded.error);
        train.factor = encoded.values;
        centred = Some(Centred::of(&of_test.0, of_test.1));
    }
    let train_accuracy = metrics::accuracy(&train.teacher, &train.labels, classes);
    let run = TeacherRun {
        train_accuracy,
        wrong_train_labels: 1.0 - train_accuracy,
        validation_accuracy: metrics::accuracy(&of_validation, &validation.labels, classes),
        test_accuracy: metrics::accuracy(&of_test, &test.labels, classes),
        train_calibration_error: metrics::calibration_error(&train.teacher, &train.labels, classes),
        test_calibration_error: metrics::calibration_error(&of_test, &test.labels, classes),
        bins: metrics::tally(&of_test, &test.labels, classes),
        samples: inspect::samples(dataset, &rows, &train),
        reconstruction_error,
        seconds: begin.elapsed().as_secs_f64(),
    };
    let prepared = Prepared {
        train,
        validation,
        test,
        rows,
        teacher_rows: for_teacher,
        scaling,
        features: centred,
    };
    Ok((prepared, run))
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
