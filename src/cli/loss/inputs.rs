//! The files of one batch.

use super::labels;
use super::logits::Logits;
use super::per_row;
use crate::cli::failure::failed;
use crate::data::{Array, ArrayPath, Shape};
use crate::spec::{ArgumentError, LossSpec};
use miette::{IntoDiagnostic, Report, WrapErr};
use std::path::PathBuf;

/// Where the batch is.
#[derive(clap::Args)]
pub(super) struct Files {
    /// Read the student's logits: shape (B, V) or (B, T, V), type f2, f4, f8 or bf16. −∞ masks a class.
    #[arg(long, value_name = "FILE[:KEY]")]
    pub(super) student: ArrayPath,
    /// Read the teacher's logits: the same shape, any of these types.
    #[arg(long, value_name = "FILE[:KEY]")]
    pub(super) teacher: ArrayPath,
    /// Read the labels: shape (B) or (B, T), integers or booleans, from 0 to V − 1, or −100 for no
    /// label.
    #[arg(long, value_name = "FILE[:KEY]")]
    labels: ArrayPath,
    /// Multiply each row's loss by these weights: shape of the labels, numbers or booleans [default: 1].
    #[arg(long, value_name = "FILE[:KEY]")]
    weights: Option<ArrayPath>,
    /// Multiply each row's λ_kd by these weights; 0: the teacher does not supervise the row.
    #[arg(long, value_name = "FILE[:KEY]")]
    kd_weights: Option<ArrayPath>,
    /// Give each row this temperature; needs --set temperature=per-row.
    #[arg(long, value_name = "FILE[:KEY]")]
    pub(super) tau: Option<ArrayPath>,
}

/// One batch.
pub(super) struct Inputs {
    /// The student's; the last axis is that of the classes.
    pub(super) shape: Vec<usize>,
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
    pub(super) student: String,
    teacher: String,
    labels: String,
}

impl Files {
    /// The files that are read.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let given = [&self.student, &self.teacher, &self.labels].into_iter();
        let optional = [&self.weights, &self.kd_weights, &self.tau];
        let all = given.chain(optional.into_iter().flatten());
        all.map(ArrayPath::file).collect()
    }

    /// Reads the batch; all shapes are held against each other before any values are read.
    pub(super) fn read(&self) -> Result<Inputs, Report> {
        let student = self.student.open()?;
        let classes = classes(&student)?;
        let teacher = self.teacher.open()?;
        if teacher.shape() != student.shape() {
            let remedy = "student and teacher need the same rows and the same classes";
            return Err(per_row::disagreement(&student, &teacher, remedy));
        }
        let optional = |path: &Option<ArrayPath>| {
            let path = path.as_ref();
            path.map(|path| per_row::open(path, &student)).transpose()
        };
        let labels_file = labels::open(&self.labels, &student)?;
        let weight = optional(&self.weights)?;
        let kd_weight = optional(&self.kd_weights)?;
        let tau = optional(&self.tau)?;
        let types = InputTypes {
            student: student.type_name(),
            teacher: teacher.type_name(),
            labels: labels_file.type_name(),
        };
        Ok(Inputs {
            shape: student.shape().to_vec(),
            classes,
            student: Logits::read(student)?,
            teacher: Logits::read(teacher)?,
            labels: labels::read(labels_file)?,
            weight: weight.map(per_row::read).transpose()?,
            kd_weight: kd_weight.map(per_row::read).transpose()?,
            tau: tau.map(per_row::read).transpose()?,
            types,
        })
    }

    /// An engine's refusal, with the file that is at fault.
    pub(super) fn refused(&self, error: ArgumentError) -> Report {
        let file = match &error {
            ArgumentError::Label { .. } => Some(("--labels", Some(&self.labels))),
            ArgumentError::RowParameter { argument, .. } => Some(match *argument {
                "weight" => ("--weights", self.weights.as_ref()),
                "kd_weight" => ("--kd-weights", self.kd_weights.as_ref()),
                _ => ("--tau", self.tau.as_ref()),
            }),
            _ => None,
        };
        let context = match file {
            Some((flag, Some(file))) => format!("{flag} {file}: cannot be used"),
            _ => "cannot compute the loss".to_owned(),
        };
        Report::from_err(error).wrap_err(context)
    }
}

/// The classes of logits: their last axis.
fn classes(array: &Array) -> Result<usize, Report> {
    let (path, shape) = (array.path(), Shape(array.shape()));
    match *array.shape() {
        [_, .., classes] => LossSpec::check_classes(classes)
            .map(|_| classes)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot use `{path}`, shape {shape}")),
        _ => Err(failed(
            format_args!("`{path}` has shape {shape}"),
            "logits need at least two axes, rows first and classes last: reshape the array",
        )),
    }
}
