//! `fused-kd loss`: loss, gradient and records of one batch in files.

mod evaluate;
mod inputs;
mod labels;
mod logits;
mod per_row;
mod records;
mod summary;
mod warnings;

use super::arguments::{self, Format};
use super::failure::Failure;
use super::layout;
use super::output::OutputDirectory;
use super::terminal;
use crate::auto::{Choice, EngineName};
use crate::spec::{LossSpec, Preset, Temperature, tidy};
use evaluate::{Evaluation, evaluate};
use inputs::Files;
use miette::Report;
use std::path::{Path, PathBuf};
use std::{fs, io};
use summary::{Counts, Summary, Total, Types};
use warnings::BatchScan;

/// Compute loss, gradient and per-sample scores of one batch of logits.
#[derive(clap::Args)]
#[command(
    override_usage = "\
fused-kd loss [OPTIONS] --student <FILE[:KEY]> --teacher <FILE[:KEY]>
                     --labels <FILE[:KEY]> --out <DIR>",
    after_help = "\
Files are npy (plain or gzip), npz or safetensors. KEY names an array of an npz
or safetensors file; it may be left out where there is only one. The last axis
of the logits counts classes, the others count rows. Other arrays have the axes
of the rows.

Results in DIR, which is written as a whole or not at all:
  grad.npy      ∂total/∂student, in the student's shape and type; f4 for f8 and
                bf16 logits, but f8 from the reference engine
  stats.npy     a record per row: loss, kd, ce, tau, beta, teacher_confidence,
                teacher_ce, teacher_entropy, teacher_margin,
                student_confidence, student_entropy, student_logit_margin,
                el2n (f4; f8 from the reference engine), teacher_top,
                student_top, flags (u4)
  summary.json  total, specification, counts, types, warnings; a total that
                JSON has no number for is \"nan\", \"inf\" or \"-inf\"

Bits of flags: 0 the teacher misclassifies the row, 1 no label, 2 student and
teacher agree, 3 NaN, 5 infinite loss, 6 weight 0, 8 not supervised by the
teacher.

The reduction \"mean\" divides by the number of rows whose weight is not 0. Rows
without a label and NaN rows count. (PyTorch divides by the sum of weights.)
A row with the label −100 has the distillation term, and no cross-entropy.

Examples:
  fused-kd loss --student s.npy --teacher t.npy --labels y.npy --out loss1
  fused-kd loss --student s.npy --teacher t.npy --labels y.npy --out loss2 \\
      --preset lr --set revision.eta=0.7 --set temperature=2
  fused-kd loss --student s.npy --teacher t.npy --labels y.npy --out loss3 \\
      --set temperature=per-row --tau tau.npy --engine reference
  fused-kd loss --student batch.npz:student --teacher batch.npz:teacher \\
      --labels y.npy --out loss4 --format json

Rank samples by EL2N in Python:
  numpy.load('loss1/stats.npy')['el2n'].argsort()"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Compute this loss; `fused-kd presets` lists them.
    #[arg(long, value_name = "NAME", default_value = "kd", value_parser = arguments::preset())]
    preset: Preset,
    /// Set a parameter of the loss, such as revision.eta=0.7. Repeatable; `fused-kd presets NAME` prints
    /// the keys.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Multiply loss and gradient by X: the loss scale of f2 gradients.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    upstream: f32,
    /// Compute on this engine; `fused-kd devices` lists those that can run here.
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = arguments::engine())]
    engine: EngineName,
    /// Write the results to this new directory.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the run of this command in DIR, as a whole.
    #[arg(long)]
    force: bool,
    /// Print the summary in this format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// The summary comes last: where it is new, the others are.
const RESULTS: [&str; 3] = ["grad.npy", "stats.npy", "summary.json"];

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let settings = &arguments.settings;
    let spec = arguments.preset.spec().with_settings(settings);
    let spec = spec.map_err(|error| Failure::of_settings(settings, &error))?;
    check(arguments, &spec)?;
    let inputs = arguments.files.paths();
    let output = OutputDirectory::hold(&arguments.out, arguments.force, "loss", &inputs)?;
    let choice = terminal::chosen(arguments.engine)?;
    let results = compute(arguments, &spec, &choice)?;
    let summary = &results.summary;
    summary.warnings.iter().for_each(terminal::warn);
    let printed = match arguments.format {
        Format::Json => terminal::print_json(summary),
        Format::Table => terminal::print(layout::facts(&summary.to_string())),
    };
    output.fill(|directory| results.write(directory))?;
    printed?;
    match arguments.format {
        Format::Json => Ok(()),
        Format::Table => terminal::print(layout::facts(&format!(
            "files  {} in {}",
            RESULTS.join(", "),
            output.path().display()
        ))),
    }
}

/// What the arguments alone tell to have no meaning.
fn check(arguments: &Arguments, spec: &LossSpec) -> Result<(), Failure> {
    let temperature = spec.temperature();
    match (temperature, &arguments.files.tau) {
        (Temperature::PerRow, None) => Err(Failure::usage(
            "--set temperature=per-row: needs a temperature for each row",
            "add --tau FILE, or set another temperature",
        )),
        (Temperature::PerRow, Some(_)) | (_, None) => Ok(()),
        (_, Some(tau)) => Err(Failure::usage(
            format_args!(
                "--tau {tau}: the loss would ignore it, its temperature is \"{}\"",
                temperature.name()
            ),
            "add --set temperature=per-row, or remove --tau",
        )),
    }?;
    match arguments.upstream.is_finite() {
        true => Ok(()),
        false => Err(Failure::usage(
            format_args!("--upstream {}: must be finite", arguments.upstream),
            "give a number such as 1, or 1024 to scale the gradient of f2 logits",
        )),
    }
}

fn compute(arguments: &Arguments, spec: &LossSpec, choice: &Choice) -> Result<Results, Report> {
    let Arguments {
        files,
        preset,
        upstream,
        ..
    } = arguments;
    let inputs = files.read()?;
    let shape = inputs.shape.clone();
    let (rows, classes, types) = (inputs.labels.len(), inputs.classes, inputs.types.clone());
    let mut warnings: Vec<String> = spec
        .warnings(classes)
        .iter()
        .map(ToString::to_string)
        .collect();
    let scan = BatchScan::new(&inputs);
    let evaluation = evaluate(spec, inputs, *upstream, choice, files)?;
    warnings.extend_from_slice(&evaluation.warnings);
    warnings.extend(scan.warnings(files, spec, *upstream, &evaluation));
    let summary = Summary {
        engine: choice.engine.name(),
        preset: preset.name(),
        spec: *spec,
        rows,
        classes,
        dtypes: Types {
            inputs: types,
            gradient: evaluation.gradient.type_name(),
            stats: evaluation.records.type_name(),
        },
        upstream: tidy(*upstream),
        total: Total(evaluation.total),
        counts: Counts::new(spec, &evaluation.records.flags()),
        warnings,
    };
    Ok(Results {
        evaluation,
        summary,
        shape,
    })
}

/// What is written and printed.
struct Results {
    evaluation: Evaluation,
    summary: Summary,
    /// The gradient's.
    shape: Vec<usize>,
}

impl Results {
    /// Writes the [`RESULTS`].
    fn write(&self, directory: &Path) -> io::Result<()> {
        let [gradient, stats, json] = RESULTS.map(|name| directory.join(name));
        self.evaluation.gradient.write(&gradient, &self.shape)?;
        self.evaluation.records.write(&stats)?;
        fs::write(json, serde_json::to_string_pretty(&self.summary)? + "\n")
    }
}
