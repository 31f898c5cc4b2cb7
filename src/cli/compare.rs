//! `fused-kd compare`: the main job.

use super::arguments::{self, Format};
use super::failure::Failure;
use super::output::OutputDirectory;
use super::terminal;
use crate::auto::{self, EngineName};
use crate::data::Source;
use crate::report;
use crate::select::{Policy, Score};
use crate::train::{
    Budget, Comparison, Method, Optimiser, Progress, Scenario, Schedule, Setting, Split, Terms,
    TrainError, TrainSize,
};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use miette::Report;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, io};

/// Train a teacher, and students under several losses: the main job.
///
/// For each seed the data are split, a wide teacher is trained, and a small student is trained
/// under each method. Prints test accuracy after the last epoch, and what each method gains over
/// plain distillation (kd), paired by seed.
#[derive(clap::Args)]
#[command(after_help = "\
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
  fused-kd compare --data idx:mnist --train-size 1000 --teacher-train-size 1000 --format json")]
pub(super) struct Arguments {
    /// `digits` (built in), `csv:TRAIN[,TEST][?label=first&header=no]`, `idx:DIRECTORY` (csv and idx
    /// files may be gzipped) or `synthetic[:rows=4000,classes=20,dim=32,groups=5,spread=1,seed=0]`.
    #[arg(long, default_value = "digits")]
    data: Source,
    /// Methods, separated by commas; `fused-kd presets` lists them. If not given, all of one student
    /// without feature terms.
    #[arg(long, value_delimiter = ',')]
    methods: Vec<Method>,
    /// How `ds` and `lr-ds` choose the samples that the teacher supervises, for example
    /// score=el2n,keep=lowest,fraction=0.6,per-class,every=5,warm-up=5.
    #[arg(long, value_name = "POLICY")]
    select: Option<Policy>,
    /// How heavy the feature terms of `ie-kd`, `ie+…` and `ie-dml` are, for example
    /// inherit=50,explore=50,distance=l1,schedule=constant,warm-up=0.
    #[arg(long, value_name = "TERMS")]
    terms: Option<Terms>,
    /// Which of the student's channels inherit: the first half, or half of a random permutation.
    #[arg(long, value_parser = split(), default_value = "halves")]
    split: Split,
    /// Also measure `ds` and `lr-ds` at these shares of supervised samples: a budget curve.
    #[arg(long, value_delimiter = ',', value_name = "SHARE,…")]
    fractions: Vec<f32>,
    /// The budget curve's scores; random is the control.
    #[arg(long, value_delimiter = ',', value_parser = score(), requires = "fractions",
          default_value = "influence,el2n,random")]
    scores: Vec<Score>,
    /// A named situation: what the teacher learned from, and what labels the student has. Options
    /// below change it further. `all` runs one after the other.
    #[arg(long, value_parser = scenario())]
    scenario: Option<Scenarios>,
    /// Runs per method, with the seeds 0, 1, …
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    seeds: u64,
    /// Rows that the student trains on: a number, `all`, or 200 (half of the rows if fewer).
    #[arg(long, value_parser = train_size)]
    train_size: Option<TrainSize>,
    /// Rows that the teacher trains on, likewise; apart from the student's as long as there are
    /// enough.
    #[arg(long, value_parser = train_size)]
    teacher_train_size: Option<TrainSize>,
    /// How many of the student's training rows have a label; the teacher supervises the others
    /// alone. All if not given.
    #[arg(long, value_name = "ROWS")]
    labelled: Option<usize>,
    /// Share of the student's training labels that are replaced by a wrong one.
    #[arg(long, value_name = "SHARE")]
    label_noise: Option<f32>,
    /// Share of the teacher's training labels that are replaced by a wrong one.
    #[arg(long, value_name = "SHARE")]
    teacher_label_noise: Option<f32>,
    /// How far the teacher's training features are those of another sensor: offsets in standard
    /// deviations.
    #[arg(long, value_name = "STRENGTH")]
    sensor_shift: Option<f32>,
    /// Do not show the teacher shifted copies of its pictures.
    #[arg(long)]
    no_shifts: bool,
    /// The student's epochs.
    #[arg(long)]
    epochs: Option<usize>,
    /// The teacher's epochs.
    #[arg(long)]
    teacher_epochs: Option<usize>,
    /// The student's hidden layers, such as 64-32.
    #[arg(long, value_parser = hidden)]
    hidden: Option<Hidden>,
    /// The teacher's hidden layers.
    #[arg(long, value_parser = hidden)]
    teacher_hidden: Option<Hidden>,
    /// The student's rows per step.
    #[arg(long)]
    batch: Option<usize>,
    /// Learning rates that each method chooses from, on validation data.
    #[arg(long, value_delimiter = ',', value_name = "RATE,…")]
    lr_grid: Vec<f32>,
    /// How the student's gradient becomes a step; learning rates for adamw are about 0.01.
    #[arg(long, value_enum, default_value_t = OptimiserName::Sgd)]
    optimiser: OptimiserName,
    /// How the student's learning rate falls.
    #[arg(long, value_parser = schedule(), default_value = "cosine")]
    schedule: Schedule,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OptimiserName {
    Sgd,
    Adamw,
}

/// One scenario, or all.
#[derive(Clone, Copy, Debug)]
enum Scenarios {
    One(Scenario),
    All,
}

fn scenario() -> impl TypedValueParser<Value = Scenarios> {
    let names = Scenario::ALL
        .map(|(name, _)| name)
        .into_iter()
        .chain(["all"]);
    PossibleValuesParser::new(names).map(|given| {
        let known = Scenario::ALL.into_iter().find(|(name, _)| *name == given);
        known.map_or(Scenarios::All, |(_, scenario)| Scenarios::One(scenario))
    })
}

/// Sizes of hidden layers.
#[derive(Clone, Debug)]
struct Hidden(Vec<usize>);

fn hidden(text: &str) -> Result<Hidden, String> {
    let sizes: Result<Vec<usize>, _> = text.split('-').map(str::parse).collect();
    sizes
        .map(Hidden)
        .map_err(|_| "write the sizes of the hidden layers, such as 64-32".to_owned())
}

fn train_size(text: &str) -> Result<TrainSize, String> {
    match (text, text.parse()) {
        ("all", _) => Ok(TrainSize::All),
        (_, Ok(rows)) => Ok(TrainSize::Rows(rows)),
        _ => Err("write a number of rows, or all".to_owned()),
    }
}

fn score() -> impl TypedValueParser<Value = Score> {
    PossibleValuesParser::new(Score::ALL.map(|(name, _)| name)).map(|given| {
        let known = Score::ALL.into_iter().find(|(name, _)| *name == given);
        known.map_or(Score::Random, |(_, score)| score)
    })
}

fn split() -> impl TypedValueParser<Value = Split> {
    PossibleValuesParser::new(Split::ALL.map(|(name, _)| name)).map(|given| {
        let known = Split::ALL.into_iter().find(|(name, _)| *name == given);
        known.map_or(Split::default(), |(_, split)| split)
    })
}

fn schedule() -> impl TypedValueParser<Value = Schedule> {
    PossibleValuesParser::new(Schedule::ALL.map(|(name, _)| name)).map(|given| {
        let known = Schedule::ALL.into_iter().find(|(name, _)| *name == given);
        known.map_or(Schedule::Cosine, |(_, schedule)| schedule)
    })
}

impl Arguments {
    fn setting(&self, scenario: Option<Scenario>) -> Setting {
        let mut setting = Setting {
            source: self.data.clone(),
            seeds: self.seeds,
            augment_teacher: !self.no_shifts,
            split: self.split,
            ..Setting::default()
        };
        if let Some(scenario) = scenario {
            scenario.apply(&mut setting);
        }
        setting.train_size = self.train_size.unwrap_or(setting.train_size);
        setting.teacher_train_size = self
            .teacher_train_size
            .unwrap_or(setting.teacher_train_size);
        setting.labelled = self.labelled.or(setting.labelled);
        setting.label_noise = self.label_noise.unwrap_or(setting.label_noise);
        setting.teacher_label_noise = self
            .teacher_label_noise
            .unwrap_or(setting.teacher_label_noise);
        setting.sensor_shift = self.sensor_shift.unwrap_or(setting.sensor_shift);
        if !self.methods.is_empty() {
            setting.methods.clone_from(&self.methods);
        }
        for method in &mut setting.methods {
            // Only methods that select have a policy to replace, and so with feature terms.
            method.policy = method.policy.map(|policy| self.select.unwrap_or(policy));
            if let (Some(Terms(terms)), false) = (&self.terms, method.terms.is_empty()) {
                method.terms.clone_from(terms);
            }
        }
        if !self.fractions.is_empty() {
            setting.budget = Some(Budget {
                scores: self.scores.clone(),
                fractions: self.fractions.clone(),
            });
        }
        if !self.lr_grid.is_empty() {
            setting.learning_rates.clone_from(&self.lr_grid);
        }
        let (student, teacher) = (&mut setting.student, &mut setting.teacher);
        if let Some(Hidden(sizes)) = &self.hidden {
            student.hidden.clone_from(sizes);
        }
        if let Some(Hidden(sizes)) = &self.teacher_hidden {
            teacher.hidden.clone_from(sizes);
        }
        student.recipe.epochs = self.epochs.unwrap_or(student.recipe.epochs);
        teacher.recipe.epochs = self.teacher_epochs.unwrap_or(teacher.recipe.epochs);
        student.recipe.batch = self.batch.unwrap_or(student.recipe.batch);
        student.recipe.schedule = self.schedule;
        if self.optimiser == OptimiserName::Adamw {
            student.recipe.optimiser = Optimiser::AdamW { decay: 0.01 };
        }
        setting
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let out = OutputDirectory::asked_for(arguments.out.as_deref(), arguments.force)?;
    let engine = terminal::chosen(arguments.engine)?;
    let scenarios: Vec<Option<Scenario>> = match arguments.scenario {
        None => vec![None],
        Some(Scenarios::One(scenario)) => vec![Some(scenario)],
        Some(Scenarios::All) => Scenario::ALL.map(|(_, scenario)| Some(scenario)).to_vec(),
    };
    let mut comparisons = Vec::new();
    for scenario in scenarios {
        let bar = Bar::default();
        let setting = arguments.setting(scenario);
        let comparison = auto::compare(&engine, &setting, &|progress| bar.show(progress));
        bar.clear();
        comparisons.push(comparison.map_err(failure)?);
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

/// Settings that no run can be made of are part of the command line.
fn failure(error: TrainError) -> Failure {
    match error {
        TrainError::Setting { .. } => {
            Failure::usage(error, "`fused-kd compare --help` explains the settings")
        }
        error => Failure::Failed(Report::from_err(error)),
    }
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
            Some(scenario) if comparisons.len() > 1 => PathBuf::from(scenario),
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

/// A progress bar on a terminal, nothing anywhere else.
#[derive(Default)]
struct Bar(OnceLock<ProgressBar>);

impl Bar {
    fn show(&self, progress: Progress) {
        match progress {
            Progress::Begin { teachers, students } => {
                let style = "{bar:30} {pos}/{len} runs, {elapsed} elapsed, about {eta} to go";
                let bar = self
                    .0
                    .get_or_init(|| ProgressBar::new((teachers + students) as u64));
                if let Ok(style) = ProgressStyle::with_template(style) {
                    bar.set_style(style);
                }
                bar.tick();
            }
            Progress::Epoch => {}
            Progress::Teacher | Progress::Student => {
                if let Some(bar) = self.0.get() {
                    bar.inc(1);
                }
            }
        }
    }

    fn clear(&self) {
        if let Some(bar) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}
