//! Files, plain or gzip, of which only so many bytes are ever read.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::DataError;
use super::error::LimitReached;

const MIB: u64 = 1 << 20;
pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// No file may hold, or unpack to, more: 4 GiB.
const MAX_BYTES: u64 = 4096 * MIB;

/// What a gzip file of `packed` bytes may unpack to: 64 MiB and 128 times its size, up to [`MAX_BYTES`].
///
/// Tables and pictures pack 3 to 50 times; the format allows 1,032 times. So a small hostile file
/// unpacks to little, and a large honest one still unpacks.
pub(super) fn unpacked_limit(packed: u64) -> u64 {
    packed
        .saturating_mul(128)
        .saturating_add(64 * MIB)
        .min(MAX_BYTES)
}

/// The name under which standard input is read.
pub(super) const STANDARD_INPUT: &str = "-";

/// The bytes of a regular file or of standard input, unpacked when the first two say gzip, whatever its
/// name; calls `on_bytes` with the number of bytes so far.
pub(super) fn open<'a>(
    path: &Path,
    on_bytes: &'a dyn Fn(u64),
) -> Result<Bounded<'a, Box<dyn Read>>, DataError> {
    let opened = try_open(path).map_err(|source| DataError::read(path, source));
    let (reader, limit) = opened?;
    Ok(Bounded::new(reader, limit).observed(on_bytes))
}

/// A reader of what a file holds, and the most bytes that are taken from it.
fn try_open(path: &Path) -> io::Result<(Box<dyn Read>, u64)> {
    if path == Path::new(STANDARD_INPUT) {
        // What is still to come has no length to be held against.
        return unpacked(BufReader::new(io::stdin()), u64::MAX);
    }
    let metadata = fs::metadata(path)?;
    // A pipe could block for ever, a device never ends.
    if !metadata.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a regular file",
        ));
    }
    unpacked(BufReader::new(File::open(path)?), metadata.len())
}

fn unpacked(mut file: impl BufRead + 'static, length: u64) -> io::Result<(Box<dyn Read>, u64)> {
    if file.fill_buf()?.starts_with(&GZIP_MAGIC) {
        Ok((Box::new(MultiGzDecoder::new(file)), unpacked_limit(length)))
    } else {
        Ok((Box::new(file), MAX_BYTES))
    }
}

/// A reader that fails, instead of ending, once it has given more than `limit` bytes.
pub(super) struct Bounded<'a, R> {
    /// One byte more than the limit: when that too is used up, the limit is passed.
    inner: Take<R>,
    limit: u64,
    on_bytes: &'a dyn Fn(u64),
}

impl<R: Read> Bounded<'static, R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner: inner.take(limit.saturating_add(1)),
            limit,
            on_bytes: &|_| {},
        }
    }
}

impl<R> Bounded<'_, R> {
    /// Calls `on_bytes` with the number of bytes so far, after each read.
    fn observed(self, on_bytes: &dyn Fn(u64)) -> Bounded<'_, R> {
        Bounded {
            inner: self.inner,
            limit: self.limit,
            on_bytes,
        }
    }
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.on_bytes)(self.limit.saturating_add(1) - self.inner.limit());
        if self.inner.limit() == 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                LimitReached(self.limit),
            ));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_last_length_that_is_accepted() {
        let mut read = Vec::new();
        let count = Bounded::new(&[7u8; 100][..], 100).read_to_end(&mut read);
        assert_eq!(count.unwrap(), 100);
        let error = Bounded::new(&[7u8; 101][..], 100).read_to_end(&mut read);
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_small_gzip_file_unpacks_to_little() {
        assert_eq!(unpacked_limit(0), 64 * MIB);
        assert_eq!(unpacked_limit(MIB), 192 * MIB);
        assert_eq!(unpacked_limit(u64::MAX), MAX_BYTES);
    }
}
