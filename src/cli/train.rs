//! `fused-kd train`: one run, and the student that it trains.

use super::arguments::{self, Format};
use super::failure::{Failure, failed};
use super::output::OutputDirectory;
use super::terminal;
use crate::auto::{self, EngineName};
use crate::report;
use crate::train::{ConfigError, Progress, Run, RunConfig, TrainError};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{Diagnostic, IntoDiagnostic, LabeledSpan, NamedSource, Report};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Make one run: train a teacher and a student from one configuration file, and keep the student.
///
/// Prints how reliable the teacher is and how good the student. What the configuration leaves out is
/// a default; paths in it are relative to where the program is run.
#[derive(clap::Args)]
#[command(after_help = "\
Results, in DIR, which appears whole or not at all:
  student.safetensors  the network after the last epoch, for `fused-kd predict`
  run.toml             the configuration with every key: it makes the same run again
  results.json         accuracies, calibration, rows, the loss in full
  curve.csv            loss, validation and test accuracy after each epoch
  selection.csv        with [select]: the rows that the teacher supervises, from which epoch on

Examples:
  fused-kd train --dry-run > run.toml              every key with its default, to start from
  fused-kd train --config run.toml --out run1
  fused-kd train --config run.toml --format json")]
pub(super) struct Arguments {
    /// The configuration, TOML; all defaults if not given. Its tables are [data], [student],
    /// [teacher], [loss] and [select].
    #[arg(long, value_name = "TOML")]
    config: Option<PathBuf>,
    /// The engine that trains; `auto` takes a GPU if there is one, which for networks as small as the
    /// default ones need not be faster.
    #[arg(long, value_parser = arguments::engine(), default_value = "cpu")]
    engine: EngineName,
    /// Write the student and the results to this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the results in a directory that exists.
    #[arg(long, requires = "out")]
    force: bool,
    /// Print the configuration with every key, as TOML that reads again, and train nothing.
    #[arg(long, conflicts_with = "format")]
    dry_run: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// More than this is no configuration.
const LARGEST_CONFIG: u64 = 1 << 20;

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = match &arguments.config {
        Some(path) => read(path)?,
        None => RunConfig::default(),
    };
    let resolved = config.to_toml().into_diagnostic()?;
    if arguments.dry_run {
        return terminal::print(resolved.trim_end());
    }
    let out = OutputDirectory::asked_for(arguments.out.as_deref(), arguments.force)?;
    let engine = terminal::chosen(arguments.engine)?;
    let bar = bar(&config);
    let run = auto::train(&engine, &config, &|progress| match progress {
        Progress::Epoch => bar.inc(1),
        _ => bar.tick(),
    });
    bar.finish_and_clear();
    let run = run.map_err(failure)?;
    run.result.warnings.iter().for_each(terminal::warn);
    if let Some(out) = &out {
        write(out, &run, &resolved)?;
    }
    match arguments.format {
        Format::Json => terminal::print_json(&run.result)?,
        Format::Table => terminal::print(report::run_summary(&run.result))?,
    }
    if let Some(out) = &out {
        terminal::note(format_args!("results are in `{}`", out.path().display()));
    }
    Ok(())
}

/// Reads a configuration; what is wrong in it is shown where it stands.
fn read(path: &Path) -> Result<RunConfig, Failure> {
    let name = path.display().to_string();
    let text = read_text(path).map_err(|error| {
        let remedy = "check that it is the right path, and a TOML file that may be read";
        failed(error, remedy).wrap_err(format!("cannot read `{name}`"))
    })?;
    RunConfig::from_toml(&text).map_err(|error| {
        Failure::Usage(Report::new(Misread {
            message: format!("`{name}`: {error}"),
            text: NamedSource::new(name, text),
            error,
        }))
    })
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(LARGEST_CONFIG + 1)
        .read_to_string(&mut text)?;
    match read as u64 > LARGEST_CONFIG {
        true => Err(io::Error::other(format!(
            "it holds more than {LARGEST_CONFIG} bytes"
        ))),
        false => Ok(text),
    }
}

/// A configuration that describes no run, with its text.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Misread {
    message: String,
    text: NamedSource<String>,
    error: ConfigError,
}

impl Diagnostic for Misread {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.error.span.clone()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }

    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        let help =
            "`fused-kd train --dry-run` prints every key, `fused-kd presets NAME` those of a loss";
        Some(Box::new(help))
    }
}

/// Settings that no run can be made of are those of the configuration.
fn failure(error: TrainError) -> Failure {
    match error {
        TrainError::Setting { .. } => Failure::usage(
            error,
            "`fused-kd train --dry-run` prints every key and its default",
        ),
        error => Failure::Failed(Report::from_err(error)),
    }
}

/// A progress bar on a terminal, nothing anywhere else.
fn bar(config: &RunConfig) -> ProgressBar {
    let [teacher, student] =
        [&config.setting.teacher, &config.setting.student].map(|l| l.recipe.epochs as u64);
    let bar = ProgressBar::new(teacher.saturating_add(student));
    let style = "{bar:30} {pos}/{len} epochs, {elapsed} elapsed, about {eta} to go";
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The student comes last: where it is new, the others are.
fn write(out: &OutputDirectory, run: &Run, resolved: &str) -> Result<(), Report> {
    let json = serde_json::to_string_pretty(&run.result).into_diagnostic()?;
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("run.toml", resolved.into()),
        ("results.json", (json + "\n").into()),
    ];
    let tables = report::run_tables(run).into_iter();
    files.extend(tables.map(|(name, text)| (name, text.into())));
    files.push((
        "student.safetensors",
        run.model.to_bytes().into_diagnostic()?,
    ));
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    out.fill(&names, |directory| {
        files
            .iter()
            .try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
    })
}
