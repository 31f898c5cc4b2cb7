//! The options of `compare` and `train` that make a setting: a file, single keys, and flags.

use super::clean;
use super::failure::{Failure, failed, typed};
use crate::data::excerpt;
use crate::spec::keys::read_value;
use crate::train::{Overlay, Scenario, Setting, SettingError, TrainError};
use miette::{Diagnostic, LabeledSpan, NamedSource, Report};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use toml::Value;

/// The options of a table, for help.
pub(super) const TABLE_HELP: &str = "\
Tables: csv:FILE?OPTION&OPTION. Options that you leave out are detected:
  label=NAME       heading of the label column, or first, last or none; else the
                   column headed label, class or target, else the last column
  header=yes|no    whether the first row is a heading
  separator=tab    or comma, semicolon, bar, blank
  decimal=comma    or point
  missing=mean     replace empty cells, NA, NaN, null and ? by the column's mean
  id=NAME          column of row ids, which is not a feature; or none
  classes=10       labels are the numbers 0 to 9, even if one never occurs
The teacher alone supervises a row without a label (an empty cell or -100).
Quote a path with a comma or a question mark: 'csv:\"a,b.csv\"'. Read standard
input with csv:-.";

/// What is trained on what. Flags override `--set`, and that overrides the file.
#[derive(clap::Args)]
pub(super) struct SettingArguments {
    /// Read the setting from a TOML file. Missing keys keep their defaults; `--dry-run` prints all.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, such as student.batch=64. Repeatable; overrides the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    keys: Vec<String>,
    /// Read the data from `digits` (built in), `csv:TRAIN[,TEST][?label=NAME]` (a table, see below),
    /// `idx:DIRECTORY` (files named as MNIST's) or
    /// `synthetic[:rows=4000,classes=20,dim=32,groups=5,spread=1,seed=0]`. Files may be gzipped
    /// [default: digits].
    #[arg(long, value_name = "SOURCE")]
    data: Option<String>,
    /// Train the student on this many rows: a number, `all`, or `few` (200, or half of a smaller data
    /// set) [default: few].
    #[arg(long, value_name = "ROWS", allow_negative_numbers = true)]
    train_size: Option<String>,
    /// Train the teacher on this many rows, other ones than the student's while there are enough
    /// [default: few].
    #[arg(long, value_name = "ROWS", allow_negative_numbers = true)]
    teacher_train_size: Option<String>,
    /// Use a teacher trained elsewhere: its logits, one row per row of the data file, in the same
    /// order, as npy, npz or safetensors. After a comma, the file for the test rows.
    #[arg(long, value_name = "FILE[:KEY][,TEST]")]
    teacher_logits: Option<String>,
    /// Use a teacher's probabilities instead. Values below 0.001 count as 0.001
    /// (data.probability-floor).
    #[arg(
        long,
        value_name = "FILE[:KEY][,TEST]",
        conflicts_with = "teacher_logits"
    )]
    teacher_probabilities: Option<String>,
    /// Add that teacher's features, for methods with feature terms.
    #[arg(long, value_name = "FILE[:KEY][,TEST]")]
    teacher_features: Option<String>,
    /// Match the teacher's rows by id: one whole number per row of its files, as in the data file's id
    /// column (`csv:FILE?id=NAME`), or row numbers from 0. The files may then be in any order.
    #[arg(long, value_name = "FILE[:KEY][,TEST]")]
    teacher_ids: Option<String>,
    /// Divide features by their standard deviation: `column`, each by its own; `common`, all by one;
    /// `none`, by nothing; `auto`, `common` for pictures and for 16 or more columns with the range
    /// 0..255 or 0..1, else `column` [default: auto].
    #[arg(long, value_name = "RULE")]
    scaling: Option<String>,
    /// Replace this share of the student's training labels by wrong ones, such as 0.3.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    label_noise: Option<String>,
    /// Replace this share of the teacher's training labels by wrong ones.
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true)]
    teacher_label_noise: Option<String>,
    /// Give the student these hidden layers, such as 64-32 [default: 32].
    #[arg(long, value_name = "SIZES")]
    hidden: Option<String>,
    /// Train the student for this many epochs [default: 150].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    epochs: Option<String>,
    /// Train the teacher for this many epochs [default: 150].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    teacher_epochs: Option<String>,
    /// Print the setting with every key as TOML, for --config, and train nothing.
    #[arg(long, conflicts_with = "format")]
    pub(super) dry_run: bool,
}

/// Characters of a flag's value that an error shows.
const LONGEST_VALUE: usize = 200;

/// A flag that was typed, the key that it stands for, and its text.
pub(super) struct Flag<'a> {
    name: &'static str,
    key: &'static str,
    text: Option<&'a String>,
    /// What stands between the values of a list.
    list: Option<char>,
}

impl<'a> Flag<'a> {
    pub(super) fn new(name: &'static str, key: &'static str, text: &'a Option<String>) -> Self {
        Self {
            name,
            key,
            text: text.as_ref(),
            list: None,
        }
    }

    pub(super) fn list(self, separator: char) -> Self {
        Self {
            list: Some(separator),
            ..self
        }
    }

    fn value(&self) -> Option<Value> {
        let text = self.text?;
        Some(match self.list {
            None => read_value(text),
            Some(separator) => Value::Array(text.split(separator).map(read_value).collect()),
        })
    }
}

/// Keys from everywhere, and where each was written.
pub(super) struct Written<'a> {
    /// The file's name and text.
    file: Option<(String, String)>,
    keys: &'a [String],
    flags: Vec<Flag<'a>>,
    remedy: &'static str,
}

impl SettingArguments {
    /// Reads the file; `more` are the flags of one command alone.
    pub(super) fn read<'a>(
        &'a self,
        more: Vec<Flag<'a>>,
        remedy: &'static str,
    ) -> Result<Written<'a>, Failure> {
        let mut flags = self.flags();
        flags.extend(more);
        self.check_teacher(&flags, remedy)?;
        let file = match &self.config {
            Some(path) => Some((path.display().to_string(), read(path)?)),
            None => None,
        };
        Ok(Written {
            file,
            keys: &self.keys,
            flags,
            remedy,
        })
    }

    /// The files that a run in this setting reads.
    pub(super) fn inputs(&self, setting: &Setting) -> Vec<PathBuf> {
        let mut paths = setting.data.paths();
        paths.extend(self.config.clone());
        paths
    }

    fn flags(&self) -> Vec<Flag<'_>> {
        let flag = Flag::new;
        vec![
            flag("--data", "data.source", &self.data),
            flag("--train-size", "data.train-size", &self.train_size),
            flag(
                "--teacher-train-size",
                "data.teacher-train-size",
                &self.teacher_train_size,
            ),
            flag(
                "--teacher-logits",
                "data.teacher-logits",
                &self.teacher_logits,
            ),
            flag(
                "--teacher-probabilities",
                "data.teacher-probabilities",
                &self.teacher_probabilities,
            ),
            flag(
                "--teacher-features",
                "data.teacher-features",
                &self.teacher_features,
            ),
            flag("--teacher-ids", "data.teacher-ids", &self.teacher_ids),
            flag("--scaling", "data.scaling", &self.scaling),
            flag("--label-noise", "data.label-noise", &self.label_noise),
            flag(
                "--teacher-label-noise",
                "data.teacher-label-noise",
                &self.teacher_label_noise,
            ),
            flag("--hidden", "student.hidden", &self.hidden).list('-'),
            flag("--epochs", "student.epochs", &self.epochs),
            flag("--teacher-epochs", "teacher.epochs", &self.teacher_epochs),
        ]
    }

    /// Refuses flags of a teacher's training where no teacher is trained.
    fn check_teacher(&self, flags: &[Flag], remedy: &str) -> Result<(), Failure> {
        let given = match (&self.teacher_logits, &self.teacher_probabilities) {
            (Some(_), _) => "--teacher-logits",
            (None, Some(_)) => "--teacher-probabilities",
            (None, None) => return Ok(()),
        };
        let useless = [
            "--teacher-train-size",
            "--teacher-label-noise",
            "--teacher-epochs",
        ];
        let typed = |flag: &&Flag| flag.text.is_some() && useless.contains(&flag.name);
        match flags.iter().find(typed) {
            None => Ok(()),
            Some(flag) => Err(Failure::usage(
                format_args!(
                    "{} {}: does not apply with {given}, which trains no teacher",
                    flag.name,
                    flag.text.map_or("", String::as_str)
                ),
                format_args!("remove one of them; {remedy}"),
            )),
        }
    }
}

impl Written<'_> {
    /// The setting, in this scenario if there is one: that is laid over the file, then single keys,
    /// then flags. What is wrong is shown where it was written.
    pub(super) fn setting(&self, scenario: Option<Scenario>) -> Result<Setting, Failure> {
        let mut overlay = match &self.file {
            Some((_, text)) => Overlay::from_toml(text).map_err(|error| self.failure(error))?,
            None => Overlay::default(),
        };
        if let Some(scenario) = scenario {
            overlay.set_scenario(scenario);
        }
        for key in self.keys {
            let set = overlay.set(key);
            set.map_err(|error| Failure::usage(format_args!("--set {error}"), self.remedy))?;
        }
        for flag in &self.flags {
            if let Some(value) = flag.value() {
                overlay.insert(flag.key, value);
            }
        }
        overlay.setting().map_err(|error| self.failure(error))
    }

    /// Settings that nothing can be trained in are the command line's.
    pub(super) fn training_failure(&self, error: TrainError) -> Failure {
        match error {
            TrainError::Setting(error) => self.failure(error),
            error => Failure::Failed(Report::from_err(error)),
        }
    }

    fn failure(&self, error: SettingError) -> Failure {
        let is_it = |flag: &&Flag| flag.text.is_some() && flag.key == error.key;
        if let Some(flag) = self.flags.iter().find(is_it) {
            let text = flag.text.map_or("", String::as_str);
            // The value is said once.
            let of_source = format!("`{text}` is not a data source: ");
            let remark = error.remark();
            let remark = remark.strip_prefix(&of_source).unwrap_or(remark);
            let text = excerpt(text, LONGEST_VALUE);
            return Failure::usage(format_args!("{} {text}: {remark}", flag.name), self.remedy);
        }
        if let Some(key) = typed(self.keys, &error) {
            let key = excerpt(key, LONGEST_VALUE);
            return Failure::usage(format_args!("--set {key}: {}", error.remark()), self.remedy);
        }
        match &self.file {
            Some((name, text)) => Failure::Usage(Report::new(Misread::new(
                name,
                text,
                error.located(text),
                self.remedy,
            ))),
            None => Failure::usage(error, self.remedy),
        }
    }
}

/// Bytes of a line that an error shows.
const LONGEST_LINE: usize = 1000;
/// More than this is no setting.
const LARGEST_CONFIG: u64 = 1 << 20;

fn read(path: &Path) -> Result<String, Report> {
    read_text(path).map_err(|error| {
        let remedy = "check that it is the right path, and a TOML file that may be read";
        failed(error, remedy).wrap_err(format!("cannot read `{}`", path.display()))
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

/// A file that describes no setting, with its text.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Misread {
    message: String,
    /// Unless its lines are too long to be shown.
    text: Option<NamedSource<String>>,
    remedy: &'static str,
    error: SettingError,
}

impl Misread {
    fn new(name: &str, text: &str, error: SettingError, remedy: &'static str) -> Self {
        let is_long = text.lines().any(|line| line.len() > LONGEST_LINE);
        let start = error.span.as_ref().map(|span| span.start);
        let before = start
            .filter(|_| is_long)
            .and_then(|start| text.get(..start));
        let line = before.map(|before| format!(", line {}", before.matches('\n').count() + 1));
        let source = || NamedSource::new(clean::text(name), clean::in_place(text));
        Self {
            message: format!("`{name}`{}: {error}", line.unwrap_or_default()),
            text: (!is_long).then(source),
            remedy,
            error,
        }
    }
}

impl Diagnostic for Misread {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.text.as_ref().map(|text| text as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.error.span.clone().filter(|_| self.text.is_some())?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }

    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        Some(Box::new(self.remedy))
    }
}
