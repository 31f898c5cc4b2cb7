//! Moves results to their place in one step, after they are on the disk.

use super::located::parent;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Puts a directory where there is none, or an empty one.
pub(super) fn create(new: &Path, at: &Path) -> io::Result<()> {
    if at.is_dir() {
        fs::remove_dir(at)?;
    }
    fs::rename(new, at)?;
    sync_directory(parent(at))
}

/// Replaces a directory; the old one is then where the new one was, or in `aside`. Both are whole at any
/// moment: the system exchanges them in one step, or, where it cannot, the old one waits in `aside` while
/// its place is empty.
pub(super) fn replace(new: &Path, at: &Path, aside: &Path) -> io::Result<()> {
    if !exchange(new, at)? {
        in_two_steps(new, at, aside)?;
    }
    sync_directory(parent(at))
}

fn in_two_steps(new: &Path, at: &Path, aside: &Path) -> io::Result<()> {
    fs::rename(at, aside)?;
    fs::rename(new, at).or_else(|error| {
        fs::rename(aside, at)?;
        Err(error)
    })
}

/// Exchanges two directories in one step; false where the system or the file system cannot.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Syncs a file, or a directory with all that is in it, to the disk.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return File::open(path)?.sync_all();
    }
    for entry in path.read_dir()? {
        sync(&entry?.path())?;
    }
    sync_directory(path)
}

/// Syncs the names in a directory, on systems where a directory can be opened for that.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(path)?.sync_all(),
        false => Ok(()),
    }
}

/// Whether a directory is a mount point, which cannot be exchanged with a directory beside it.
pub(super) fn is_file_system(at: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let device = |path: &Path| fs::metadata(path).map(|m| m.dev()).ok();
        device(at) != device(parent(at))
    }
    #[cfg(not(unix))]
    {
        let _ = at;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_new_change_places_with_and_without_an_exchange() {
        for with in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let [new, at, aside] = ["new", "at", "aside"].map(|name| directory.path().join(name));
            for path in [&new, &at] {
                fs::create_dir(path).unwrap();
                fs::write(
                    path.join("which"),
                    path.file_name().unwrap().as_encoded_bytes(),
                )
                .unwrap();
            }
            match with {
                true => replace(&new, &at, &aside).unwrap(),
                false => in_two_steps(&new, &at, &aside).unwrap(),
            }
            let which = |path: &Path| fs::read_to_string(path.join("which")).unwrap();
            let old = if aside.exists() { &aside } else { &new };
            assert_eq!((&which(&at)[..], &which(old)[..]), ("new", "at"));
        }
    }
}
