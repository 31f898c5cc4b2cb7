//! `fused-kd completions`: what a shell needs to complete the command line.

use super::failure::Failure;
use super::terminal;
use clap::Command;
use clap_complete::Shell;

/// Print a script that completes this command line in your shell.
#[derive(clap::Args)]
#[command(after_help = "\
Install:
  bash  fused-kd completions bash \\
            > ~/.local/share/bash-completion/completions/fused-kd
  zsh   fused-kd completions zsh > ~/.zfunc/_fused-kd
        with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  fish  fused-kd completions fish > ~/.config/fish/completions/fused-kd.fish

Create the directory first, and open a new shell afterwards.")]
pub(super) struct Arguments {
    /// Write for this shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `program`, the whole command line.
pub(super) fn run(arguments: &Arguments, mut program: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "fused-kd", &mut script);
    terminal::print(String::from_utf8_lossy(&script).trim_end())
}
