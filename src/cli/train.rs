//! `fused-kd train`: one run, and the student that it trains.

use super::arguments::{self, Format};
use super::failure::Failure;
use super::layout;
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
Results in DIR, which is written as a whole or not at all:
  student.safetensors  the student after the last epoch, for `fused-kd predict`
                       and PyTorch: the state of Sequential(Linear, ReLU, …),
                       0.weight [outputs, inputs], 0.bias, 2.weight and so on;
                       logits = net((x - scaling.mean) / scaling.scale), with 0
                       in place of a scaled feature that is missing
  student.onnx         the same student: raw features in, logits out
  setting.toml         every key of the setting: repeats the run with --config
  results.json         accuracies, calibration errors, rows, the loss in full
  curve.csv            loss, validation and test accuracy after each epoch
  selection.csv        with [select]: the rows that the teacher supervises
  run.json             command, version, date, machine, seconds, list of files

Examples:
  fused-kd train --dry-run > run.toml  write a file with every key, to edit
  fused-kd train --config run.toml --out student1
  fused-kd train --preset lr --set loss.revision.eta=0.7 --epochs 50 \\
      --out student2                   change single keys
  fused-kd train --config run.toml --format json
                                       print JSON, and write nothing";

/// Train one teacher and one student, and keep the student.
///
/// Print how reliable the teacher is and how accurate the student. Keys that the setting leaves out
/// have their defaults. Paths in it are relative to the current directory.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{TABLE_HELP}"))]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: SettingArguments,
    /// Draw everything random from this seed [default: 0].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<String>,
    /// Start from this method's loss; `fused-kd presets` lists them [default: kd].
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Train on this engine. `auto` takes a GPU if there is one; for networks as small as the defaults
    /// the CPU may be faster.
    #[arg(long, value_parser = arguments::engine(), default_value = "cpu")]
    engine: EngineName,
    /// Write the student and the results to this new directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run of this command in DIR, as a whole.
    #[arg(long, requires = "out")]
    force: bool,
    /// Print the results in this format.
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
    let inputs = arguments.setting.inputs(&setting);
    let out =
        OutputDirectory::asked_for(arguments.out.as_deref(), arguments.force, "train", &inputs)?;
    let engine = terminal::chosen(arguments.engine)?;
    let epochs = Epochs::of(&setting);
    let run = auto::train(&engine, &setting, &|progress| epochs.show(progress));
    epochs.clear();
    let run = run.map_err(|error| written.training_failure(error))?;
    run.result.warnings.iter().for_each(terminal::warn);
    let printed = match arguments.format {
        Format::Json => terminal::print_json(&run.result),
        Format::Table => terminal::print(layout::facts(&report::run_summary(&run.result))),
    };
    if let Some(out) = &out {
        write(out, &run, &resolved)?;
        let student = out.path().join("student.safetensors");
        terminal::note(format_args!(
            "results are in `{}`; the student in PyTorch:\n{}",
            out.path().display(),
            run.model.pytorch_code(&student.to_string_lossy())
        ));
    }
    printed
}

fn write(out: &OutputDirectory, run: &Run, resolved: &str) -> Result<(), Report> {
    let json = serde_json::to_string_pretty(&run.result).into_diagnostic()?;
    let model = &run.model;
    let mut files: Vec<(&str, Vec<u8>)> = vec![
        ("setting.toml", resolved.into()),
        ("results.json", (json + "\n").into()),
        ("student.safetensors", model.to_bytes().into_diagnostic()?),
        ("student.onnx", model.to_onnx().into_diagnostic()?),
    ];
    let tables = report::run_tables(run).into_iter();
    files.extend(tables.map(|(name, text)| (name, text.into())));
    out.fill(|directory| {
        files
            .iter()
            .try_for_each(|(name, bytes)| fs::write(directory.join(name), bytes))
    })
}
