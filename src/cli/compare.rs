//! `fused-kd compare`: the main job.

use super::arguments::{self, Format};
use super::failure::Failure;
use super::output::OutputDirectory;
use super::progress::Runs;
use super::setting::{Flag, SettingArguments, TABLE_HELP};
use super::terminal;
use crate::auto::{self, EngineName};
use crate::report;
use crate::spec::Preset;
use crate::train::{Comparison, Scenario, Setting};
use clap::builder::PossibleValuesParser;
use miette::{IntoDiagnostic, Report};
use std::path::{Path, PathBuf};
use std::{fs, io};

const EXAMPLES: &str = "\
The default: optical digits, a teacher that learned from 200 other rows than the student's 200,
with shifted copies of its own. It beats the student trained alone, and yet is wrong on about 7 % of
the student's training labels.

Examples:
  fused-kd compare                                        all methods, 5 seeds
  fused-kd compare --methods ce,kd,lr --seeds 10
  fused-kd compare --teacher-train-size all               a reliable teacher: worth having
  fused-kd compare --train-size all --teacher-train-size all --teacher-label-noise 0.3
                                                          a bad one: plain labels win
  fused-kd compare --methods kd,lr,ie-kd,ie+lr,dml,ie-dml feature terms, and mutual learning
  fused-kd compare --data csv:train.csv,test.csv --out run1
  fused-kd compare --data csv:train.csv,test.csv --teacher-logits logits.npy --train-size all
                                                          a teacher that another program trained
  fused-kd compare --config run1/setting.toml --set student.optimiser=adamw
  fused-kd compare --data idx:mnist --train-size 1000 --teacher-train-size 1000 --format json";

/// Train a teacher, and students under several losses: the main job.
///
/// For each seed the data are split, a wide teacher is trained, and a small student is trained
/// under each method. Prints test accuracy after the last epoch, and what each method gains over
/// plain distillation (kd), paired by seed.
#[derive(clap::Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{TABLE_HELP}"))]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: SettingArguments,
    /// Methods, separated by commas; `fused-kd presets` lists them. If not given, all of one student
    /// without feature terms.
    #[arg(long, value_name = "METHOD,…")]
    methods: Option<String>,
    /// A named situation: what the teacher learned from, and what labels the student has. Other
    /// options change it further. `all` runs one after the other.
    #[arg(long, value_parser = scenario())]
    scenario: Option<String>,
    /// Runs per method, with the seeds 0, 1, …; from `--set seed=N` on [default: 5].
    #[arg(long, value_name = "N")]
    seeds: Option<String>,
    /// Learning rates that each method chooses from, on validation data
    /// [default: 0.005,0.02,0.05,0.1].
    #[arg(long, value_name = "RATE,…")]
    lr_grid: Option<String>,
    /// Also measure `ds` and `lr-ds` at these shares of supervised samples: a budget curve.
    #[arg(long, value_name = "SHARE,…")]
    fractions: Option<String>,
    /// The budget curve's scores; random is the control [default: influence,el2n,random].
    #[arg(long, value_name = "SCORE,…")]
    scores: Option<String>,
    /// The engine that trains; `auto` takes a GPU if there is one, which for networks as small as the
    /// default ones need not be faster.
    #[arg(long, value_parser = arguments::engine(), default_value = "cpu")]
    engine: EngineName,
    /// Also write report.html, and its numbers as JSON and CSV, to this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the results in a directory that exists.
    #[arg(long, requires = "out")]
    force: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

fn scenario() -> PossibleValuesParser {
    let names = Scenario::ALL.map(|(name, _)| name);
    PossibleValuesParser::new(names.into_iter().chain(["all"]))
}

const REMEDY: &str = "`fused-kd compare --help` explains the options, `compare --dry-run` prints \
                      every key and its default";

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
        terminal::note("`train` alone reads [loss] and mutual: a comparison has its methods' own");
    }
    let out = OutputDirectory::asked_for(arguments.out.as_deref(), arguments.force)?;
    let engine = terminal::chosen(arguments.engine)?;
    let mut comparisons = Vec::new();
    for setting in &settings {
        let scenario = setting.scenario.filter(|_| settings.len() > 1);
        let runs = Runs::of(scenario.map(Scenario::name));
        let comparison = auto::compare(&engine, setting, &|progress| runs.show(progress));
        runs.clear();
        let comparison = comparison.map_err(|error| written.training_failure(error))?;
        comparison.warnings.iter().for_each(terminal::warn);
        comparisons.push(comparison);
    }
    if let Some(out) = &out {
        write(out, &comparisons)?;
    }
    match (arguments.format, &comparisons[..]) {
        (Format::Json, [comparison]) => terminal::print_json(comparison)?,
        (Format::Json, all) => terminal::print_json(&all)?,
        (Format::Table, all) => print(all)?,
    }
    if let Some(out) = &out {
        terminal::note(format_args!(
            "results are in `{}`; open report.html",
            out.path().display()
        ));
    }
    Ok(())
}

fn print(comparisons: &[Comparison]) -> Result<(), Failure> {
    for comparison in comparisons {
        let mut table = terminal::table(report::COLUMNS);
        // Lines that can be pasted into a document as they are.
        table.load_style(comfy_table::presets::ASCII_MARKDOWN);
        table.add_rows(report::rows(comparison));
        terminal::print(format_args!(
            "{}\n\n{}\n",
            report::preamble(comparison),
            table.trim_fmt()
        ))?;
        let similarities = report::similarity_rows(comparison);
        if !similarities.is_empty() {
            let mut table = terminal::table(report::SIMILARITY_COLUMNS);
            table.load_style(comfy_table::presets::ASCII_MARKDOWN);
            table.add_rows(similarities);
            terminal::print(format_args!("{}\n", table.trim_fmt()))?;
        }
        if !comparison.budget.is_empty() {
            let mut table = terminal::table(report::BUDGET_COLUMNS);
            table.load_style(comfy_table::presets::ASCII_MARKDOWN);
            table.add_rows(report::budget_rows(comparison));
            terminal::print(format_args!("{}\n", table.trim_fmt()))?;
        }
    }
    terminal::print(
        "Accuracy after the last epoch, mean ± standard deviation over seeds; best epoch: of the\n\
         epoch that is best on validation data. Differences are paired by seed: an interval that\n\
         leaves out 0 is more than chance. Each method's learning rate is the best on validation data.",
    )
}

/// One comparison's files, or a directory of files per scenario.
fn write(out: &OutputDirectory, comparisons: &[Comparison]) -> Result<(), Report> {
    let mut files = Vec::new();
    for comparison in comparisons {
        let place = match comparison.setting.scenario {
            Some(scenario) if comparisons.len() > 1 => PathBuf::from(scenario.name()),
            _ => PathBuf::new(),
        };
        for (name, text) in report::files(comparison) {
            files.push((place.join(name), text));
        }
    }
    let names: Vec<&Path> = files.iter().map(|(name, _)| name.as_path()).collect();
    out.fill(&names, |directory| -> io::Result<()> {
        for (name, text) in &files {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap_or(directory))?;
            fs::write(path, text)?;
        }
        Ok(())
    })
}
