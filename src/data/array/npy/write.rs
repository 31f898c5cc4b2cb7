//! Writes npy files.

use super::header;
use crate::data::array::shape::Shape;
use crate::data::array::value::Value;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes an array, the last index running fastest.
pub(crate) fn write<T: Value>(
    path: &Path,
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let descr = format!("'{}'", T::DESCR);
    let put = |out: &mut BufWriter<File>, value: T| value.write(out);
    write_as(path, shape, &descr, values, put)
}

/// Writes an array of whatever `put` makes of each item: `descr` is its type as Python prints it.
pub(crate) fn write_as<T>(
    path: &Path,
    shape: &[usize],
    descr: &str,
    items: impl IntoIterator<Item = T>,
    put: impl Fn(&mut BufWriter<File>, T) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&header::bytes_of(descr, &Shape(shape).to_string()))?;
    for item in items {
        put(&mut out, item)?;
    }
    out.flush()
}
