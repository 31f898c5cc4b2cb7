//! An output directory that appears whole or not at all.

use super::failure::failed;
use miette::{IntoDiagnostic, Report, WrapErr};
use std::fs;
use std::path::{Path, PathBuf};

/// A directory of results that does not exist yet, or whose files may be replaced.
pub(super) struct OutputDirectory {
    path: PathBuf,
    exists: bool,
}

impl OutputDirectory {
    /// Checks that there is room for the directory, before any work is done for it. With `force` it
    /// may exist: then its files of the same names are replaced one by one, and others stay.
    pub(super) fn new(path: &Path, force: bool) -> Result<Self, Report> {
        let exists = path.symlink_metadata().is_ok();
        let name = path.display();
        if exists && !force {
            return Err(failed(
                format_args!("`{name}` exists already"),
                "choose another directory, or replace the results in it with --force",
            ));
        }
        if exists && !path.is_dir() {
            return Err(failed(
                format_args!("`{name}` is not a directory"),
                "choose another one",
            ));
        }
        let output = Self {
            path: path.to_path_buf(),
            exists,
        };
        let beside = output.staging_place();
        if !beside.is_dir() {
            return Err(failed(
                format_args!(
                    "`{}` is not a directory: no place for `{name}`",
                    beside.display()
                ),
                "create it first",
            ));
        }
        Ok(output)
    }

    /// The directory's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has `write` fill a hidden directory on the same file system, and then moves the results to
    /// their place at once; into a directory that exists file by file, `files` in this order.
    pub(super) fn fill(
        &self,
        files: &[&str],
        write: impl FnOnce(&Path) -> Result<(), Report>,
    ) -> Result<(), Report> {
        let hidden = tempfile::Builder::new()
            .prefix(".fused-kd-")
            .tempdir_in(self.staging_place());
        let hidden = hidden
            .into_diagnostic()
            .wrap_err_with(|| self.unwritable())?;
        // The hidden directory is private to its user, which the results need not be.
        let staging = hidden.path().join("results");
        fs::create_dir(&staging)
            .into_diagnostic()
            .wrap_err_with(|| self.unwritable())?;
        write(&staging).wrap_err_with(|| self.unwritable())?;
        let moved = if self.exists {
            files
                .iter()
                .try_for_each(|file| fs::rename(staging.join(file), self.path.join(file)))
        } else {
            fs::rename(&staging, &self.path)
        };
        moved.into_diagnostic().wrap_err_with(|| self.unwritable())
    }

    /// Where files can be moved to their place from.
    fn staging_place(&self) -> &Path {
        if self.exists {
            return &self.path;
        }
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    fn unwritable(&self) -> String {
        format!("cannot write the results to `{}`", self.path.display())
    }
}
