//! An output directory that appears whole or not at all.

use super::failure::failed;
use miette::{Report, WrapErr};
use std::path::{Path, PathBuf};
use std::{fs, io};

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

    /// The same where results are written only if somebody asked for them.
    pub(super) fn asked_for(path: Option<&Path>, force: bool) -> Result<Option<Self>, Report> {
        path.map(|path| Self::new(path, force)).transpose()
    }

    /// The directory's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Has `write` fill a hidden directory on the same file system, and then moves the results to
    /// their place at once; into a directory that exists file by file, `files` in this order.
    pub(super) fn fill(
        &self,
        files: &[impl AsRef<Path>],
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), Report> {
        self.try_fill(files, write)
            .map_err(|error| failed(error, "check permissions and free space"))
            .wrap_err_with(|| format!("cannot write the results to `{}`", self.path.display()))
    }

    fn try_fill(
        &self,
        files: &[impl AsRef<Path>],
        write: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let hidden = tempfile::Builder::new()
            .prefix(".fused-kd-")
            .tempdir_in(self.staging_place())?;
        // The hidden directory is private to its user, which the results need not be.
        let staging = hidden.path().join("results");
        fs::create_dir(&staging)?;
        write(&staging)?;
        if !self.exists {
            return fs::rename(&staging, &self.path);
        }
        files
            .iter()
            .try_for_each(|file| fs::rename(staging.join(file), self.path.join(file)))
    }

    /// Where files can be moved to their place from.
    fn staging_place(&self) -> &Path {
        if self.exists {
            return &self.path;
        }
        parent(&self.path)
    }
}

/// One file of results that does not exist yet, or that may be replaced.
pub(super) struct OutputFile(PathBuf);

impl OutputFile {
    /// Checks that there is room for the file, before any work is done for it.
    pub(super) fn new(path: &Path, force: bool) -> Result<Self, Report> {
        let name = path.display();
        match path.symlink_metadata() {
            Ok(_) if !force => Err(failed(
                format_args!("`{name}` exists already"),
                "choose another name, or replace it with --force",
            )),
            Ok(metadata) if metadata.is_dir() => Err(failed(
                format_args!("`{name}` is a directory"),
                "choose another name",
            )),
            _ if !parent(path).is_dir() => Err(failed(
                format_args!(
                    "`{}` is not a directory: no place for `{name}`",
                    parent(path).display()
                ),
                "create it first",
            )),
            _ => Ok(Self(path.to_path_buf())),
        }
    }

    /// Has `write` write a hidden file on the same file system, and then moves it to its place.
    pub(super) fn fill(&self, write: impl FnOnce(&Path) -> io::Result<()>) -> Result<(), Report> {
        let try_fill = || {
            let hidden = tempfile::Builder::new()
                .prefix(".fused-kd-")
                .tempdir_in(parent(&self.0))?;
            let staging = hidden.path().join("result");
            write(&staging)?;
            fs::rename(&staging, &self.0)
        };
        try_fill()
            .map_err(|error| failed(error, "check permissions and free space"))
            .wrap_err_with(|| format!("cannot write `{}`", self.0.display()))
    }
}

/// The directory that a path is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_on_the_way_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("out");
        let output = OutputDirectory::new(&path, false).unwrap();
        let half = |directory: &Path| {
            fs::write(directory.join("a"), "a")?;
            Err(io::Error::other("the disk is full"))
        };
        output.fill(&["a", "b"], half).unwrap_err();
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
        // Somebody else's results that came in between are not overwritten.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("theirs"), "").unwrap();
        let whole = |directory: &Path| fs::write(directory.join("a"), "a");
        output.fill(&["a"], whole).unwrap_err();
        assert_eq!(path.read_dir().unwrap().count(), 1);
        assert_eq!(parent.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn with_force_a_failure_leaves_the_old_results() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("a"), "old").unwrap();
        let output = OutputDirectory::new(parent.path(), true).unwrap();
        output
            .fill(&["a"], |_| Err(io::Error::other("the disk is full")))
            .unwrap_err();
        let a = || fs::read_to_string(parent.path().join("a")).unwrap();
        assert_eq!(a(), "old");
        output
            .fill(&["a"], |directory| fs::write(directory.join("a"), "new"))
            .unwrap();
        assert_eq!(a(), "new");
        assert_eq!(parent.path().read_dir().unwrap().count(), 1);
    }
}
