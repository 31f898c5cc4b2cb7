//! What can be wrong with an array.

use std::fmt::Display;
use std::io;

/// What to do about a file that contradicts itself.
const DAMAGED: &str = "the file is truncated or damaged: write it again";

/// Why an array could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`: {problem}")]
pub(crate) struct ArrayError {
    /// The file, and the array in it, as they were given.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// An error whose reader does not know the path as it was given.
#[derive(Debug)]
pub(super) struct Problem {
    problem: String,
    remedy: String,
}

impl Problem {
    pub(super) fn new(problem: impl Display, remedy: impl Display) -> Self {
        Self {
            problem: problem.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// A file that contradicts itself.
    pub(super) fn damaged(problem: impl Display) -> Self {
        Self::new(problem, DAMAGED)
    }

    /// The error of the array at `path`, as it was given.
    pub(super) fn at(self, path: impl Display) -> ArrayError {
        let Self { problem, remedy } = self;
        ArrayError {
            path: path.to_string(),
            problem,
            remedy,
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, InvalidData, InvalidInput, UnexpectedEof};
        match error.kind() {
            InvalidData | InvalidInput | UnexpectedEof => Self::damaged(error),
            FileTooLarge => Self::new(
                format_args!("it unpacks to {error}"),
                "unpack the file: it is packed unusually tightly",
            ),
            _ => Self::new(
                error,
                "check that it is the right path, and a file that may be read",
            ),
        }
    }
}
