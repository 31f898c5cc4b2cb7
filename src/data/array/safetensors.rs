//! A tensor of a safetensors file: 8 bytes with the header's length, the header in JSON, values.

use super::dtype::{DType, Kind};
use super::error::Problem;
use super::found::Found;
use super::npz::choose;
use super::shape::{self, Available};
use super::source::{Source, read_exactly};
use crate::data::{tensors, text};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

/// As long as the format allows a header to be.
const LARGEST_HEADER: u64 = 100_000_000;

pub(super) fn open(mut file: File, length: u64, key: Option<&str>) -> Result<Found, Problem> {
    let (header, start) = header(&mut file, length)?;
    let keys = header.offset_keys();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let chosen = choose(&keys, key)?;
    let Some(info) = header.info(chosen) else {
        return Err(Problem::damaged(format_args!(
            "it lacks {}",
            text::name(chosen)
        )));
    };
    let (from, to) = info.data_offsets;
    let count = (to - from) as u64;
    let dtype = dtype(info.dtype);
    let axes: Vec<u64> = info.shape.iter().map(|&axis| axis as u64).collect();
    // Of a type without whole bytes, which is of no use here, the header has been checked.
    let available = Available::Stored(if dtype.size == 0 { 0 } else { count });
    let shape = shape::fitting(&axes, &dtype, available)?;
    file.seek(SeekFrom::Start(start + from as u64))?;
    Ok(Found {
        dtype,
        fortran_order: false,
        shape,
        values: Source::new(BufReader::new(file).take(count), available),
    })
}

/// The header, if its tensors are as long as what follows it, and where that starts.
fn header(file: &mut File, length: u64) -> Result<(Metadata, u64), Problem> {
    let mut first = [0; 8];
    file.read_exact(&mut first)?;
    let header = u64::from_le_bytes(first);
    let following = length.saturating_sub(8);
    if header > LARGEST_HEADER.min(following) {
        return Err(Problem::damaged(format_args!(
            "its header promises {header} bytes, but {following} follow, and at most \
             {LARGEST_HEADER} are accepted"
        )));
    }
    let text = read_exactly(file, header)?;
    let metadata = tensors::header(&text).map_err(|error| unreadable(&error))?;
    let (promised, given) = (metadata.data_len() as u64, following - header);
    match promised == given {
        true => Ok((metadata, 8 + header)),
        false => Err(Problem::damaged(format_args!(
            "its header promises {promised} bytes of tensors, but {given} follow"
        ))),
    }
}

fn unreadable(error: &serde_json::Error) -> Problem {
    let error = text::excerpt(&error.to_string(), 200);
    Problem::damaged(format_args!(
        "its header is not that of safetensors: {error}"
    ))
}

/// A type, by the names that numpy has for it where it has one.
fn dtype(dtype: Dtype) -> DType {
    let (kind, name) = match dtype {
        Dtype::F16 => (Kind::Float, "f2"),
        Dtype::BF16 => (Kind::Bfloat, "bf16"),
        Dtype::F32 => (Kind::Float, "f4"),
        Dtype::F64 => (Kind::Float, "f8"),
        Dtype::I8 => (Kind::Int, "i1"),
        Dtype::I16 => (Kind::Int, "i2"),
        Dtype::I32 => (Kind::Int, "i4"),
        Dtype::I64 => (Kind::Int, "i8"),
        Dtype::U8 => (Kind::Uint, "u1"),
        Dtype::U16 => (Kind::Uint, "u2"),
        Dtype::U32 => (Kind::Uint, "u4"),
        Dtype::U64 => (Kind::Uint, "u8"),
        Dtype::BOOL => (Kind::Bool, "b1"),
        other => return DType::of_tensor(Kind::Other, &other.to_string(), 0),
    };
    DType::of_tensor(kind, name, dtype.bitsize() / 8)
}
