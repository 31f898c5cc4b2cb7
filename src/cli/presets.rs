//! `fused-kd presets`: the published methods.

use super::arguments::{self, Format};
use super::failure::Failure;
use super::terminal;
use crate::spec::{LossSpec, Preset};
use crate::train;
use miette::{IntoDiagnostic, WrapErr};
use serde::Serialize;

/// List the published methods, or print one with all its parameters.
#[derive(clap::Args)]
#[command(after_help = "\
Letters: s, t are the logits of student and teacher, p = softmax(t/τ), q = softmax(s/τ), p' the
revised target, CE the cross-entropy of the student at τ = 1.

Examples:
  fused-kd presets                 name, formula and source of every method
  fused-kd presets lr              its parameters as TOML: the keys of `loss --set`
  fused-kd presets --format json   everything, for programs")]
pub(super) struct Arguments {
    /// The method whose parameters are printed.
    #[arg(value_parser = arguments::preset())]
    name: Option<Preset>,
    /// How methods are printed; one method's table is TOML.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// One method, for programs.
#[derive(Serialize)]
struct Method {
    name: &'static str,
    formula: &'static str,
    source: &'static str,
    spec: LossSpec,
}

impl From<Preset> for Method {
    fn from(preset: Preset) -> Self {
        Self {
            name: preset.name(),
            formula: preset.formula(),
            source: preset.source(),
            spec: preset.spec(),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match (arguments.name, arguments.format) {
        (Some(preset), Format::Json) => terminal::print_json(&Method::from(preset)),
        (Some(preset), Format::Table) => print_toml(&preset.into()),
        (None, Format::Json) => terminal::print_json(&Preset::ALL.map(Method::from)),
        (None, Format::Table) => {
            let mut table = terminal::table(["preset", "loss of a row", "source"]);
            for Method {
                name,
                formula,
                source,
                ..
            } in Preset::ALL.map(Method::from)
            {
                table.add_row([name, formula, source]);
            }
            for (name, preset) in train::Method::selected() {
                let formula = format!(
                    "{} on the samples that the selection keeps, CE on the others (compare --select)",
                    preset.name()
                );
                let source = "Lan et al., arXiv 2404.03693, data selection (the policy is ours)";
                table.add_row([name, &formula, source]);
            }
            terminal::print(table.trim_fmt())
        }
    }
}

/// A file that `toml` reads again: what is said about the method are comments.
fn print_toml(method: &Method) -> Result<(), Failure> {
    let spec = toml::to_string(&method.spec)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot write preset \"{}\" as TOML", method.name))?;
    let Method {
        name,
        formula,
        source,
        ..
    } = method;
    terminal::print(format_args!(
        "# {name}: {formula}\n# {source}\n\
         # A key of a table is set as TABLE.KEY=VALUE; `divergence`, `lambda-kd` and `lambda-ce`\n\
         # without `right` or `wrong` before them mean both.\n\n{}",
        spec.trim_end()
    ))
}
