//! `fused-kd completions`: what a shell needs to complete the command line.

use super::failure::Failure;
use super::terminal;
use clap::CommandFactory;
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

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut command = super::Cli::command();
    clap_complete::generate(arguments.shell, &mut command, "fused-kd", &mut script);
    terminal::print(String::from_utf8_lossy(&script).trim_end())
}
