//! What kind of file it is, by its first bytes: a name may say anything.

use super::error::Problem;
use super::found::Found;
use super::shape::Available;
use super::{npy, npz, safetensors};
use crate::data::bounded::{Bounded, GZIP_MAGIC, unpacked_limit};
use flate2::bufread::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::path::Path;

const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
/// An archive without members.
const EMPTY_ZIP_MAGIC: &[u8] = b"PK\x05\x06";
const HDF5_MAGIC: &[u8] = b"\x89HDF";

const SAVE: &str =
    "save one plain array with numpy.save, or arrays with numpy.savez or safetensors";

/// The array of this key, or the only one.
pub(super) fn open(path: &Path, key: Option<&str>) -> Result<Found, Problem> {
    let metadata = fs::metadata(path)?;
    // A pipe could block for ever, and it has no length to hold a header against.
    if !metadata.is_file() {
        let remedy = "write the array to a file first";
        return Err(Problem::new("it is not a regular file", remedy));
    }
    let length = metadata.len();
    let mut file = File::open(path)?;
    let mut first = Vec::new();
    (&mut file).take(9).read_to_end(&mut first)?;
    file.rewind()?;
    match &first[..] {
        npy if npy.starts_with(npy::MAGIC) => {
            no_key("an npy file", key)?;
            npy::open(BufReader::new(file), Available::Stored(length))
        }
        gzip if gzip.starts_with(&GZIP_MAGIC) => {
            no_key("a gzip file", key)?;
            let limit = unpacked_limit(length);
            let unpacked = Bounded::new(MultiGzDecoder::new(BufReader::new(file)), limit);
            npy::open(unpacked, Available::AtMost(limit))
        }
        zip if zip.starts_with(ZIP_MAGIC) || zip.starts_with(EMPTY_ZIP_MAGIC) => {
            npz::open(file, length, key)
        }
        [_, _, _, _, _, _, _, _, b'{'] => safetensors::open(file, length, key),
        other => Err(unknown(other)),
    }
}

fn no_key(what: &str, key: Option<&str>) -> Result<(), Problem> {
    match key {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            format_args!("{what} holds one array, which has no key"),
            "leave the colon and the key away",
        )),
    }
}

fn unknown(first: &[u8]) -> Problem {
    let what = match first {
        [] => "it is empty",
        [0x80, 2..=5, ..] => "it is a Python pickle, which is not read: it could run any program",
        hdf if hdf.starts_with(HDF5_MAGIC) => "it is an HDF5 file",
        _ => "it does not begin with the magic number of an npy or npz file, nor as safetensors do",
    };
    Problem::new(what, SAVE)
}
