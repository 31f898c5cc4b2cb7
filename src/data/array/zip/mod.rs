//! Zip archives, as far as npz files need them: members that are stored or deflated, with sizes of 64
//! bits.
//!
//! A reader of its own, so that what the directory claims is held against the length of the file, and
//! what a member unpacks to against the directory; twice the same name, which others read in
//! different ways, is refused.

mod directory;
mod fields;
mod member;

use super::error::Problem;
use crate::data::text;
use directory::Directory;
use member::Member;
use std::fs::File;

/// An archive whose directory has been read.
pub(super) struct Archive {
    file: File,
    directory: Directory,
}

impl Archive {
    /// Reads the directory of a file of this length.
    pub(super) fn open(mut file: File, length: u64) -> Result<Self, Problem> {
        let directory = Directory::read(&mut file, length)?;
        Ok(Self { file, directory })
    }

    /// The members' names, as the archive orders them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.directory
            .entries
            .iter()
            .map(|entry| entry.name.as_str())
    }

    /// The bytes of a member, which fail where they contradict the directory.
    pub(super) fn member(self, name: &str) -> Result<Member, Problem> {
        let Directory { entries, start } = self.directory;
        match entries.into_iter().find(|entry| entry.name == name) {
            Some(entry) => member::open(self.file, &entry, start),
            None => Err(Problem::damaged(format_args!(
                "it lacks {}",
                text::name(name)
            ))),
        }
    }
}
