//! The files of one batch.

use crate::cli::failure::failed;
use crate::cli::npy::{self, Array, Kind, Shape, Value};
use crate::spec::{ArgumentError, LossSpec};
use half::f16;
use miette::{IntoDiagnostic, Report, WrapErr};
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Where the batch is.
#[derive(clap::Args)]
pub(super) struct Files {
    /// Student logits, npy, shape (B, V), f2, f4 or f8; −∞ masks a class.
    #[arg(long, value_name = "NPY")]
    pub(super) student: PathBuf,
    /// Teacher logits, as the student's; its type may be another.
    #[arg(long, value_name = "NPY")]
    pub(super) teacher: PathBuf,
    /// Labels, npy, shape (B), any integer type: 0..V, or −100 for no label.
    #[arg(long, value_name = "NPY")]
    labels: PathBuf,
    /// What each row's loss is multiplied by, npy, shape (B), f2, f4 or f8 [default: 1].
    #[arg(long, value_name = "NPY")]
    weights: Option<PathBuf>,
    /// What each row's λ_kd is multiplied by, as --weights; 0 = not supervised by the teacher.
    #[arg(long, value_name = "NPY")]
    kd_weights: Option<PathBuf>,
    /// Each row's temperature, as --weights; with --set temperature=per-row.
    #[arg(long, value_name = "NPY")]
    pub(super) tau: Option<PathBuf>,
}

/// One batch.
pub(super) struct Inputs {
    pub(super) classes: usize,
    pub(super) student: Logits,
    pub(super) teacher: Logits,
    pub(super) labels: Vec<i32>,
    pub(super) weight: Option<Vec<f32>>,
    pub(super) kd_weight: Option<Vec<f32>>,
    pub(super) tau: Option<Vec<f32>>,
    /// The types in the files.
    pub(super) types: InputTypes,
}

/// The types of the arrays as they were given, such as `f4`.
#[derive(Clone, serde::Serialize)]
pub(super) struct InputTypes {
    student: String,
    teacher: String,
    labels: String,
}

/// Logits, or a gradient, in the type of a file.
pub(super) enum Logits {
    Half(Vec<f16>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Files {
    /// Reads the batch; all shapes are held against each other before any values are read.
    pub(super) fn read(&self) -> Result<Inputs, Report> {
        let student = Array::open(&self.student)?;
        let [rows, classes] = matrix(&student)?;
        let teacher = Array::open(&self.teacher)?;
        if teacher.shape() != student.shape() {
            let remedy = "student and teacher need the same rows and the same classes";
            return Err(disagreement(&student, &teacher, remedy));
        }
        let per_row = |path: &Path| {
            let array = Array::open(path)?;
            let remedy = format!("it needs one value per row of the logits, shape ({rows},)");
            match array.shape() {
                [length] if *length == rows => Ok(array),
                _ => Err(disagreement(&student, &array, &remedy)),
            }
        };
        let optional = |path: &Option<PathBuf>| path.as_deref().map(per_row).transpose();
        let labels_file = per_row(&self.labels)?;
        let weight = optional(&self.weights)?;
        let kd_weight = optional(&self.kd_weights)?;
        let tau = optional(&self.tau)?;
        let types = InputTypes {
            student: student.type_name(),
            teacher: teacher.type_name(),
            labels: labels_file.type_name(),
        };
        Ok(Inputs {
            classes,
            student: Logits::read(student)?,
            teacher: Logits::read(teacher)?,
            labels: labels(labels_file)?,
            weight: weight.map(floats).transpose()?,
            kd_weight: kd_weight.map(floats).transpose()?,
            tau: tau.map(floats).transpose()?,
            types,
        })
    }

    /// An engine's refusal, with the file that is at fault.
    pub(super) fn refused(&self, error: ArgumentError) -> Report {
        let file = match &error {
            ArgumentError::Label { .. } => Some(&self.labels),
            ArgumentError::RowParameter { argument, .. } => match *argument {
                "weight" => self.weights.as_ref(),
                "kd_weight" => self.kd_weights.as_ref(),
                _ => self.tau.as_ref(),
            },
            _ => None,
        };
        let context = match file {
            Some(file) => format!("cannot use `{}`", file.display()),
            None => "the loss cannot be computed".to_owned(),
        };
        Report::from_err(error).wrap_err(context)
    }
}

/// Rows and classes of logits.
fn matrix(array: &Array) -> Result<[usize; 2], Report> {
    let path = array.path().display();
    match *array.shape() {
        [rows, classes] => LossSpec::check_classes(classes)
            .map(|_| [rows, classes])
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot use `{path}`, shape ({rows}, {classes})")),
        _ => Err(failed(
            format_args!("`{path}` has shape {}", Shape(array.shape())),
            "logits need two axes, (rows, classes): reshape the array before saving it",
        )),
    }
}

fn disagreement(logits: &Array, other: &Array, remedy: &str) -> Report {
    let wrong = format!(
        "`{}` has shape {}, but `{}` has shape {}",
        logits.path().display(),
        Shape(logits.shape()),
        other.path().display(),
        Shape(other.shape())
    );
    failed(wrong, remedy)
}

impl Logits {
    fn read(array: Array) -> Result<Self, Report> {
        match array.kind() {
            (Kind::Float, 2) => array.read().map(Self::Half),
            (Kind::Float, 4) => array.read().map(Self::Single),
            (Kind::Float, 8) => array.read().map(Self::Double),
            // That is how ml_dtypes stores bfloat16.
            (Kind::Raw, 2) => Err(array.wrong_type(
                "floats of 2, 4 or 8 bytes",
                "npy files have no bf16: save it as .astype('f4'), which is exact",
            )),
            _ => Err(not_floats(&array)),
        }
    }

    /// Writes the array with rows of `classes`.
    pub(super) fn write(&self, path: &Path, shape: [usize; 2]) -> io::Result<()> {
        match self {
            Self::Half(values) => npy::write(path, &shape, values.iter().copied()),
            Self::Single(values) => npy::write(path, &shape, values.iter().copied()),
            Self::Double(values) => npy::write(path, &shape, values.iter().copied()),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Half(_) => "f2",
            Self::Single(_) => "f4",
            Self::Double(_) => "f8",
        }
    }

    /// The values in double precision, exactly.
    pub(super) fn into_double(self) -> Vec<f64> {
        match self {
            Self::Half(values) => values.into_iter().map(f64::from).collect(),
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }
}

fn not_floats(array: &Array) -> Report {
    array.wrong_type("floats of 2, 4 or 8 bytes", "save it as .astype('f4')")
}

/// One value per row, in single precision.
fn floats(array: Array) -> Result<Vec<f32>, Report> {
    match array.kind() {
        (Kind::Float, 2) => Ok(array.read::<f16>()?.into_iter().map(f32::from).collect()),
        (Kind::Float, 4) => array.read(),
        (Kind::Float, 8) => Ok(array.read::<f64>()?.into_iter().map(|v| v as f32).collect()),
        _ => Err(not_floats(&array)),
    }
}

fn labels(array: Array) -> Result<Vec<i32>, Report> {
    match array.kind() {
        (Kind::Int, 1) => integers::<i8>(array),
        (Kind::Int, 2) => integers::<i16>(array),
        (Kind::Int, 4) => integers::<i32>(array),
        (Kind::Int, 8) => integers::<i64>(array),
        (Kind::Uint, 1) => integers::<u8>(array),
        (Kind::Uint, 2) => integers::<u16>(array),
        (Kind::Uint, 4) => integers::<u32>(array),
        (Kind::Uint, 8) => integers::<u64>(array),
        _ => Err(array.wrong_type("integers", "save labels as .astype('i4')")),
    }
}

fn integers<T>(array: Array) -> Result<Vec<i32>, Report>
where
    T: Value + TryInto<i32> + Display,
{
    let path = array.path().to_path_buf();
    let label = |(row, value): (usize, T)| {
        value.try_into().map_err(|_| {
            failed(
                format_args!("`{}`, row {row}: {value} is no class", path.display()),
                "labels are 0..V, and −100 for a row without one",
            )
        })
    };
    array
        .read::<T>()?
        .into_iter()
        .enumerate()
        .map(label)
        .collect()
}
