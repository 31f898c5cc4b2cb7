//! Who may write to a place: one run at a time.

use super::super::failure::failed;
use super::located::{name, parent};
use miette::{Report, WrapErr};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{process, thread};

/// What to do about a place that cannot be written to.
pub(super) const CHECK_DISK: &str = "check permissions and free space";
/// How the hidden directories end that runs write to first.
const SUFFIX: &str = ".fused-kd";
const LOCK: &str = "lock";
/// The older run, between the two steps that replace it where the system has no exchange.
const ASIDE: &str = "old";
/// How often a lock is tried: another run may be about to write its number, or to end.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A hidden directory beside an output, locked by this process. It is removed at the end; what killed
/// runs left is removed by the next one that writes beside it.
pub(super) struct Hold {
    place: PathBuf,
    lock: Option<File>,
}

impl Hold {
    /// Takes the place of the output `path`, which is `at`, or tells which run has it.
    pub(super) fn take(path: &Path, at: &Path, command: &str) -> Result<Self, Report> {
        let place = place_of(at);
        let lock = match locked(&place) {
            Err(error) => Err(failed(error, CHECK_DISK)),
            Ok(Err(rival)) => Err(failed(
                format_args!("another run is writing there: {rival}"),
                "wait until it has ended, or choose another name",
            )),
            Ok(Ok(lock)) => {
                prepare(lock, &place, at, command).map_err(|error| failed(error, CHECK_DISK))
            }
        };
        let (name, parent) = (path.display(), parent(at));
        let lock =
            lock.wrap_err_with(|| format!("no place for `{name}` in `{}`", parent.display()))?;
        remove_leftovers(parent, &place);
        let lock = Some(lock);
        Ok(Self { place, lock })
    }

    /// A directory in which only this run writes.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Where the older run goes between the two steps that replace it; if the process is killed there,
    /// the next one moves it back.
    pub(super) fn aside(&self) -> PathBuf {
        self.place.join(ASIDE)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next run.
        let _ = clear(&self.place);
        let _ = fs::remove_file(self.place.join(LOCK));
        drop(self.lock.take());
        let _ = fs::remove_dir(&self.place);
    }
}

/// The hidden directory of an output.
fn place_of(at: &Path) -> PathBuf {
    let mut hidden = OsString::from(".");
    hidden.push(name(at));
    hidden.push(SUFFIX);
    parent(at).join(hidden)
}

/// The lock of a hidden directory, which is made if need be; or who has it.
fn locked(place: &Path) -> io::Result<Result<File, String>> {
    let path = place.join(LOCK);
    for _ in 0..ATTEMPTS {
        match opened(place, &path) {
            // Another run has just ended, and has removed the directory.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok(mut file) => match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Ok(file)),
                Ok(()) => {}
                // Without locks in the file system, nothing tells runs apart.
                Err(TryLockError::Error(_)) => return Ok(Ok(file)),
                Err(TryLockError::WouldBlock) => {
                    let rival = rival(&mut file);
                    if !rival.is_empty() {
                        return Ok(Err(rival));
                    }
                }
            },
        }
        thread::sleep(PAUSE);
    }
    Ok(Err("a process that has not written its number".to_owned()))
}

/// The file of a lock, open, in a directory that is made if need be.
fn opened(place: &Path, lock: &Path) -> io::Result<File> {
    match fs::create_dir(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if place.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        let problem = format!("`{}` is not a directory", place.display());
        return Err(io::Error::other(problem));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(lock)
}

/// Writes into a lock who has it, and brings its directory into order.
fn prepare(mut lock: File, place: &Path, at: &Path, command: &str) -> io::Result<File> {
    lock.set_len(0)?;
    write!(lock, "process {}, `fused-kd {command}`", process::id())?;
    recover(place, at)?;
    clear(place)?;
    Ok(lock)
}

/// What a lock says of the run that has it.
fn rival(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(200).read_to_string(&mut text);
    match read {
        Ok(_) => text.replace(char::is_control, ""),
        Err(_) => String::new(),
    }
}

/// Whether the file is still the one at its path.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let of = |metadata: io::Result<fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
        of(file.metadata()) == of(fs::metadata(path))
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

/// Moves the older run back that a killed process had moved aside.
fn recover(place: &Path, at: &Path) -> io::Result<()> {
    let aside = place.join(ASIDE);
    match aside.exists() && at.symlink_metadata().is_err() {
        true => fs::rename(aside, at),
        false => Ok(()),
    }
}

/// Removes everything from a hidden directory but its lock.
fn clear(place: &Path) -> io::Result<()> {
    for entry in place.read_dir()? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Removes the hidden directories of runs that are no more.
fn remove_leftovers(directory: &Path, ours: &Path) {
    let Ok(entries) = directory.read_dir() else {
        return;
    };
    for place in entries.flatten().map(|entry| entry.path()) {
        let Some(at) = output_of(&place).filter(|_| place != ours && place.is_dir()) else {
            continue;
        };
        // One without a lock is being made, or was given up at once: then it is empty.
        let Ok(lock) = OpenOptions::new().write(true).open(place.join(LOCK)) else {
            let _ = fs::remove_dir(&place);
            continue;
        };
        if lock.try_lock().is_ok() && recover(&place, &at).is_ok() {
            drop(Hold {
                place,
                lock: Some(lock),
            });
        }
    }
}

/// The output that a hidden directory is for, if it is one.
fn output_of(place: &Path) -> Option<PathBuf> {
    let hidden = name(place).to_str()?;
    let output = hidden.strip_prefix('.')?.strip_suffix(SUFFIX)?;
    (!output.is_empty()).then(|| place.with_file_name(OsStr::new(output)))
}
