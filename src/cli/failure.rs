//! How a command ends when it does not end well.

use crate::data::{ArrayError, excerpt};
use crate::spec::SpecError;
use crate::train::SettingError;
use miette::{Report, miette};
use std::fmt::Display;

/// Why a command stops.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line asks for what has no meaning: exit status 2.
    Usage(Report),
    /// Something on the way did not work: exit status 1.
    Failed(Report),
    /// Whoever reads our output has read enough, as `head` does: no failure at all.
    ClosedPipe,
}

impl Failure {
    /// A usage error: what is wrong, and what to do about it.
    pub(super) fn usage(wrong: impl Display, remedy: impl Display) -> Self {
        Self::Usage(failed(wrong, remedy))
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Failed(report)
    }
}

impl Failure {
    /// A loss that cannot be: names the `--set` that was typed, where one is at fault.
    pub(super) fn of_settings(settings: &[String], error: &SpecError) -> Self {
        let error = SettingError::of_spec(error);
        let wrong = match typed(settings, &error) {
            Some(setting) => format!("--set {setting}: {}", error.remark()),
            None if settings.iter().any(|setting| !setting.contains('=')) => {
                format!("--set {error}")
            }
            None => error.to_string(),
        };
        // It may quote a value of any length.
        Self::usage(
            excerpt(&wrong.replace('\n', " "), 1000),
            "`fused-kd presets NAME` prints the keys of a preset and their values",
        )
    }
}

/// The last `KEY=VALUE` that an error is about.
pub(super) fn typed<'a>(settings: &'a [String], error: &SettingError) -> Option<&'a String> {
    let key = |setting: &str| {
        setting
            .split('=')
            .next()
            .map(|key| key.trim().replace('_', "-"))
    };
    let places = error.places();
    let at = |place: &String| {
        let within = format!("{place}.");
        let is_it = |setting: &&String| {
            let key = key(setting).unwrap_or_default();
            !place.is_empty() && (key == *place || key.starts_with(&within))
        };
        settings.iter().rev().find(is_it)
    };
    places.iter().find_map(at)
}

impl From<ArrayError> for Report {
    fn from(error: ArrayError) -> Self {
        failed(error.problem, error.remedy).wrap_err(format!("cannot read `{}`", error.path))
    }
}

/// An error: what is wrong, with the thing and its value, and what to do about it.
pub(super) fn failed(wrong: impl Display, remedy: impl Display) -> Report {
    miette!(help = remedy.to_string(), "{wrong}")
}
