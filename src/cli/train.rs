//! `fused-kd train`: one run, and the student that it trains.

use super::arguments::{self, Format};
use super::failure::Failure;
use super::output::OutputDirectory;
use super::progress::Epochs;
use super::setting::{Flag, SettingArguments, TABLE_HELP};
use super::terminal;
use crate::auto::{self, EngineName};
use crate::report;
use crate::train::Run;
use miette::{IntoDiagnostic, Report};
use std::fs;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Results, in DIR, which appears whole or not at all:
  student.safetensors  the network after the last epoch, for `fused-kd predict`
  setting.toml         the setting with every key: it makes the same run again
  results.json         accuracies, calibration, rows, the loss in full
  curve.csv            loss, validation and test accuracy after each epoch
  selection.csv        with [select]: the rows that the teacher supervises, from which epoch on

Examples:
  fused-kd train --dry-run > run.toml              every key with its default, to start from
  fused-kd train --config run.toml --out run1
  fused-kd train --preset lr --set loss.revision.eta=0.7 --epochs 50 --out run2
  fused-kd train --config run.toml --format json";

/// Make one run: train a teacher and a student in one setting, and keep the student.
///
/// Prints how reliable the teacher is and how good the student. What the setting leaves out is a
/// default; paths in it are relative to where the program is run.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{TABLE_HELP}"))]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: SettingArguments,
    /// What everything random is drawn from.
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// The method that the loss starts from; `fused-kd presets` lists them.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
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
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

const REMEDY: &str = "`fused-kd train --dry-run` prints every key and its default, `fused-kd \
                      presets NAME` those of a loss";

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let flags = vec![
        Flag::new("--seed", "seed", &arguments.seed),
        Flag::new("--preset", "loss.preset", &arguments.preset),
    ];
    let written = arguments.setting.read(flags, REMEDY)?;
    let setting = written.setting(None)?;
    let resolved = setting.to_toml().into_diagnostic()?;
    if arguments.setting.dry_run {
        return terminal::print_data(resolved.trim_end());
    }
    let out = OutputDirectory::asked_for(arguments.out.as_deref(), arguments.force)?;
    let engine = terminal::chosen(arguments.engine)?;
    let epochs = Epochs::of(&setting);
    let run = auto::train(&engine, &setting, &|progress| epochs.show(progress));
    epochs.clear();
    let run = run.map_err(|error| written.training_failure(error))?;
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

/// The student comes last: where it is new, the others are.
fn write(out: &OutputDirectory, run: &Run, resolved: &str) -> Result<(), Report> {
    let json = serde_json::to_string_pretty(&run.result).into_diagnostic()?;
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("setting.toml", resolved.into()),
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
