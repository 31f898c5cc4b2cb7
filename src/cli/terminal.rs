//! Standard output for results, standard error for everything else.

use super::failure::{Failure, failed};
use crate::auto::{Choice, EngineName};
use indicatif::{ProgressBar, ProgressStyle};
use miette::{IntoDiagnostic, MietteHandlerOpts, WrapErr};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

/// How errors look. Only a terminal gets them in lines of its width: programs search for words.
pub(super) fn set_up() {
    let _ = miette::set_hook(Box::new(|_| {
        let lines = io::stderr().is_terminal();
        Box::new(MietteHandlerOpts::new().wrap_lines(lines).build())
    }));
}

/// Prints a result and ends the line.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        written => Ok(written
            .into_diagnostic()
            .wrap_err("cannot write to standard output")?),
    }
}

/// Prints a result for programs.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(value).into_diagnostic()?)
}

/// How far the reading of a long file is, on a terminal; nothing anywhere else.
#[derive(Default)]
pub(super) struct Reading(OnceLock<ProgressBar>);

impl Reading {
    /// Below so many bytes nobody has to wait.
    const LONG: u64 = 1 << 24;

    pub(super) fn show(&self, bytes: u64) {
        if bytes < Self::LONG {
            return;
        }
        let bar = self.0.get_or_init(|| {
            let style = ProgressStyle::with_template("reading, {bytes} so far, {elapsed}");
            let bar = ProgressBar::new_spinner();
            match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        bar.set_position(bytes);
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}

/// Says what the user may want to know.
pub(super) fn note(text: impl Display) {
    to_stderr(format_args!("note: {text}"));
}

/// The engine that runs; says so where that was not the user's own choice.
pub(super) fn chosen(engine: EngineName) -> Result<Choice, Failure> {
    let choice = engine
        .resolve()
        .map_err(|error| failed(error, "`fused-kd devices` says which engines can run here"))?;
    if engine == EngineName::Auto {
        note(format_args!(
            "engine auto: {}: {}",
            choice.engine, choice.why
        ));
    }
    Ok(choice)
}

/// Says what is legal and yet probably not meant.
pub(super) fn warn(text: impl Display) {
    to_stderr(format_args!("warning: {text}"));
}

/// Prints what `clap` has to say: help, the version, or what is wrong with the arguments.
pub(super) fn explain(error: &clap::Error) -> ExitCode {
    // There is nobody to tell when this cannot be printed.
    let _ = error.print();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(2),
    }
}

/// Prints why a command stopped, with all its causes; gives the exit status.
pub(super) fn fail(failure: Failure) -> ExitCode {
    let (report, code) = match failure {
        Failure::ClosedPipe => return ExitCode::SUCCESS,
        Failure::Usage(report) => (report, 2),
        Failure::Failed(report) => (report, 1),
    };
    to_stderr(format_args!("{report:?}"));
    ExitCode::from(code)
}

/// A failing standard error leaves nobody to tell.
fn to_stderr(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
