//! Outputs never replace what the run reads.

use super::super::failure::failed;
use miette::Report;
use std::path::{Path, PathBuf};

/// Refuses a directory, which is `at`, that holds something that the run reads.
pub(super) fn check_outside(path: &Path, at: &Path, inputs: &[PathBuf]) -> Result<(), Report> {
    refuse(path, inputs, |input| input.starts_with(at))
}

/// Refuses a file that is something that the run reads.
pub(super) fn check_not_among(path: &Path, at: &Path, inputs: &[PathBuf]) -> Result<(), Report> {
    refuse(path, inputs, |input| input == at)
}

fn refuse(path: &Path, inputs: &[PathBuf], is_lost: impl Fn(&Path) -> bool) -> Result<(), Report> {
    let lost = |input: &&PathBuf| input.canonicalize().is_ok_and(|input| is_lost(&input));
    match inputs.iter().find(lost) {
        None => Ok(()),
        Some(input) => Err(failed(
            format_args!(
                "`{}` would replace `{}`, which this run reads",
                path.display(),
                input.display()
            ),
            "choose another name for the output",
        )),
    }
}
