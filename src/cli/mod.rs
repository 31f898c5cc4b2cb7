//! The command line: one file per command. Nothing else in the crate prints.
//!
//! A command is a variant of `Command`, a `clap` struct and a function that takes it. It prints
//! through `terminal` and fails with a `Failure`.

mod arguments;
mod bench;
mod clean;
mod compare;
mod completions;
mod devices;
mod failure;
mod layout;
mod loss;
mod manual;
mod output;
mod predict;
mod presets;
mod progress;
mod provenance;
mod setting;
mod terminal;
mod threads;
mod train;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  fused-kd compare                     compare all methods on handwritten digits
  fused-kd compare --data csv:train.csv --out comparison1
                                       the same on your table, with a report
  fused-kd train --preset lr --out student1
                                       train one student and keep it
  fused-kd predict --model student1/student.safetensors --data csv:new.csv
                                       classify new rows with that student
  fused-kd loss --preset lr --student s.npy --teacher t.npy --labels y.npy \\
      --out loss1                      loss and gradient of a batch of logits
  fused-kd presets                     list the methods, with formula and source
  fused-kd devices                     list the engines that can run here
  fused-kd bench                       measure the kernels on this machine

Run `fused-kd COMMAND --help` for a command's options.
Exit status: 0 success, 1 failure, 2 wrong command line.";

/// Train small students by knowledge distillation, and compare distillation losses.
///
/// Each loss runs in one pass over the logits: temperature softmax, label revision, divergence,
/// gradient and selection scores.
#[derive(Parser)]
#[command(name = "fused-kd", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    // Boxed: they have many more options than the others.
    Compare(Box<compare::Arguments>),
    Train(Box<train::Arguments>),
    Predict(predict::Arguments),
    Loss(loss::Arguments),
    Presets(presets::Arguments),
    Devices(devices::Arguments),
    Bench(bench::Arguments),
    Completions(completions::Arguments),
    #[command(name = "man")]
    Manual(manual::Arguments),
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Compare(arguments) => compare::run(&arguments),
            Self::Train(arguments) => train::run(&arguments),
            Self::Predict(arguments) => predict::run(&arguments),
            Self::Loss(arguments) => loss::run(&arguments),
            Self::Presets(arguments) => presets::run(&arguments),
            Self::Devices(arguments) => devices::run(&arguments),
            Self::Bench(arguments) => bench::run(&arguments),
            Self::Completions(arguments) => completions::run(&arguments, Cli::command()),
            Self::Manual(arguments) => manual::run(&arguments, Cli::command()),
        }
    }
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    terminal::set_up();
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return terminal::explain(&error),
    };
    threads::limit();
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => terminal::fail(failure),
    }
}

/// What was typed. A negative number is the value of the option before it, and wrong by what that is.
fn parse() -> Result<Cli, clap::Error> {
    let command = Cli::command().mut_subcommands(|command| command.allow_negative_numbers(true));
    Cli::from_arg_matches(&command.try_get_matches()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
