//! `fused-kd predict`: what a student makes of rows.

mod summary;
mod table;

use super::arguments;
use super::failure::{Failure, failed};
use super::output::OutputFile;
use super::progress::Reading;
use super::setting::TABLE_HELP;
use super::terminal;
use crate::auto::{self, EngineName};
use crate::data::{Dataset, Source, Split, npy};
use crate::train::{Model, Predictions};
use clap::ValueEnum;
use miette::{IntoDiagnostic, Report, WrapErr};
use std::fs;
use std::path::PathBuf;
use summary::Summary;

const EXAMPLES: &str = "\
Examples:
  fused-kd predict --model run1/student.safetensors --data digits --rows test
                                   the test accuracy of the run again
  fused-kd predict --model run1/student.safetensors --data csv:new.csv --out new-classes.csv
  fused-kd predict --model run1/student.safetensors --data idx:mnist --format json
  fused-kd predict --model run1/student.safetensors --data digits --logits s.npy
                                   logits for `fused-kd loss --student s.npy …`";

/// Predict the classes of rows with a student that `fused-kd train` left.
///
/// Features are given as they are in the source: the student scales them as it was trained, and takes
/// a table's columns by their names, in any order. Rows need no label.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{TABLE_HELP}"))]
pub(super) struct Arguments {
    /// The student: a student.safetensors of `fused-kd train`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The rows, as the data of `fused-kd compare`, `csv:-` for standard input; of a source with a test
    /// set, that comes last.
    #[arg(long)]
    data: Source,
    /// Which rows. All but `all` are those of the run that trained the student, by its seed, and
    /// need the same data.
    #[arg(long, value_enum, default_value_t = Part::All)]
    rows: Part,
    /// The engine that computes.
    #[arg(long, value_parser = arguments::engine(), default_value = "cpu")]
    engine: EngineName,
    /// Also write every row's prediction to this file, as CSV.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write the logits to this file: npy, shape (rows, classes), f4.
    #[arg(long, value_name = "NPY")]
    logits: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
    /// How results are printed: a summary with the first rows, or every row for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Rows of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// All.
    All,
    /// Those that student and teacher could be trained on.
    Train,
    /// Those that the best epoch was chosen on.
    Validation,
    /// Those that accuracies were reported on.
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs: everything.
    Json,
    /// For programs: a line per row.
    Csv,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = |path: &Option<PathBuf>| {
        let file = path
            .as_deref()
            .map(|path| OutputFile::new(path, arguments.force));
        file.transpose()
    };
    let (out, logits) = (file(&arguments.out)?, file(&arguments.logits)?);
    let model = Model::load(&arguments.model).map_err(Report::from_err)?;
    let reading = Reading::default();
    let dataset = model.read(&arguments.data, &|bytes| reading.show(bytes));
    reading.clear();
    let dataset = dataset.map_err(Report::from_err)?;
    let rows = rows(arguments.rows, &dataset, &model)?;
    let choice = terminal::chosen(arguments.engine)?;
    let predictions = auto::predict(&choice, &model, &dataset, &rows)
        .map_err(Report::from_err)
        .wrap_err_with(|| format!("`{}` cannot predict these rows", arguments.model.display()))?;
    check(&predictions, &rows)?;
    let is_over_training = arguments.rows == Part::All && model.learned_from(&dataset);
    if is_over_training && predictions.labelled() > 0 {
        terminal::warn(format_args!(
            "these are rows that the student was trained on, {} of them: their accuracy says little \
             about others (--rows test, with the run's data, leaves them out)",
            model.about().train_rows
        ));
    }
    let unknown = unknown(&predictions);
    if unknown > 0 {
        terminal::warn(format_args!(
            "{unknown} rows have a label that is none of the student's {} classes: they count as wrong",
            model.classes()
        ));
    }
    let mut summary = Summary::new(&model, &dataset, choice.engine.name(), &rows, &predictions);
    summary.is_over_training = is_over_training;
    if let Some(out) = &out {
        out.fill(|path| fs::write(path, summary.csv()))?;
    }
    if let Some(logits) = &logits {
        let shape = [rows.len(), predictions.classes];
        logits.fill(|path| npy::write(path, &shape, predictions.logits.iter().copied()))?;
    }
    match arguments.format {
        Format::Table => table::print(&summary),
        Format::Json => terminal::print_json(&summary),
        Format::Csv => terminal::print_data(String::from_utf8_lossy(&summary.csv()).trim_end()),
    }
}

fn rows(part: Part, dataset: &Dataset, model: &Model) -> Result<Vec<u32>, Failure> {
    if part == Part::All {
        // A data set has fewer than 2³¹ rows.
        return Ok((0..dataset.len() as u32).collect());
    }
    if !model.is_of(dataset) {
        return Err(Failure::usage(
            format_args!(
                "these rows are not those of the run that trained the student ({:?}, by a checksum)",
                model.about().data
            ),
            "leave --rows out, or give the data of that run, its test file too",
        ));
    }
    let split = Split::new(dataset, model.about().seed).into_diagnostic()?;
    Ok(match part {
        Part::Train => split.train,
        Part::Validation => split.validation,
        _ => split.test,
    })
}

/// Refuses logits that are no numbers: their arg-max would mean nothing.
fn check(predictions: &Predictions, rows: &[u32]) -> Result<(), Failure> {
    let logits = predictions.logits.iter();
    match logits.copied().position(|logit| !logit.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Failure::Failed(failed(
            format_args!(
                "row {}: the student's logits are not finite",
                rows[i / predictions.classes]
            ),
            "its features may be far beyond those that it learned from: check their unit",
        ))),
    }
}

fn unknown(predictions: &Predictions) -> usize {
    let is_unknown = |label: &&i32| **label >= predictions.classes as i32;
    predictions.labels.iter().filter(is_unknown).count()
}
