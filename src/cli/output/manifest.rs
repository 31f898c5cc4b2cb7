//! What a run's directory says of itself, and whether it may be replaced.

use super::super::failure::failed;
use crate::report::Provenance;
use miette::Report;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const NAME: &str = "run.json";
/// More than this is not ours.
const LARGEST: u64 = 1 << 20;

/// The file `run.json` of a run's directory.
#[derive(Deserialize, Serialize)]
pub(super) struct Manifest {
    /// The command that made it, without its arguments.
    command: String,
    /// How: written for people, and not read again.
    #[serde(skip_deserializing)]
    run: Option<Provenance>,
    /// All other files, with `/` between the parts of their paths.
    files: Vec<String>,
}

impl Manifest {
    /// Of a directory that has been filled.
    pub(super) fn of(command: &str, run: Provenance, directory: &Path) -> io::Result<Self> {
        let mut files = Vec::new();
        list(directory, "", &mut files)?;
        files.sort();
        Ok(Self {
            command: command.to_owned(),
            run: Some(run),
            files,
        })
    }

    pub(super) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::write(
            directory.join(NAME),
            serde_json::to_string_pretty(self)? + "\n",
        )
    }

    /// That of a directory, if it has one.
    fn read(directory: &Path) -> Option<Self> {
        let mut text = String::new();
        let file = File::open(directory.join(NAME)).ok()?;
        file.take(LARGEST).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// The paths of everything under a directory that is not a directory itself.
fn list(directory: &Path, before: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in directory.read_dir()? {
        let entry = entry?;
        let path = format!("{before}{}", entry.file_name().to_string_lossy());
        match entry.file_type()?.is_dir() {
            true => list(&entry.path(), &format!("{path}/"), files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

/// Refuses to replace a directory that is not a run of this command, or has other files as well.
pub(super) fn check_replaceable(path: &Path, at: &Path, command: &str) -> Result<(), Report> {
    let name = path.display();
    let refused = |problem: String| {
        let remedy =
            "choose another directory; --force replaces nothing but a run of the same command";
        Err(failed(format_args!("`{name}` {problem}"), remedy))
    };
    let Some(manifest) = Manifest::read(at) else {
        return refused("holds no run of fused-kd".to_owned());
    };
    if manifest.command != command {
        let other = manifest.command.escape_debug();
        return refused(format!(
            "is a run of `fused-kd {other}`, not of `{command}`"
        ));
    }
    let mut files = Vec::new();
    if let Err(error) = list(at, "", &mut files) {
        return refused(format!("cannot be read: {error}"));
    }
    let ours = |file: &&String| *file == NAME || manifest.files.contains(file);
    match files.iter().find(|file| !ours(file)) {
        None => Ok(()),
        Some(file) => refused(format!(
            "also holds `{}`, which would be lost",
            file.escape_debug()
        )),
    }
}
