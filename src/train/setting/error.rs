//! What is wrong with a setting, and where it is written.

use crate::data::excerpt;
use crate::spec::SpecError;
use std::fmt;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Characters of a value that an error shows.
const LONGEST_VALUE: usize = 200;
/// Characters of a message that may quote a value.
const LONGEST_PROBLEM: usize = 1000;

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingError {
    /// The key, such as `student.epochs`; empty where it is about the text as a whole.
    pub key: String,
    /// The value that is refused; none where a key is unknown or a value has another type.
    pub given: Option<String>,
    /// What is wrong, or what would be right.
    pub problem: String,
    /// Where in the text that it was read from, in bytes.
    pub span: Option<Range<usize>>,
}

impl std::error::Error for SettingError {}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match (self.key.as_str(), &self.given) {
            ("", _) => f.write_str(&self.problem),
            (key, None) if self.names_key() => write!(f, "{key}.{}", self.problem),
            (key, None) => write!(f, "{key}: {}", self.problem),
            (key, Some(given)) => write!(f, "{key} = {given}: {}", self.problem),
        }
    }
}

impl SettingError {
    pub(in crate::train) fn new(key: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            key: key.into(),
            given: None,
            problem: problem.to_string(),
            span: None,
        }
    }

    /// A value outside its range.
    pub(in crate::train) fn refused(
        key: impl Into<String>,
        given: impl fmt::Display,
        expected: impl fmt::Display,
    ) -> Self {
        Self {
            given: Some(excerpt(&given.to_string(), LONGEST_VALUE)),
            ..Self::new(key, format_args!("must be {expected}"))
        }
    }

    /// A network whose training diverged; `when` says in which epoch, or with which seed.
    pub(in crate::train) fn diverged(
        table: &str,
        learning_rate: f32,
        when: impl fmt::Display,
    ) -> Self {
        let less = crate::spec::tidy(learning_rate / 10.0);
        Self::refused(
            format!("{table}.learning-rate"),
            learning_rate,
            format_args!(
                "smaller: the {table}'s training diverged {when}, and left numbers that are not finite; \
                 try {less}"
            ),
        )
    }

    /// The same error of a key within this table.
    pub(super) fn within(self, table: &str) -> Self {
        let key = match self.key.as_str() {
            "" => table.to_owned(),
            key => format!("{table}.{key}"),
        };
        Self { key, ..self }
    }

    /// The same error with its place in the text that the setting was read from, if it is there.
    #[must_use]
    pub fn located(self, text: &str) -> Self {
        let span = self.span.clone().or_else(|| {
            let table = DeTable::parse(text).ok()?;
            self.places()
                .iter()
                .find_map(|key| find(table.get_ref(), key))
        });
        Self { span, ..self }
    }

    /// Whether the problem begins with the key within the table, and its value.
    fn names_key(&self) -> bool {
        let start = self.problem.split_once(": ").map_or("", |(start, _)| start);
        start
            .split_once(" = ")
            .is_some_and(|(key, _)| !key.contains(' '))
    }

    /// The problem without key and value.
    #[cfg(feature = "cli")]
    pub(crate) fn remark(&self) -> &str {
        match self.problem.split_once(": ") {
            Some((_, remark)) if self.names_key() => remark,
            _ => &self.problem,
        }
    }

    /// A loss that cannot be, by the key within its table.
    pub(crate) fn of_spec(error: &SpecError) -> Self {
        let text = error.to_string();
        let (key, problem) = key_and_problem(&text);
        Self::new(key, in_words(problem))
    }

    /// Keys that the error may be about, the likeliest first.
    pub(crate) fn places(&self) -> Vec<String> {
        let key = &self.key;
        let table = key.split('.').next().unwrap_or("");
        let word = self.problem.split([' ', '`']).next().unwrap_or("");
        let unknown = self.problem.strip_prefix("unknown key `");
        let unknown = unknown.and_then(|rest| rest.split('`').next());
        let mut places = Vec::new();
        places.extend(unknown.map(|name| format!("{key}.{name}")));
        // The parts of a loss name their parameter in the message, and one key may set both sides.
        let last = word.rsplit('.').next().unwrap_or("");
        places.push(format!("{table}.{word}"));
        places.push(format!("{table}.{last}"));
        places.push(key.clone());
        // What has a short form is written without its kind.
        places.extend(key.strip_suffix(".kind").map(str::to_owned));
        for place in &mut places {
            *place = place.trim_start_matches('.').to_owned();
        }
        places
    }
}

impl From<toml::de::Error> for SettingError {
    fn from(mut error: toml::de::Error) -> Self {
        let span = error.span();
        // Only without its text the error names the key, on a line after the message.
        error.set_input(None);
        let text = error.to_string();
        let (key, problem) = key_and_problem(&text);
        Self {
            span,
            ..Self::new(key, in_words(problem))
        }
    }
}

/// The parts of an error's text: the problem, and on the last line the key that it is about.
pub(super) fn key_and_problem(text: &str) -> (&str, &str) {
    let text = text.trim();
    let parts = text
        .strip_suffix('`')
        .and_then(|rest| rest.rsplit_once("\nin `"));
    match parts {
        Some((problem, key)) => (key, problem.trim()),
        None => ("", text),
    }
}

/// The problem in one line and without the names of Rust's types.
pub(super) fn in_words(problem: &str) -> String {
    let mut problem = problem.replace('\n', " ");
    if let Some((before, _)) = problem.split_once("expected struct ") {
        problem = format!("{before}expected a table of keys");
    }
    for (rust, plain) in [
        ("expected usize", "expected a whole number from 0 on"),
        ("expected u64", "expected a whole number from 0 on"),
        ("expected f32", "expected a number"),
        ("expected a sequence", "expected a list, such as [64, 32]"),
        ("unknown field ", "unknown key "),
        ("unknown variant ", "unknown value "),
        ("missing field ", "missing key "),
        ("integer `", "`"),
        ("floating point `", "`"),
        ("string \"", "\""),
    ] {
        problem = problem.replace(rust, plain);
    }
    if let Some(number) = too_large(&problem) {
        let number = excerpt(number, LONGEST_VALUE);
        return format!("{number} is too large: a whole number has at most 63 bits");
    }
    let typed = problem
        .strip_prefix("invalid type: ")
        .or(problem.strip_prefix("invalid value: "));
    match typed.and_then(|rest| rest.split_once(", expected ")) {
        Some((given, expected)) => {
            format!("must be {expected}, not {}", excerpt(given, LONGEST_VALUE))
        }
        None => {
            let problem = problem
                .replace(", expected one of ", ": choose one of ")
                .replace(", expected ", ": choose ");
            excerpt(&problem, LONGEST_PROBLEM)
        }
    }
}

/// A number that TOML could not read as one.
fn too_large(problem: &str) -> Option<&str> {
    let text = problem.strip_prefix("invalid type: \"")?;
    let (text, _) = text.split_once("\", expected a whole number")?;
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    (digits.len() > 18 && digits.iter().all(u8::is_ascii_digit)).then_some(text)
}

/// Where the value of a dotted key is, if the table has it.
fn find(table: &DeTable, key: &str) -> Option<Range<usize>> {
    let (name, rest) = key.split_once('.').unwrap_or((key, ""));
    let name = name.trim_matches('.');
    let (_, value) = table.iter().find(|(known, _)| known.get_ref() == name)?;
    if rest.is_empty() {
        return Some(value.span());
    }
    match value.get_ref() {
        DeValue::Table(inner) => find(inner, rest),
        // An error does not say which of several tables it is about.
        DeValue::Array(values) => values.iter().find_map(|value| match value.get_ref() {
            DeValue::Table(inner) => find(inner, rest),
            _ => None,
        }),
        _ => None,
    }
}
