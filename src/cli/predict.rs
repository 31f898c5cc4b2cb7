//! `fused-kd predict`: what a student makes of rows.

use super::arguments;
use super::failure::Failure;
use super::output::OutputFile;
use super::terminal;
use crate::auto::{self, EngineName};
use crate::data::{Dataset, Source, Split, npy};
use crate::train::{About, Model, Predictions};
use clap::ValueEnum;
use miette::{IntoDiagnostic, Report, WrapErr};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

/// Predict the classes of rows with a student that `fused-kd train` left.
///
/// Features are given as they are in the source: the student scales them as it was trained.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  fused-kd predict --model run1/student.safetensors --data digits --rows test
                                   the test accuracy of the run again
  fused-kd predict --model run1/student.safetensors --data csv:new.csv --out new-classes.csv
  fused-kd predict --model run1/student.safetensors --data idx:mnist --format json
  fused-kd predict --model run1/student.safetensors --data digits --logits s.npy
                                   logits for `fused-kd loss --student s.npy …`")]
pub(super) struct Arguments {
    /// The student: a student.safetensors of `fused-kd train`.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// The rows, as the data of `fused-kd compare`; of a source with a test set, that comes last.
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

/// Everything, for programs.
#[derive(Serialize)]
struct Summary<'a> {
    method: &'a str,
    sizes: &'a [usize],
    trained_on: &'a str,
    dataset: &'a str,
    engine: &'static str,
    accuracy: f64,
    calibration_error: f64,
    predictions: Vec<Prediction>,
}

/// One row.
#[derive(Serialize)]
struct Prediction {
    row: u32,
    class: usize,
    probability: f64,
    label: i32,
}

/// Rows of a table for people.
const SHOWN: usize = 10;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = |path: &Option<PathBuf>| {
        let file = path
            .as_deref()
            .map(|path| OutputFile::new(path, arguments.force));
        file.transpose()
    };
    let (out, logits) = (file(&arguments.out)?, file(&arguments.logits)?);
    let model = Model::load(&arguments.model).map_err(Report::from_err)?;
    let dataset = arguments.data.load().map_err(Report::from_err)?;
    let rows = rows(arguments.rows, &dataset, model.about())?;
    let choice = terminal::chosen(arguments.engine)?;
    let predictions = auto::predict(&choice, &model, &dataset, &rows)
        .map_err(Report::from_err)
        .wrap_err_with(|| format!("`{}` cannot predict these rows", arguments.model.display()))?;
    let beyond = unknown_labels(&predictions);
    if beyond > 0 {
        let classes = model.classes();
        terminal::warn(format_args!(
            "{beyond} rows have a label that is none of the student's {classes} classes: they count \
             as wrong"
        ));
    }
    let summary = Summary::new(&model, &dataset, choice.engine.name(), &rows, &predictions);
    if let Some(out) = &out {
        out.fill(|path| fs::write(path, csv(&summary.predictions)))?;
    }
    if let Some(logits) = &logits {
        let shape = [rows.len(), predictions.classes];
        logits.fill(|path| npy::write(path, &shape, predictions.logits.iter().copied()))?;
    }
    match arguments.format {
        Format::Table => print(&summary),
        Format::Json => terminal::print_json(&summary),
        Format::Csv => terminal::print(csv(&summary.predictions).trim_end()),
    }
}

fn rows(part: Part, dataset: &Dataset, about: &About) -> Result<Vec<u32>, Failure> {
    if part == Part::All {
        // A data set has fewer than 2³¹ rows.
        return Ok((0..dataset.len() as u32).collect());
    }
    if dataset.name() != about.data {
        return Err(Failure::usage(
            format_args!(
                "the student was trained on {:?}, whose rows are not those of `{}`",
                about.data,
                dataset.name()
            ),
            "leave --rows out, or give the data that it was trained on",
        ));
    }
    let split = Split::new(dataset, about.seed).into_diagnostic()?;
    Ok(match part {
        Part::Train => split.train,
        Part::Validation => split.validation,
        _ => split.test,
    })
}

fn unknown_labels(predictions: &Predictions) -> usize {
    let known = |label: i32| usize::try_from(label).is_ok_and(|l| l < predictions.classes);
    predictions.labels.iter().filter(|&&l| !known(l)).count()
}

impl<'a> Summary<'a> {
    fn new(
        model: &'a Model,
        dataset: &'a Dataset,
        engine: &'static str,
        rows: &[u32],
        predictions: &Predictions,
    ) -> Self {
        let labelled = rows.iter().zip(&predictions.labels);
        let row = |((class, probability), (&row, &label))| Prediction {
            row,
            class,
            probability,
            label,
        };
        Self {
            method: &model.about().method,
            sizes: &model.about().sizes,
            trained_on: &model.about().data,
            dataset: dataset.name(),
            engine,
            accuracy: predictions.accuracy(),
            calibration_error: predictions.calibration_error(),
            predictions: predictions.rows().zip(labelled).map(row).collect(),
        }
    }
}

fn csv(predictions: &[Prediction]) -> String {
    let mut csv = String::from("row,class,probability,label\n");
    for one in predictions {
        csv += &format!(
            "{},{},{},{}\n",
            one.row, one.class, one.probability, one.label
        );
    }
    csv
}

fn print(summary: &Summary) -> Result<(), Failure> {
    let mut table = terminal::table(["row", "class", "probability", "label"]);
    for one in summary.predictions.iter().take(SHOWN) {
        let probability = format!("{:.4}", one.probability);
        let (row, class, label) = (
            one.row.to_string(),
            one.class.to_string(),
            one.label.to_string(),
        );
        table.add_row([row, class, probability, label]);
    }
    let more = match summary.predictions.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} rows more: --format csv prints them all"),
    };
    // What comes from a file may hold anything.
    terminal::print(format_args!(
        "{}: {} rows, accuracy {:.2} %, calibration error {:.1} %; engine {}\n\
         student {:?}, trained on {:?}\n\n{}{more}",
        summary.dataset,
        summary.predictions.len(),
        100.0 * summary.accuracy,
        100.0 * summary.calibration_error,
        summary.engine,
        summary.method,
        summary.trained_on,
        table.trim_fmt(),
    ))
}
