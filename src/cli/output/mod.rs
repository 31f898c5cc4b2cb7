//! Outputs that appear as a whole or not at all. A run locks the place of its output before it begins to
//! work, and replaces nothing but what it is asked to replace.

mod hold;
mod inputs;
mod located;
mod manifest;
mod place;

use super::failure::failed;
use super::provenance::Started;
use hold::{CHECK_DISK, Hold};
use located::{located, parent};
use manifest::Manifest;
use miette::{Report, WrapErr};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A directory for one run's results.
pub(super) struct OutputDirectory {
    /// As it was given.
    path: PathBuf,
    /// Where it is.
    at: PathBuf,
    command: &'static str,
    /// Whether there are results of an older run to replace.
    replaces: bool,
    started: Started,
    hold: Hold,
}

impl OutputDirectory {
    /// Locks the directory for a run of `command`, before the run begins to work. With `force` it may hold
    /// an older run of the same command, which is replaced as a whole. It must hold none of the `inputs`.
    pub(super) fn hold(
        path: &Path,
        force: bool,
        command: &'static str,
        inputs: &[PathBuf],
    ) -> Result<Self, Report> {
        let at = located(path)?;
        let replaces = check_contents(path, &at, force, command)?;
        inputs::check_outside(path, &at, inputs)?;
        Ok(Self {
            hold: Hold::take(path, &at, command)?,
            path: path.to_path_buf(),
            at,
            command,
            replaces,
            started: Started::now(),
        })
    }

    /// The same where results are written only if somebody asked for them.
    pub(super) fn asked_for(
        path: Option<&Path>,
        force: bool,
        command: &'static str,
        inputs: &[PathBuf],
    ) -> Result<Option<Self>, Report> {
        path.map(|path| Self::hold(path, force, command, inputs))
            .transpose()
    }

    /// The directory's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Lets `write` fill a hidden directory on the same file system, syncs it to the disk, and moves it to
    /// its place in one step.
    pub(super) fn fill(&self, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Report> {
        let results = self.hold.place().join("results");
        let make = || {
            fs::create_dir(&results)?;
            write(&results)?;
            Manifest::of(self.command, self.started.finish(), &results)?.write(&results)?;
            place::sync(&results)
        };
        make()
            .map_err(|error| failed(error, CHECK_DISK))
            .and_then(|()| self.place(&results))
            .wrap_err_with(|| format!("cannot write the results to `{}`", self.path.display()))
    }

    fn place(&self, results: &Path) -> Result<(), Report> {
        let placed = match self.replaces {
            true => place::replace(results, &self.at, &self.hold.aside()),
            false => place::create(results, &self.at),
        };
        placed.map_err(|error| {
            // Another program took the name in the meantime: the results are kept under a free one.
            let mut other = self.at.clone().into_os_string();
            other.push(format!("-{}", std::process::id()));
            match fs::rename(results, &other) {
                Ok(()) => failed(error, format!("the results are in `{}`", other.display())),
                Err(_) => failed(error, CHECK_DISK),
            }
        })
    }
}

/// Whether there are results to replace; refuses what must not be replaced.
fn check_contents(
    path: &Path,
    at: &Path,
    force: bool,
    command: &'static str,
) -> Result<bool, Report> {
    let name = path.display();
    let Ok(metadata) = at.symlink_metadata() else {
        return Ok(false);
    };
    if !metadata.is_dir() {
        return Err(failed(
            format_args!("`{name}` exists already, and is not a directory"),
            "choose another name",
        ));
    }
    let is_empty = at
        .read_dir()
        .is_ok_and(|mut entries| entries.next().is_none());
    if !is_empty && !force {
        return Err(failed(
            format_args!("`{name}` exists already"),
            "choose another directory, or replace the run in it with --force",
        ));
    }
    if place::is_file_system(at) {
        return Err(failed(
            format_args!(
                "`{name}` is a file system of its own, which cannot be replaced as a whole"
            ),
            format_args!(
                "choose a directory in it, such as `{}`",
                path.join("results").display()
            ),
        ));
    }
    if !is_empty {
        manifest::check_replaceable(path, at, command)?;
    }
    Ok(!is_empty)
}

/// One file of results.
pub(super) struct OutputFile {
    path: PathBuf,
    at: PathBuf,
    hold: Hold,
}

impl OutputFile {
    /// Locks the file, before the run begins to work. With `force` it may exist. It must be none of the
    /// `inputs`.
    pub(super) fn hold(
        path: &Path,
        force: bool,
        command: &'static str,
        inputs: &[PathBuf],
    ) -> Result<Self, Report> {
        let name = path.display();
        match path.symlink_metadata() {
            Ok(_) if !force => {
                return Err(failed(
                    format_args!("`{name}` exists already"),
                    "choose another name, or replace it with --force",
                ));
            }
            // Neither a directory nor a device is replaced.
            Ok(_) if !path.is_file() => {
                return Err(failed(
                    format_args!("`{name}` is not a regular file"),
                    "choose another name; --format prints results for programs",
                ));
            }
            _ => {}
        }
        let at = located(path)?;
        inputs::check_not_among(path, &at, inputs)?;
        Ok(Self {
            hold: Hold::take(path, &at, command)?,
            path: path.to_path_buf(),
            at,
        })
    }

    /// Lets `write` write a hidden file on the same file system, syncs it to the disk, and moves it to its
    /// place.
    pub(super) fn fill(&self, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Report> {
        let result = self.hold.place().join("result");
        let fill = || {
            write(&result)?;
            place::sync(&result)?;
            fs::rename(&result, &self.at)?;
            place::sync_directory(parent(&self.at))
        };
        fill()
            .map_err(|error| failed(error, CHECK_DISK))
            .wrap_err_with(|| format!("cannot write `{}`", self.path.display()))
    }

    /// Whether a path leads to the same file.
    pub(super) fn is(&self, path: &Path) -> bool {
        located(path).is_ok_and(|at| at == self.at)
    }
}

#[cfg(test)]
mod tests;
