//! `fused-kd man`: manual pages.

use super::failure::{Failure, failed};
use super::terminal;
use clap::Command;
use clap_mangen::Man;
use miette::WrapErr;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Write the manual pages.
#[derive(clap::Args)]
#[command(after_help = "\
Without DIR, print the page of `fused-kd`. With DIR, write a page for each
command; pages that exist are replaced.

Examples:
  fused-kd man ~/.local/share/man/man1
  man fused-kd-compare
  fused-kd man > fused-kd.1")]
pub(super) struct Arguments {
    /// Write all pages to this directory, and create it if necessary.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Writes the pages of `program`, the whole command line.
pub(super) fn run(arguments: &Arguments, program: Command) -> Result<(), Failure> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    match &arguments.directory {
        None => {
            let page = page(program).map_err(|error| failed(error, "report this"))?;
            terminal::print(page.trim_end())
        }
        Some(directory) => Ok(write(&program, directory)
            .map_err(|error| failed(error, "check permissions and free space"))
            .wrap_err_with(|| format!("cannot write to `{}`", directory.display()))?),
    }
}

fn write(command: &Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for command in std::iter::once(command).chain(command.get_subcommands()) {
        let name = Man::new(command.clone()).get_filename();
        fs::write(directory.join(name), page(command.clone())?)?;
    }
    Ok(())
}

/// The page of a command. Its examples and tables keep their lines.
fn page(command: Command) -> io::Result<String> {
    let mut page = Vec::new();
    let source = concat!("fused-kd ", env!("CARGO_PKG_VERSION"));
    Man::new(command).source(source).render(&mut page)?;
    let page = String::from_utf8_lossy(&page).into_owned();
    Ok(match page.split_once(".SH EXTRA\n") {
        None => page,
        Some((before, after)) => {
            let (notes, rest) = after.split_once("\n.SH ").unwrap_or((after, ""));
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!(".SH {rest}")
            };
            format!("{before}.SH NOTES\n.nf\n{}\n.fi\n{rest}", notes.trim_end())
        }
    })
}
