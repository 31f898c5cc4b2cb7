//! Where an output is, and the parts of its path.

use super::super::failure::failed;
use miette::Report;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The path with a name of its own at its end, behind links.
pub(super) fn located(path: &Path) -> Result<PathBuf, Report> {
    let Ok(at) = path.canonicalize() else {
        let name = path.file_name();
        let parent = parent(path);
        return match (name, parent.canonicalize()) {
            (Some(name), Ok(parent)) if parent.is_dir() => Ok(parent.join(name)),
            _ => Err(failed(
                format_args!(
                    "`{}` is not a directory: no place for `{}`",
                    parent.display(),
                    path.display()
                ),
                "create it first, or choose another place",
            )),
        };
    };
    let is_here = env::current_dir()
        .and_then(|here| here.canonicalize())
        .is_ok_and(|here| here.starts_with(&at));
    if is_here || at.file_name().is_none() {
        return Err(failed(
            format_args!("`{}` is the directory that you are in", path.display()),
            "choose a new directory in it, such as `results`",
        ));
    }
    Ok(at)
}

/// The directory that a path is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// The name of a path that [`located`] gave.
pub(super) fn name(at: &Path) -> &OsStr {
    at.file_name().unwrap_or_default()
}
