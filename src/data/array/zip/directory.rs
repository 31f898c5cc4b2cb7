//! The directory at an archive's end.

use super::fields::Fields;
use crate::data::array::error::Problem;
use crate::data::array::source::read_exactly;
use crate::data::text;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// What to do about an archive that is of no use.
pub(super) const SAVE: &str = "save arrays with numpy.savez";

/// The record that ends an archive has these bytes, and a comment.
const END_LENGTH: u64 = 22;
const LONGEST_COMMENT: u64 = 65_535;
const LOCATOR_LENGTH: u64 = 20;
const WIDE_END_LENGTH: u64 = 56;
/// Available for a million members with long names.
const LARGEST_DIRECTORY: u64 = 64 << 20;

/// What stands in a field of 32 bits whose number is given with 64 bits elsewhere.
const WIDE: u32 = u32::MAX;
/// The extra field with numbers of 64 bits.
const WIDE_FIELD: u16 = 1;

pub(super) struct Directory {
    pub(super) entries: Vec<Entry>,
    /// Where it starts, and members have ended.
    pub(super) start: u64,
}

/// What the directory says of a member.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    /// Bytes in the file.
    pub(super) packed: u64,
    /// Bytes that these unpack to.
    pub(super) unpacked: u64,
    /// Where its record starts.
    pub(super) offset: u64,
}

/// Where the directory is.
struct Place {
    count: u64,
    start: u64,
    length: u64,
    /// Where the records behind it start.
    end: u64,
}

impl Directory {
    pub(super) fn read(file: &mut File, length: u64) -> Result<Self, Problem> {
        let Place {
            count,
            start,
            length,
            end,
        } = place(file, length)?;
        if start.checked_add(length).is_none_or(|after| after > end) {
            return Err(Problem::damaged("its directory reaches beyond its end"));
        }
        if length > LARGEST_DIRECTORY {
            return Err(Problem::new(
                format_args!("its directory has {length} bytes, more than {LARGEST_DIRECTORY}"),
                SAVE,
            ));
        }
        file.seek(SeekFrom::Start(start))?;
        let bytes = read_exactly(file, length)?;
        let mut fields = Fields(&bytes);
        let mut entries = Vec::new();
        while !fields.0.is_empty() {
            entries.push(entry(&mut fields)?);
        }
        let found = entries.len();
        if found as u64 != count {
            return Err(Problem::damaged(format_args!(
                "its end promises {count} members, but its directory has {found}"
            )));
        }
        check_distinct(&entries)?;
        Ok(Self { entries, start })
    }
}

fn check_distinct(entries: &[Entry]) -> Result<(), Problem> {
    let mut names = BTreeSet::new();
    match entries.iter().find(|entry| !names.insert(&entry.name)) {
        None => Ok(()),
        Some(Entry { name, .. }) => Err(Problem::new(
            format_args!("it has {} twice", text::name(name)),
            SAVE,
        )),
    }
}

/// Finds the directory through the record at the end of the file.
fn place(file: &mut File, length: u64) -> Result<Place, Problem> {
    let tail_length = length.min(END_LENGTH + LONGEST_COMMENT + LOCATOR_LENGTH);
    let tail_start = length - tail_length;
    file.seek(SeekFrom::Start(tail_start))?;
    let tail = read_exactly(file, tail_length)?;
    let at = end_record(&tail).ok_or_else(|| {
        Problem::damaged("it is a zip archive without an end: its directory is missing")
    })?;
    let mut fields = Fields(&tail[at..]);
    fields.bytes(4)?;
    let (disk, directory_disk) = (fields.u16()?, fields.u16()?);
    let (count_here, count) = (fields.u16()?, fields.u16()?);
    let (size, start) = (fields.u32()?, fields.u32()?);
    let end = tail_start + at as u64;
    let wide = [count_here, count].contains(&u16::MAX) || [size, start].contains(&WIDE);
    if wide
        && let Some(locator) = at.checked_sub(LOCATOR_LENGTH as usize)
        && tail[locator..].starts_with(b"PK\x06\x07")
    {
        return wide_place(file, &tail[locator..at], end - LOCATOR_LENGTH);
    }
    check_one_disk(
        u32::from(disk),
        u32::from(directory_disk),
        count_here == count,
    )?;
    Ok(Place {
        count: count.into(),
        start: start.into(),
        length: size.into(),
        end,
    })
}

/// The last record whose comment reaches to the end of the file.
fn end_record(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END_LENGTH as usize)?;
    (0..=last).rev().find(|&at| {
        let record = &tail[at..];
        let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
        record.starts_with(b"PK\x05\x06") && comment == record.len() - END_LENGTH as usize
    })
}

/// The directory of an archive with numbers of 64 bits.
fn wide_place(file: &mut File, locator: &[u8], locator_at: u64) -> Result<Place, Problem> {
    let mut fields = Fields(locator);
    fields.bytes(4)?;
    let disk = fields.u32()?;
    let end = fields.u64()?;
    if end
        .checked_add(WIDE_END_LENGTH)
        .is_none_or(|after| after > locator_at)
    {
        return Err(Problem::damaged("its end record reaches beyond its end"));
    }
    file.seek(SeekFrom::Start(end))?;
    let record = read_exactly(file, WIDE_END_LENGTH)?;
    let mut fields = Fields(&record);
    fields.expect(b"PK\x06\x06", "its end record")?;
    // Its length and two versions.
    fields.bytes(12)?;
    let (this_disk, directory_disk) = (fields.u32()?, fields.u32()?);
    let (count_here, count) = (fields.u64()?, fields.u64()?);
    check_one_disk(disk | this_disk, directory_disk, count_here == count)?;
    Ok(Place {
        count,
        length: fields.u64()?,
        start: fields.u64()?,
        end,
    })
}

fn check_one_disk(disk: u32, directory_disk: u32, all_here: bool) -> Result<(), Problem> {
    match (disk, directory_disk, all_here) {
        (0, 0, true) => Ok(()),
        _ => Err(Problem::new(
            "it is one part of several of an archive",
            SAVE,
        )),
    }
}

fn entry(fields: &mut Fields) -> Result<Entry, Problem> {
    fields.expect(b"PK\x01\x02", "a record of its directory")?;
    // Two versions.
    fields.bytes(4)?;
    let (flags, method) = (fields.u16()?, fields.u16()?);
    // Time and date.
    fields.bytes(4)?;
    let crc = fields.u32()?;
    let (packed, unpacked) = (fields.u32()?, fields.u32()?);
    let [name, extra, comment] = [fields.u16()?, fields.u16()?, fields.u16()?].map(usize::from);
    // Disk and attributes.
    fields.bytes(8)?;
    let offset = fields.u32()?;
    let name = String::from_utf8_lossy(fields.bytes(name)?).into_owned();
    let mut wide = wide_field(fields.bytes(extra)?)?;
    fields.bytes(comment)?;
    let mut number = |narrow| match narrow {
        WIDE => wide.u64(),
        narrow => Ok(u64::from(narrow)),
    };
    Ok(Entry {
        name,
        flags,
        method,
        crc,
        // In this order.
        unpacked: number(unpacked)?,
        packed: number(packed)?,
        offset: number(offset)?,
    })
}

/// The extra field with the numbers that take 64 bits; empty where there is none.
fn wide_field(extra: &[u8]) -> Result<Fields<'_>, Problem> {
    let mut fields = Fields(extra);
    // Fewer bytes than a field begins with are padding.
    while fields.0.len() >= 4 {
        let (id, length) = (fields.u16()?, fields.u16()?);
        let field = fields.bytes(length.into())?;
        if id == WIDE_FIELD {
            return Ok(Fields(field));
        }
    }
    Ok(Fields(&[]))
}
