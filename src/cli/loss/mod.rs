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
#[command(after_help = "\
Read npy (plain or gzip), npz and safetensors. KEY names an array of an npz or
safetensors file; a file of one array needs none. The last axis of the logits
counts classes, the others rows. Other arrays have the axes of the rows.

Results, in DIR, which appears whole or not at all:
  grad.npy      ∂total/∂student, in the student's shape and type; f4 for f8 and bf16 logits, but f8
                from the reference engine
  stats.npy     one record per row: loss, kd, ce, tau, beta, teacher_confidence, teacher_ce,
                teacher_entropy, teacher_margin, student_confidence, student_entropy,
                student_logit_margin, el2n (f4; f8 from the reference engine), teacher_top,
                student_top, flags (u4)
  summary.json  total, specification, counts, types, warnings; a total that is no number JSON knows
                is the string \"nan\", \"inf\" or \"-inf\"

The reduction \"mean\" divides by the number of rows with a weight other than 0;
rows without a label and NaN rows count. PyTorch divides by the sum of weights.
A row with label −100 keeps the distillation part and drops the cross-entropy.

The bits of flags: 0 wrong, 1 without a label, 2 student and teacher agree, 3 not finite,
5 infinite, 6 weight 0, 8 not supervised.

Examples:
  fused-kd loss --student s.npy --teacher t.npy --labels y.npy --out run1
  fused-kd loss --student s.npy --teacher t.npy --labels y.npy --out run2 \\
      --preset lr --set revision.eta=0.7 --set temperature=2
  fused-kd loss --student s.npy --teacher t.npy --labels y.npy --out run3 \\
      --set temperature=per-row --tau tau.npy --engine reference --format json
  fused-kd loss --student logits.npz:student --teacher logits.npz:teacher --labels y.npy --out run4

In Python: numpy.load('run1/stats.npy')['el2n'].argsort() ranks the samples by EL2N.")]
pub(super) struct Arguments {
    #[command(flatten)]
    files: Files,
    /// The loss; `fused-kd presets` lists and explains them.
    #[arg(long, value_name = "NAME", default_value = "kd", value_parser = arguments::preset())]
    preset: Preset,
    /// A parameter of the loss, such as revision.eta=0.7; may be repeated. `fused-kd presets NAME`
    /// prints the keys.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// What total and gradient are multiplied by; also the loss scale of f2 gradients.
    #[arg(
        long,
        value_name = "X",
        default_value_t = 1.0,
        allow_negative_numbers = true
    )]
    upstream: f32,
    /// What computes; `fused-kd devices` says what can.
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = arguments::engine())]
    engine: EngineName,
    /// The directory for the results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Replace the results in DIR if it exists; its other files stay.
    #[arg(long)]
    force: bool,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// The summary comes last: where it is new, the others are.
const RESULTS: [&str; 3] = ["grad.npy", "stats.npy", "summary.json"];

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let spec = arguments.preset.spec().with_settings(&arguments.settings)?;
    check(arguments, &spec)?;
    let inputs = arguments.files.paths();
    let output = OutputDirectory::hold(&arguments.out, arguments.force, "loss", &inputs)?;
    let choice = terminal::chosen(arguments.engine)?;
    let results = compute(arguments, &spec, &choice)?;
    let summary = &results.summary;
    summary.warnings.iter().for_each(terminal::warn);
    let printed = match arguments.format {
        Format::Json => terminal::print_json(summary),
        Format::Table => terminal::print(summary),
    };
    output.fill(|directory| results.write(directory))?;
    printed?;
    match arguments.format {
        Format::Json => Ok(()),
        Format::Table => terminal::print(format_args!(
            "wrote  {} to {}",
            RESULTS.join(", "),
            output.path().display()
        )),
    }
}

/// What the arguments alone tell to have no meaning.
fn check(arguments: &Arguments, spec: &LossSpec) -> Result<(), Failure> {
    let temperature = spec.temperature();
    match (temperature, &arguments.files.tau) {
        (Temperature::PerRow, None) => Err(Failure::usage(
            "temperature \"per-row\" needs one temperature per row",
            "give them with --tau, or set another temperature",
        )),
        (Temperature::PerRow, Some(_)) | (_, None) => Ok(()),
        (_, Some(tau)) => Err(Failure::usage(
            format_args!(
                "--tau {tau} has no use: the loss has the temperature \"{}\"",
                temperature.name()
            ),
            "add --set temperature=per-row, or leave --tau away",
        )),
    }?;
    match arguments.upstream.is_finite() {
        true => Ok(()),
        false => Err(Failure::usage(
            format_args!("--upstream {} is out of range", arguments.upstream),
            "it must be finite",
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
