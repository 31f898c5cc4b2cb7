//! The bytes of one member.

use super::directory::{Entry, SAVE};
use super::fields::Fields;
use crate::data::array::error::Problem;
use crate::data::array::shape::Available;
use crate::data::array::source::{invalid, read_exactly};
use crate::data::bounded::unpacked_limit;
use crate::data::text;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Bits of the flags: encrypted, in the usual and in the strong way.
const ENCRYPTED: u16 = 1 | 1 << 6;
const RECORD_LENGTH: u64 = 30;

/// A member that is being read, and fails where it contradicts the directory.
pub(in crate::data::array) struct Member {
    bytes: Box<dyn Read>,
    available: Available,
    left: u64,
    seen: Crc,
    expected: u32,
}

/// Members end where the directory starts.
pub(super) fn open(mut file: File, entry: &Entry, end: u64) -> Result<Member, Problem> {
    check_readable(entry)?;
    let start = start(&mut file, entry, end)?;
    file.seek(SeekFrom::Start(start))?;
    let packed = BufReader::new(file).take(entry.packed);
    let (bytes, available): (Box<dyn Read>, _) = match entry.method {
        DEFLATED => (
            Box::new(DeflateDecoder::new(packed)),
            Available::Unpacked(entry.unpacked),
        ),
        _ => (Box::new(packed), Available::Stored(entry.unpacked)),
    };
    Ok(Member {
        bytes,
        available,
        left: entry.unpacked,
        seen: Crc::new(),
        expected: entry.crc,
    })
}

/// What the directory alone tells to be no use.
fn check_readable(entry: &Entry) -> Result<(), Problem> {
    let name = text::name(&entry.name);
    let Entry {
        packed, unpacked, ..
    } = *entry;
    let refused = |problem: String| Err(Problem::new(problem, SAVE));
    if entry.flags & ENCRYPTED != 0 {
        return refused(format!("{name} is encrypted"));
    }
    match entry.method {
        STORED if packed != unpacked => Err(Problem::damaged(format_args!(
            "{name} is stored in {packed} bytes, but has {unpacked}"
        ))),
        DEFLATED if unpacked > unpacked_limit(packed) => refused(format!(
            "{name} unpacks from {packed} to {unpacked} bytes, more than the {} that are accepted",
            unpacked_limit(packed)
        )),
        STORED | DEFLATED => Ok(()),
        method => refused(format!(
            "{name} is packed with {}, not stored or deflated",
            method_name(method)
        )),
    }
}

fn method_name(method: u16) -> String {
    let name = match method {
        9 => "deflate64",
        12 => "bzip2",
        14 => "LZMA",
        93 => "Zstandard",
        95 => "XZ",
        other => return format!("method {other}"),
    };
    name.to_owned()
}

/// Where the packed bytes start, behind a record that repeats what the directory says.
fn start(file: &mut File, entry: &Entry, end: u64) -> Result<u64, Problem> {
    let outside = || {
        let name = text::name(&entry.name);
        Problem::damaged(format_args!("{name} reaches into the directory or beyond"))
    };
    let after = entry.offset.checked_add(RECORD_LENGTH);
    let after = after.filter(|&after| after <= end).ok_or_else(outside)?;
    file.seek(SeekFrom::Start(entry.offset))?;
    let record = read_exactly(file, RECORD_LENGTH)?;
    let mut fields = Fields(&record);
    fields.expect(
        b"PK\x03\x04",
        &format!("the record of {}", text::name(&entry.name)),
    )?;
    fields.bytes(2)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    // Time, date and numbers, which may be left to the directory.
    fields.bytes(16)?;
    let (name, extra) = (fields.u16()?, fields.u16()?);
    let start = after + u64::from(name) + u64::from(extra);
    let behind = start
        .checked_add(entry.packed)
        .filter(|&behind| behind <= end);
    behind.ok_or_else(outside)?;
    let name = read_exactly(file, name.into())?;
    let same = method == entry.method
        && (flags ^ entry.flags) & ENCRYPTED == 0
        && String::from_utf8_lossy(&name) == entry.name;
    match same {
        true => Ok(start),
        false => Err(Problem::damaged(format_args!(
            "the record of {} says something else than the directory",
            text::name(&entry.name)
        ))),
    }
}

impl Member {
    /// How much it holds.
    pub(in crate::data::array) fn available(&self) -> Available {
        self.available
    }

    fn check_end(&mut self) -> io::Result<usize> {
        if self.bytes.read(&mut [0])? > 0 {
            return Err(invalid(
                "it unpacks to more bytes than the archive's directory says",
            ));
        }
        match self.seen.sum() == self.expected {
            true => Ok(0),
            false => Err(invalid("its checksum (CRC-32) is wrong")),
        }
    }
}

impl Read for Member {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !buffer.is_empty() {
            return self.check_end();
        }
        let most = self.left.min(buffer.len() as u64) as usize;
        let count = self.bytes.read(&mut buffer[..most])?;
        if count == 0 && most > 0 {
            return Err(invalid(
                "it unpacks to fewer bytes than the archive's directory says",
            ));
        }
        self.seen.update(&buffer[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}
