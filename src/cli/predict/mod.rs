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
  fused-kd predict --model student1/student.safetensors --data csv:new.csv \\
      --out classes.csv                classify the rows of a table
  fused-kd predict --model student1/student.safetensors --data digits \\
      --rows test                      measure the run's test accuracy again
  fused-kd predict --model student1/student.safetensors --data digits \\
      --logits s.npy                   write logits for `fused-kd loss --student`";

/// Classify rows with a student that `fused-kd train` wrote.
///
/// Give features unscaled: the student scales them as in training, and finds a table's columns by
/// name, in any order. Rows need no label.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{TABLE_HELP}"))]
pub(super) struct Arguments {
    /// Use this student: a student.safetensors of `fused-kd train`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Classify these rows: a source as in `fused-kd compare`, or `csv:-` for standard input. Test rows
    /// come last.
    #[arg(long)]
    data: Source,
    /// Choose a part of the rows. All but `all` need the data that the student was trained on.
    #[arg(long, value_enum, default_value_t = Part::All)]
    rows: Part,
    /// Compute on this engine.
    #[arg(long, value_parser = arguments::engine(), default_value = "cpu")]
    engine: EngineName,
    /// Write every row's class and probabilities to this file, as CSV.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the logits to this file: npy, f4, shape (rows, classes).
    #[arg(long, value_name = "NPY")]
    logits: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
    /// Print the results in this format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Rows of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// All rows.
    All,
    /// Rows for training the student and the teacher.
    Train,
    /// Rows for choosing the best epoch.
    Validation,
    /// Rows for the reported accuracy.
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A summary for people, with the first rows.
    Table,
    /// JSON for programs: everything.
    Json,
    /// CSV for programs: a line per row.
    Csv,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (out, logits) = outputs(arguments)?;
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
            "the student was trained on {} of these rows, so the accuracy on new rows will be lower \
             (--rows test, with the run's data, leaves them out)",
            model.about().train_rows
        ));
    }
    let unknown = unknown(&predictions);
    if unknown > 0 {
        terminal::warn(format_args!(
            "rows with a label unknown to the student: {unknown}; they count as misclassified (the \
             student knows {} classes)",
            model.classes()
        ));
    }
    let mut summary = Summary::new(&model, &dataset, choice.engine.name(), &rows, &predictions);
    summary.is_over_training = is_over_training;
    let printed = match arguments.format {
        Format::Table => table::print(&summary),
        Format::Json => terminal::print_json(&summary),
        Format::Csv => terminal::print_data(String::from_utf8_lossy(&summary.csv()).trim_end()),
    };
    if let Some(out) = &out {
        out.fill(|path| fs::write(path, summary.csv()))?;
    }
    if let Some(logits) = &logits {
        let shape = [rows.len(), predictions.classes];
        logits.fill(|path| npy::write(path, &shape, predictions.logits.iter().copied()))?;
    }
    printed
}

/// The files for predictions and for logits, as far as they are asked for.
fn outputs(arguments: &Arguments) -> Result<(Option<OutputFile>, Option<OutputFile>), Failure> {
    let mut inputs = arguments.data.paths();
    inputs.push(arguments.model.clone());
    let file = |path: &Option<PathBuf>| {
        let path = path.as_deref();
        path.map(|path| OutputFile::hold(path, arguments.force, "predict", &inputs))
            .transpose()
    };
    let out = file(&arguments.out)?;
    if let (Some(path), Some(out)) = (&arguments.logits, &out)
        && out.is(path)
    {
        return Err(Failure::usage(
            format_args!("--out and --logits are both `{}`", path.display()),
            "give each a name of its own",
        ));
    }
    let logits = file(&arguments.logits)?;
    Ok((out, logits))
}

fn rows(part: Part, dataset: &Dataset, model: &Model) -> Result<Vec<u32>, Failure> {
    if part == Part::All {
        // A data set has fewer than 2³¹ rows.
        return Ok((0..dataset.len() as u32).collect());
    }
    if !model.is_of(dataset) {
        return Err(Failure::usage(
            format_args!(
                "--rows: the student was trained on other data, {:?}, so its split is unknown here",
                model.about().data
            ),
            "remove --rows, or give the data of that run, with its test file",
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
            "check the unit of the features: they may be far larger than in training",
        ))),
    }
}

fn unknown(predictions: &Predictions) -> usize {
    let is_unknown = |label: &&i32| **label >= predictions.classes as i32;
    predictions.labels.iter().filter(is_unknown).count()
}
