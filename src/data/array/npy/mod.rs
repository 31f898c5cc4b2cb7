//! Arrays in npy files.

mod header;
mod write;

pub(super) use header::MAGIC;
pub(crate) use write::{write, write_as};

use super::dtype::DType;
use super::error::Problem;
use super::found::Found;
use super::shape::{self, Available};
use super::source::Source;
use crate::data::text;
use header::{Header, HeaderError};
use std::io::Read;

const SAVE: &str = "save one array of plain numbers with numpy.save";

/// Reads the header of a file of so many bytes, header included.
pub(super) fn open(mut file: impl Read + 'static, available: Available) -> Result<Found, Problem> {
    let (header, length) = header::read(&mut file).map_err(|error| match error {
        HeaderError::Read(error) => Problem::new(
            format_args!("its header cannot be read: {error}"),
            "check that the file is whole, or write it again",
        ),
        other => Problem::new(other, SAVE),
    })?;
    let dtype = dtype(&header)?;
    let available = available.behind(length);
    Ok(Found {
        shape: shape::fitting(&header.shape, &dtype, available)?,
        dtype,
        fortran_order: header.fortran_order,
        values: Source::new(file, available),
    })
}

fn dtype(header: &Header) -> Result<DType, Problem> {
    header.descr.parse().map_err(|problem| {
        let descr = text::excerpt(&header.descr, 24);
        Problem::new(
            format_args!("its values have the type {descr:?}: {problem}"),
            SAVE,
        )
    })
}
