//! Arguments as stretches of buffers: their checks, and the piece that a chunk of rows binds.

use super::batch::Slice;
use super::error::Error;
use crate::spec::{ArgumentError, Format};

/// What a dispatch binds in one slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) buffer: &'a wgpu::Buffer,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl<'a> Piece<'a> {
    pub(super) fn binding(self) -> wgpu::BindingResource<'a> {
        wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: self.buffer,
            offset: self.offset,
            size: wgpu::BufferSize::new(self.size),
        })
    }
}

/// `[B, V]` in one buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    pub(super) name: &'static str,
    pub(super) slice: Slice<'a>,
    pub(super) format: Format,
    /// Elements from row to row.
    pub(super) stride: u32,
    /// V.
    pub(super) classes: u32,
}

impl<'a> Matrix<'a> {
    /// # Errors
    /// [`ArgumentError`] for the stride, [`Error`] for the buffer.
    pub(super) fn new(
        [name, stride_name]: [&'static str; 2],
        slice: Slice<'a>,
        format: Format,
        stride: Option<usize>,
        [rows, classes]: [u32; 2],
    ) -> Result<Self, Error> {
        let given = stride.unwrap_or(classes as usize);
        if given < classes as usize {
            return Err(Error::Argument(ArgumentError::Stride {
                argument: stride_name,
                given,
                classes: classes as usize,
            }));
        }
        let Ok(stride) = u32::try_from(given) else {
            return Err(Error::Argument(ArgumentError::TooLarge {
                rows: rows as usize,
                stride: given,
            }));
        };
        let matrix = Self {
            name,
            slice,
            format,
            stride,
            classes,
        };
        stored(name, slice, matrix.element(), matrix.bytes(rows))?;
        Ok(matrix)
    }

    fn element(&self) -> u64 {
        self.format.bytes() as u64
    }

    /// Bytes from the first element of `rows` rows to the last.
    pub(super) fn bytes(&self, rows: u32) -> u64 {
        match rows.checked_sub(1) {
            None => 0,
            // Saturated, it is more than any buffer has.
            Some(before) => {
                let before = u64::from(before).saturating_mul(u64::from(self.stride));
                (before.saturating_add(u64::from(self.classes))).saturating_mul(self.element())
            }
        }
    }

    /// How many rows one binding holds, wherever they begin.
    pub(super) fn rows_per_binding(&self, limit: u64, alignment: u64) -> Result<u32, Error> {
        let row = self.bytes(1);
        let Some(rest) = limit.checked_sub(alignment + row) else {
            return Err(too_large(self.name, row + alignment, limit));
        };
        let more = rest / (u64::from(self.stride) * self.element());
        Ok(u32::try_from(more + 1).unwrap_or(u32::MAX))
    }

    /// These rows, from the last place before them that can be bound, and the elements in between.
    pub(super) fn piece(&self, first: u32, rows: u32, alignment: u64) -> (Piece<'a>, u32) {
        let before = u64::from(first) * u64::from(self.stride) * self.element();
        let begin = self.slice.offset + before;
        let offset = begin - begin % alignment;
        let piece = Piece {
            buffer: self.slice.buffer,
            offset,
            size: (begin + self.bytes(rows)).next_multiple_of(4) - offset,
        };
        (piece, ((begin - offset) / self.element()) as u32)
    }
}

/// `[B]`, so many bytes per row, or a single number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector<'a> {
    pub(super) name: &'static str,
    pub(super) slice: Slice<'a>,
    /// Bytes per row, a multiple of 4.
    pub(super) bytes: u64,
}

impl<'a> Vector<'a> {
    /// # Errors
    /// [`Error`] for the buffer.
    pub(super) fn new(
        name: &'static str,
        slice: Slice<'a>,
        bytes: u64,
        rows: u32,
        alignment: u64,
    ) -> Result<Self, Error> {
        stored(name, slice, alignment, bytes * u64::from(rows))?;
        Ok(Self { name, slice, bytes })
    }

    /// How many rows one binding holds, wherever among `lead` rows that begin it the first one is.
    pub(super) fn rows_per_binding(&self, limit: u64, lead: u32) -> Result<u32, Error> {
        let rows = (limit / self.bytes).saturating_sub(u64::from(lead));
        match u32::try_from(rows) {
            Ok(0) => Err(too_large(
                self.name,
                (u64::from(lead) + 1) * self.bytes,
                limit,
            )),
            Ok(rows) => Ok(rows),
            Err(_) => Ok(u32::MAX),
        }
    }

    /// All rows in one binding.
    pub(super) fn in_one_binding(&self, rows: u32, limit: u64) -> Result<(), Error> {
        let needed = u64::from(rows) * self.bytes;
        if needed <= limit {
            Ok(())
        } else {
            Err(too_large(self.name, needed, limit))
        }
    }

    /// The rows from `begin` to `end`.
    pub(super) fn piece(&self, begin: u32, end: u32) -> Piece<'a> {
        Piece {
            buffer: self.slice.buffer,
            offset: self.slice.offset + u64::from(begin) * self.bytes,
            size: u64::from(end - begin) * self.bytes,
        }
    }
}

pub(super) fn too_large(argument: &'static str, needed: u64, given: u64) -> Error {
    Error::TooLarge {
        argument,
        needed,
        limit: "max_storage_buffer_binding_size",
        given,
    }
}

/// A slice of this many bytes can be bound as storage.
fn stored(argument: &'static str, slice: Slice, alignment: u64, bytes: u64) -> Result<(), Error> {
    let (size, offset) = (slice.buffer.size(), slice.offset);
    if !slice.buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        return Err(Error::Usage { argument });
    }
    if !offset.is_multiple_of(alignment) {
        return Err(Error::Offset {
            argument,
            given: offset,
            alignment,
        });
    }
    // Bindings end at whole words.
    let needed = bytes.saturating_add(3) & !3;
    let end = offset.checked_add(bytes);
    let end = end.and_then(|end| end.checked_next_multiple_of(4));
    if bytes > 0 && end.is_none_or(|end| end > size) {
        return Err(Error::Size {
            argument,
            needed,
            offset,
            size,
        });
    }
    Ok(())
}
