//! Standard output for results, standard error for everything else.

use super::clean;
use super::failure::{Failure, failed};
use crate::auto::{Choice, EngineName};
use miette::{IntoDiagnostic, MietteHandlerOpts, WrapErr};
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

/// How errors look. Only a terminal gets them in lines of its width: programs search for words.
pub(super) fn set_up() {
    let _ = miette::set_hook(Box::new(|_| {
        let lines = io::stderr().is_terminal();
        Box::new(MietteHandlerOpts::new().wrap_lines(lines).build())
    }));
}

/// Prints a result for people and ends the line.
pub(super) fn print(text: impl Display) -> Result<(), Failure> {
    write(&clean::text(&text.to_string()))
}

/// Prints a result for programs, which are given marks of direction as they are; a terminal is not.
pub(super) fn print_data(text: &str) -> Result<(), Failure> {
    match io::stdout().is_terminal() {
        true => print(text),
        false => write(&clean::data(text)),
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ClosedPipe),
        written => Ok(written
            .into_diagnostic()
            .wrap_err("cannot write to standard output")?),
    }
}

/// Prints a result as JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    write(&clean::json(
        serde_json::to_string_pretty(value).into_diagnostic()?,
    ))
}

/// Says what the user may want to know.
pub(super) fn note(text: impl Display) {
    to_stderr(format_args!("note: {text}"));
}

/// Says how far a command is.
pub(super) fn progress(text: impl Display) {
    to_stderr(format_args!("progress: {text}"));
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
    let text = error.render().to_string();
    match clean::text(&text) {
        // With colours. There is nobody to tell when this cannot be printed.
        Cow::Borrowed(_) => drop(error.print()),
        Cow::Owned(clean) => to_stderr(clean.trim_end()),
    }
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
    // With colours, which are not for cleaning.
    let _ = writeln!(io::stderr(), "{:?}", clean::report(report));
    ExitCode::from(code)
}

/// A failing standard error leaves nobody to tell.
fn to_stderr(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", clean::text(&text.to_string()));
}
