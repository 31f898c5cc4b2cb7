//! How a command ends when it does not end well.

use crate::data::{ArrayError, excerpt};
use crate::spec::SpecError;
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

/// Settings are part of the command line.
impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Self {
        // It may quote a value of any length.
        let text = error.to_string().replace('\n', " ");
        Self::usage(
            excerpt(&text, 1000),
            "`fused-kd presets NAME` prints the keys of a preset and their values",
        )
    }
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
