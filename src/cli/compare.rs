//! `fused-kd compare`: the main job.

use super::arguments::{self, Format};
use super::failure::Failure;
use super::layout;
use super::output::OutputDirectory;
use super::progress::Runs;
use super::provenance::Started;
use super::setting::{Flag, SettingArguments, TABLE_HELP};
use super::terminal;
use crate::auto::{self, EngineName};
use crate::report::{self, Provenance};
use crate::spec::Preset;
use crate::train::{Comparison, Scenario, Setting};
use clap::builder::PossibleValuesParser;
use miette::{IntoDiagnostic, Report};
use std::path::PathBuf;
use std::{fs, io};

const EXAMPLES: &str = "\
The default data are handwritten digits. The teacher learns from 200 rows, and
the student from 200 others. The teacher is better than a student trained alone,
and yet it misclassifies about 7 % of the student's training rows.

Examples:
  fused-kd compare                     all methods, 5 seeds
  fused-kd compare --methods ce,kd,lr --seeds 10
  fused-kd compare --teacher-train-size all
                                       a reliable teacher
  fused-kd compare --scenario noisy-teacher
                                       a teacher that learned from wrong labels
  fused-kd compare --methods kd,lr,ie-kd,ie+lr,dml,ie-dml
                                       feature terms and mutual learning
  fused-kd compare --data csv:train.csv,test.csv --out comparison1
                                       your own tables, with a report
  fused-kd compare --data csv:train.csv --teacher-logits logits.npy \\
      --train-size all                 a teacher that another program trained
  fused-kd compare --config comparison1/setting.toml \\
      --set student.optimiser=adamw    repeat a comparison with one change";

/// Compare distillation methods: train a teacher, and a student under each loss.
///
/// For each seed, split the data, train a wide teacher, and train a small student with each method.
/// Print the test accuracy after the last epoch, and the gain over plain distillation (kd), paired by
/// seed.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{TABLE_HELP}"))]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: SettingArguments,
    /// Compare these methods, separated by commas; `fused-kd presets` lists them [default: all with one
    /// student and without feature terms].
    #[arg(long, value_name = "METHOD,…")]
    methods: Option<String>,
    /// Start from a named situation of data and labels, which other options can change. `all` runs
    /// them one after the other.
    #[arg(long, value_parser = scenario())]
    scenario: Option<String>,
    /// Run each method with this many seeds: 0, 1, …, or from `--set seed=N` on [default: 5].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seeds: Option<String>,
    /// Try these learning rates; each method keeps the best on validation data
    /// [default: 0.005,0.02,0.05,0.1].
    #[arg(long, value_name = "RATE,…", allow_negative_numbers = true)]
    lr_grid: Option<String>,
    /// Draw a budget curve: run `ds` and `lr-ds` with a teacher for these shares of the training rows,
    /// such as 0.2,0.5,1.
    #[arg(long, value_name = "SHARE,…", allow_negative_numbers = true)]
    fractions: Option<String>,
    /// Rank the rows of the budget curve by these scores; random is the control
    /// [default: influence,el2n,random].
    #[arg(long, value_name = "SCORE,…")]
    scores: Option<String>,
    /// Train on this engine. `auto` takes a GPU if there is one; for networks as small as the defaults
    /// the CPU may be faster.
    #[arg(long, value_parser = arguments::engine(), default_value = "cpu")]
    engine: EngineName,
    /// Write report.html, and its numbers as JSON and CSV, to this new directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run of this command in DIR, as a whole.
    #[arg(long, requires = "out")]
    force: bool,
    /// Print the results in this format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

fn scenario() -> PossibleValuesParser {
    let names = Scenario::ALL.map(|(name, _)| name);
    PossibleValuesParser::new(names.into_iter().chain(["all"]))
}

const REMEDY: &str = "`fused-kd compare --help` explains the options; `fused-kd compare --dry-run` \
                      prints every key and its value";

impl Arguments {
    fn flags(&self) -> Vec<Flag<'_>> {
        vec![
            Flag::new("--methods", "methods", &self.methods).list(','),
            Flag::new("--seeds", "seeds", &self.seeds),
            Flag::new("--lr-grid", "learning-rates", &self.lr_grid).list(','),
            Flag::new("--fractions", "budget.fractions", &self.fractions).list(','),
            Flag::new("--scores", "budget.scores", &self.scores).list(','),
        ]
    }

    /// The scenarios that run one after the other; none is the file's own, if it has one.
    fn scenarios(&self) -> Vec<Option<Scenario>> {
        let all = Scenario::ALL.map(|(_, scenario)| Some(scenario));
        let named = |name: &str| all.into_iter().flatten().find(|of| of.name() == name);
        match self.scenario.as_deref() {
            Some("all") => all.to_vec(),
            name => vec![name.and_then(named)],
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let written = arguments.setting.read(arguments.flags(), REMEDY)?;
    let mut settings = Vec::new();
    for scenario in arguments.scenarios() {
        settings.push(written.setting(scenario)?);
    }
    if arguments.setting.dry_run {
        let texts: Result<Vec<String>, _> = settings.iter().map(|s| s.to_toml()).collect();
        return terminal::print_data(texts.into_diagnostic()?.join("\n").trim_end());
    }
    let is_ours = |setting: &Setting| setting.loss == Preset::Kd.into() && !setting.mutual;
    if !settings.iter().all(is_ours) {
        terminal::note(
            "compare ignores [loss] and mutual, which only `train` reads: each method has its own",
        );
    }
    let inputs: Vec<PathBuf> = settings
        .iter()
        .flat_map(|setting| arguments.setting.inputs(setting))
        .collect();
    let out = OutputDirectory::asked_for(
        arguments.out.as_deref(),
        arguments.force,
        "compare",
        &inputs,
    )?;
    let engine = terminal::chosen(arguments.engine)?;
    let (mut comparisons, mut provenances) = (Vec::new(), Vec::new());
    for setting in &settings {
        let scenario = setting.scenario.filter(|_| settings.len() > 1);
        let (runs, started) = (Runs::of(scenario.map(Scenario::name)), Started::now());
        let comparison = auto::compare(&engine, setting, &|progress| runs.show(progress));
        runs.clear();
        let comparison = comparison.map_err(|error| written.training_failure(error))?;
        comparison.warnings.iter().for_each(terminal::warn);
        comparisons.push(comparison);
        provenances.push(started.finish());
    }
    let printed = match (arguments.format, &comparisons[..]) {
        (Format::Json, [comparison]) => terminal::print_json(comparison),
        (Format::Json, all) => terminal::print_json(&all),
        (Format::Table, all) => print(all),
    };
    if let Some(out) = &out {
        write(out, &comparisons, &provenances)?;
        terminal::note(format_args!(
            "results are in `{}`; open report.html",
            out.path().display()
        ));
    }
    printed
}

fn print(comparisons: &[Comparison]) -> Result<(), Failure> {
    for comparison in comparisons {
        terminal::print(format_args!(
            "{}\n\n{}\n",
            layout::facts(&report::preamble(comparison)),
            layout::document_table(report::COLUMNS, &report::rows(comparison))
        ))?;
        let similarities = report::similarity_rows(comparison);
        if !similarities.is_empty() {
            terminal::print(format_args!(
                "{}\n\n{}\n",
                layout::wrapped(SIMILARITIES),
                layout::document_table(report::SIMILARITY_COLUMNS, &similarities)
            ))?;
        }
        if !comparison.budget.is_empty() {
            let rows = report::budget_rows(comparison);
            terminal::print(format_args!(
                "{}\n\n{}\n",
                layout::wrapped(BUDGET),
                layout::document_table(report::BUDGET_COLUMNS, &rows)
            ))?;
        }
    }
    terminal::print(layout::wrapped(LEGEND))
}

const SIMILARITIES: &str = "\
The two halves of the student's features, before → after training. CKA: linear similarity to the \
teacher's features, from 0 to 1. Distance: the feature term's own.";

const BUDGET: &str = "\
Accuracy when the teacher supervises only a share of the training rows, the highest scores first.";

const LEGEND: &str = "\
Test accuracy: after the last epoch, mean ± standard deviation over seeds. Best epoch: test accuracy \
of the epoch with the best validation accuracy. Gain: in points, paired by seed; an interval without \
0 is unlikely to be chance. Learning rate: the best on validation data, for each method.";

/// One comparison's files, or a directory of files per scenario.
fn write(
    out: &OutputDirectory,
    comparisons: &[Comparison],
    provenances: &[Provenance],
) -> Result<(), Report> {
    let mut files = Vec::new();
    for (comparison, provenance) in comparisons.iter().zip(provenances) {
        let place = match comparison.setting.scenario {
            Some(scenario) if comparisons.len() > 1 => PathBuf::from(scenario.name()),
            _ => PathBuf::new(),
        };
        for (name, text) in report::files(comparison, provenance) {
            files.push((place.join(name), text));
        }
    }
    out.fill(|directory| -> io::Result<()> {
        for (name, text) in &files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap_or(directory))?;
            fs::write(path, text)?;
        }
        Ok(())
    })
}
