//! The command line: one file per command. Nothing else in the crate prints.
//!
//! A command is a variant of `Command`, a `clap` struct and a function that takes it. It prints
//! through `terminal` and fails with a `Failure`.

mod arguments;
mod bench;
mod clean;
mod compare;
mod devices;
mod failure;
mod loss;
mod output;
mod predict;
mod presets;
mod progress;
mod setting;
mod terminal;
mod threads;
mod train;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use failure::Failure;
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  fused-kd compare                 train a teacher and students on real data, all methods
  fused-kd train --config run.toml --out run1
                                   one run, and the student that it trains
  fused-kd predict --model run1/student.safetensors --data csv:new.csv
                                   what the student makes of other rows
  fused-kd presets                 the published methods, with formula and source
  fused-kd presets lr              one method's parameters, the keys of --set
  fused-kd devices                 the engines that can run here
  fused-kd bench                   how near the kernels come to the memory's speed here
  fused-kd loss --preset lr --student s.npy --teacher t.npy --labels y.npy --out run1
                                   loss, gradient and per-sample scores of one batch

`fused-kd <COMMAND> --help` says more. Exit status: 0 done, 1 failed, 2 the command line is wrong.";

/// Knowledge distillation in one pass over the logits: temperature softmax, label revision,
/// divergence, gradient and selection scores.
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
