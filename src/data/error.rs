//! What can be wrong with data.

use std::io;
use std::path::{Path, PathBuf};

/// Why data could not be read, split or prepared.
///
/// The message names the file, the place in it, the value that was found and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The name of a data source could not be understood.
    #[error(
        "`{given}` is not a data source: {problem}; write `digits`, \
         `csv:TRAIN[,TEST][?label=NAME&header=yes|no&separator=…]`, `idx:DIRECTORY` or \
         `synthetic:rows=4000,classes=20,dim=32,groups=5,spread=1,seed=0` (every key is optional)"
    )]
    Source {
        /// What was written.
        given: String,
        /// The part that is wrong.
        problem: String,
    },
    /// A teacher's file that does not fit the data, or cannot be read.
    #[error("teacher `{file}`: {problem}")]
    Teacher {
        /// The file, or both.
        file: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },
    /// A file could not be opened, read to its end or unpacked; the source says why.
    #[error("cannot read `{}`: check that it is the right path and a complete, regular file", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system, or the unpacking, reported.
        source: io::Error,
    },
    /// A file holds, or unpacks to, more bytes than are accepted.
    #[error(
        "`{}` holds more than {limit} bytes (unpacked, if it is a gzip file): \
         take fewer rows, or unpack a file that is packed unusually tightly",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that are accepted of it.
        limit: u64,
    },
    /// A table without a row of data.
    #[error("`{}` holds no rows of numbers", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A row of a table has the wrong shape.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line on which the row ends, counted from 1.
        line: u64,
        /// What is wrong with the row.
        problem: String,
    },
    /// A cell of a table does not hold what it should.
    #[error("`{}`, line {line}, column {column}: `{value}` {problem}", path.display())]
    Cell {
        /// The file.
        path: PathBuf,
        /// Line on which the row ends, counted from 1.
        line: u64,
        /// Column, counted from 1.
        column: usize,
        /// What the cell holds; a long text is cut short.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A binary file breaks its format.
    #[error("`{}`, byte {offset}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Offset from the start of the unpacked file.
        offset: u64,
        /// What is wrong there.
        problem: String,
    },
    /// A directory lacks a file that belongs there.
    #[error("`{}` lacks {missing}, plain or with `.gz`", directory.display())]
    Missing {
        /// The directory.
        directory: PathBuf,
        /// What was looked for.
        missing: String,
    },
    /// The parts of a data set contradict each other.
    #[error("data set `{name}`: {problem}")]
    Dataset {
        /// The data set.
        name: String,
        /// The contradiction.
        problem: String,
    },
    /// An argument is outside of what the function accepts.
    #[error("{argument} is {given}: {expected}")]
    Argument {
        /// The argument's name.
        argument: &'static str,
        /// Its value.
        given: String,
        /// What would be right.
        expected: String,
    },
}

impl DataError {
    /// The error for a failed read of `path`.
    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        let limit = source.get_ref().and_then(|inner| inner.downcast_ref());
        match limit {
            Some(&LimitReached(limit)) => Self::TooLarge { path, limit },
            None => Self::Read { path, source },
        }
    }

    pub(super) fn argument(
        argument: &'static str,
        given: impl ToString,
        expected: impl Into<String>,
    ) -> Self {
        Self::Argument {
            argument,
            given: given.to_string(),
            expected: expected.into(),
        }
    }
}

/// Travels inside an [`io::Error`] through readers that know nothing of [`DataError`].
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
pub(super) struct LimitReached(pub(super) u64);
