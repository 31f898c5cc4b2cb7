//! What a format's reader finds of an array.

use super::dtype::DType;
use super::source::Source;
use super::value::Value;
use super::{order, shape, value};
use std::io;

/// An array's header, and the bytes behind it.
pub(super) struct Found {
    pub(super) dtype: DType,
    /// Whether the first index runs fastest.
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
    pub(super) values: Source,
}

impl Found {
    pub(super) fn read<T: Value>(mut self) -> io::Result<Vec<T>> {
        debug_assert_eq!(T::SIZE, self.dtype.size);
        let length = shape::product(&self.shape).unwrap_or(usize::MAX);
        let is_stored = self.values.is_stored;
        let big_endian = self.dtype.big_endian;
        let values = value::read(&mut self.values, length, big_endian, is_stored)?;
        self.values.expect_end()?;
        match self.fortran_order {
            true => Ok(order::last_index_fastest(&values, &self.shape)),
            false => Ok(values),
        }
    }
}
