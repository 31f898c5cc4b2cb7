//! Who may write to a place: one run at a time.

use super::super::failure::failed;
use super::{CHECK_DISK, name, parent};
use miette::Report;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{process, thread};

/// How the hidden directories end that runs write to first.
const SUFFIX: &str = ".fused-kd";
const LOCK: &str = "lock";
/// Results that had to leave their place before others could take it.
const ASIDE: &str = "old";
/// A rival may be about to say who it is, or to be gone.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// A hidden directory beside an output, locked by this process. It is removed at the end; what killed
/// runs left is removed by the next one that writes beside it.
pub(super) struct Hold {
    place: PathBuf,
    lock: Option<File>,
}

impl Hold {
    /// Takes the place of `at`, or tells which run has it.
    pub(super) fn take(at: &Path, command: &str) -> Result<Self, Report> {
        let place = place_of(at);
        let mut lock = locked(&place)
            .map_err(|error| failed(error, CHECK_DISK))?
            .map_err(|rival| {
                failed(
                    format_args!("another run is writing there: {rival}"),
                    "wait until it has ended, or choose another name",
                )
            })?;
        let mut prepare = || {
            lock.set_len(0)?;
            write!(lock, "process {}, `fused-kd {command}`", process::id())?;
            recover(&place, at)?;
            clear(&place)
        };
        prepare().map_err(|error| failed(error, CHECK_DISK))?;
        remove_leftovers(parent(at), &place);
        let lock = Some(lock);
        Ok(Self { place, lock })
    }

    /// A directory that is this run's alone.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// Where results go that leave their place: that they are there says that others were about to take
    /// it.
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
    for attempt in 1.. {
        match fs::create_dir(place) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if place.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(io::Error::other(format!(
                "`{}` is not a directory",
                place.display()
            )));
        }
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        match opened {
            // Another run has just ended, and has taken the directory with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
            Ok(mut file) => match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let rival = rival(&mut file);
                    if !rival.is_empty() || attempt >= ATTEMPTS {
                        return Ok(Err(rival));
                    }
                    thread::sleep(PAUSE);
                }
                // Where a file system has no locks, nothing tells runs apart.
                Err(TryLockError::Error(_)) => return Ok(Ok(file)),
                Ok(()) if is_at(&file, &path) || attempt >= ATTEMPTS => return Ok(Ok(file)),
                Ok(()) => {}
            },
        }
    }
    unreachable!("attempts end above")
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

/// Takes back results that a killed run had set aside without putting its own in their place.
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
