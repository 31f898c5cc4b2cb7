//! `fused-kd presets`: the published methods.

use super::arguments::Format;
use super::failure::Failure;
use super::layout;
use super::terminal;
use crate::spec::{LossSpec, Preset};
use crate::train::{self, Setting, Term};
use clap::builder::PossibleValuesParser;
use miette::{IntoDiagnostic, WrapErr};
use serde::Serialize;

/// List the distillation methods, or print the parameters of one.
#[derive(clap::Args)]
#[command(after_help = "\
Symbols:
  s, t          logits of the student and of the teacher
  τ             temperature
  p, q          softmax(t/τ) and softmax(s/τ)
  p'            the revised target
  y, e_y        the label, and the one-hot target of the label
  CE            cross-entropy of the student and the label, at τ = 1
  F_inh, F_exp  codes of the two halves of the student's last hidden layer
  F_T           code of the teacher's last hidden layer

Examples:
  fused-kd presets                     name, formula and source of every method
  fused-kd presets lr                  the keys of `loss --set`, as TOML
  fused-kd presets ie-kd               a whole file for `train --config`
  fused-kd presets --format json       everything, for programs")]
pub(super) struct Arguments {
    /// Print the parameters of this method.
    #[arg(value_parser = PossibleValuesParser::new(names()))]
    name: Option<String>,
    /// Print in this format; `table` prints a single method as TOML.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Methods with feature terms or a second student that have a name of their own.
const OF_FEATURES: [&str; 3] = ["ie-kd", "dml", "ie-dml"];

fn names() -> impl Iterator<Item = &'static str> {
    Preset::ALL.map(Preset::name).into_iter().chain(OF_FEATURES)
}

/// One method, for programs.
#[derive(Serialize)]
struct Method {
    name: &'static str,
    formula: &'static str,
    source: &'static str,
    spec: LossSpec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    terms: Vec<Term>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    mutual: bool,
}

impl From<Preset> for Method {
    fn from(preset: Preset) -> Self {
        Self {
            name: preset.name(),
            formula: preset.formula(),
            source: preset.source(),
            spec: preset.spec(),
            terms: Vec::new(),
            mutual: false,
        }
    }
}

impl Method {
    /// All methods with a name of their own.
    fn all() -> impl Iterator<Item = Self> {
        let of_features = train::Method::of_features().into_iter();
        let of_features = of_features.filter_map(|[name, formula, source]| {
            let method: train::Method = name.parse().ok()?;
            Some(Self {
                name,
                formula,
                source,
                spec: method.spec,
                terms: method.terms,
                mutual: method.mutual,
            })
        });
        Preset::ALL.into_iter().map(Self::from).chain(of_features)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let named = |name: &str| Method::all().find(|method| method.name == name);
    match (arguments.name.as_deref().and_then(named), arguments.format) {
        (Some(method), Format::Json) => terminal::print_json(&method),
        (Some(method), Format::Table) if OF_FEATURES.contains(&method.name) => print_run(&method),
        (Some(method), Format::Table) => print_toml(&method),
        (None, Format::Json) => terminal::print_json(&Method::all().collect::<Vec<_>>()),
        (None, Format::Table) => {
            let entry = |[name, formula, source]: [&str; 3]| {
                layout::entry(name, NAME_COLUMNS, &[formula, source])
            };
            let entries = list().map(|method| entry(method.each_ref().map(String::as_str)));
            terminal::print(entries.collect::<String>().trim_end())
        }
    }
}

/// Where the text beside a method's name begins.
const NAME_COLUMNS: usize = 11;

/// Name, formula and source of every method.
fn list() -> impl Iterator<Item = [String; 3]> {
    let presets = Preset::ALL.map(|of| [of.name(), of.formula(), of.source()].map(String::from));
    let selected = train::Method::selected().map(|(name, preset)| {
        let formula = format!(
            "{} on the samples that the selection keeps, CE on the others: --set select.KEY=VALUE",
            preset.name()
        );
        let source = "Lan et al., arXiv 2404.03693, data selection (the policy is ours)";
        [name.to_owned(), formula, source.to_owned()]
    });
    let of_features = train::Method::of_features().map(|method| method.map(String::from));
    presets.into_iter().chain(selected).chain(of_features)
}

/// A whole run, because feature terms and a second student are no keys of a loss.
fn print_run(method: &Method) -> Result<(), Failure> {
    let of_name: train::Method = method.name.parse().into_diagnostic()?;
    let run = Setting::from(of_name).to_toml().into_diagnostic()?;
    terminal::print(format_args!(
        "# {}: {}\n# {}\n{}",
        method.name,
        method.formula,
        method.source,
        run.trim_end()
    ))
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
