//! Files, byte by byte, and what can be wrong with them.

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use std::io::Write;

/// An npy file.
pub(super) fn npy(descr: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), values].concat()
}

pub(super) fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The array of shape (3) that is in every good file.
pub(super) fn good() -> Vec<u8> {
    npy("<f4", "(3,)", &floats(&[1.0, -2.0, 0.5]))
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = DeflateEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// A member of a zip archive, as records and directory tell of it.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) name: &'static str,
    /// What the record before the bytes says.
    pub(super) local_name: &'static str,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) unpacked: u64,
    pub(super) bytes: Vec<u8>,
    /// Whether the directory gives sizes and offset with 64 bits.
    pub(super) wide: bool,
}

impl Member {
    pub(super) fn stored(name: &'static str, bytes: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        Self {
            name,
            local_name: name,
            flags: 0,
            method: 0,
            crc: crc.sum(),
            unpacked: bytes.len() as u64,
            bytes: bytes.to_vec(),
            wide: false,
        }
    }

    pub(super) fn deflated(name: &'static str, bytes: &[u8]) -> Self {
        Self {
            method: 8,
            bytes: deflate(bytes),
            ..Self::stored(name, bytes)
        }
    }

    /// The fields that record and directory have in common, as far as the length of the name.
    fn common(&self, name: &str) -> Vec<u8> {
        let narrow = |number: u64| match self.wide {
            true => u32::MAX,
            false => number as u32,
        };
        [
            &self.flags.to_le_bytes()[..],
            &self.method.to_le_bytes(),
            &[0; 4],
            &self.crc.to_le_bytes(),
            &narrow(self.bytes.len() as u64).to_le_bytes(),
            &narrow(self.unpacked).to_le_bytes(),
            &(name.len() as u16).to_le_bytes(),
        ]
        .concat()
    }

    fn record(&self) -> Vec<u8> {
        let common = self.common(self.local_name);
        let start: [&[u8]; 4] = [b"PK\x03\x04", &[45, 0], &common, &[3, 0]];
        let end: [&[u8]; 3] = [self.local_name.as_bytes(), b"pad", &self.bytes];
        [start.concat(), end.concat()].concat()
    }

    fn entry(&self, offset: u64) -> Vec<u8> {
        let mut extra = vec![];
        if self.wide {
            // Another field comes first.
            extra.extend([7, 0, 1, 0, 9, 1, 0, 24, 0]);
            for number in [self.unpacked, self.bytes.len() as u64, offset] {
                extra.extend(number.to_le_bytes());
            }
        }
        let offset = if self.wide { u32::MAX } else { offset as u32 };
        [
            b"PK\x01\x02\x2d\x00\x2d\x00",
            &self.common(self.name)[..],
            &(extra.len() as u16).to_le_bytes(),
            &[2, 0],
            &[0; 8],
            &offset.to_le_bytes(),
            self.name.as_bytes(),
            &extra,
            b"ok",
        ]
        .concat()
    }
}

/// The record at the end of an archive.
pub(super) fn end(count: u16, length: u32, start: u32, comment: &[u8]) -> Vec<u8> {
    [
        b"PK\x05\x06\0\0\0\0",
        &count.to_le_bytes()[..],
        &count.to_le_bytes(),
        &length.to_le_bytes(),
        &start.to_le_bytes(),
        &(comment.len() as u16).to_le_bytes(),
        comment,
    ]
    .concat()
}

/// Records and directory, where that starts, and how long it is.
pub(super) fn body(members: &[Member]) -> (Vec<u8>, u32, u32) {
    let (mut file, mut directory) = (vec![], vec![]);
    for member in members {
        directory.extend(member.entry(file.len() as u64));
        file.extend(member.record());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    (file, start, directory.len() as u32)
}

pub(super) fn zip(members: &[Member]) -> Vec<u8> {
    let (mut file, start, length) = body(members);
    file.extend(end(members.len() as u16, length, start, b""));
    file
}

/// An archive whose end has 64 bits, at this offset.
pub(super) fn wide_zip(members: &[Member], misplaced: u64) -> Vec<u8> {
    let (mut file, start, length) = body(members);
    let at = (file.len() as u64).wrapping_add(misplaced);
    let count = (members.len() as u64).to_le_bytes();
    file.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
    file.extend([count, count, u64::from(length).to_le_bytes()].concat());
    file.extend(u64::from(start).to_le_bytes());
    file.extend(b"PK\x06\x07\0\0\0\0");
    file.extend(at.to_le_bytes());
    file.extend(b"\x01\0\0\0");
    file.extend(end(u16::MAX, u32::MAX, u32::MAX, b""));
    file
}

pub(super) fn safetensors(header: &str, values: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), values].concat()
}
