//! The bytes of an array's values.

use super::error::Problem;
use super::shape::Available;
use std::io::{self, Read};

/// The bytes from the first value on.
pub(super) struct Source {
    bytes: Box<dyn Read>,
    /// Whether memory for all values may be asked for at once: they lie in the file.
    pub(super) is_stored: bool,
}

impl Source {
    pub(super) fn new(bytes: impl Read + 'static, available: Available) -> Self {
        Self {
            bytes: Box::new(bytes),
            is_stored: matches!(available, Available::Stored(_)),
        }
    }

    /// Asks for a byte behind the last value. A packed source checks itself when it ends.
    pub(super) fn expect_end(&mut self) -> io::Result<()> {
        match self.bytes.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(invalid("more bytes follow than its header promises")),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

/// The error of bytes that contradict their header.
pub(super) fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// So many bytes, which the caller knows to be in the file.
pub(super) fn read_exactly(file: &mut impl Read, count: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let read = file.take(count).read_to_end(&mut bytes)?;
    match read as u64 == count {
        true => Ok(bytes),
        false => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}
