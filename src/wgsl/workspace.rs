//! What one dispatch leaves to the next, in one buffer.

use super::source::PART_BYTES;

/// What a row leaves there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PerRow {
    /// Bytes of the mark of `groups` or the ω of `omegas`.
    pub(super) mark: u64,
    /// Bytes of the record that a total needs and the caller does not want.
    pub(super) record: u64,
    /// Parts of a split row; 0 where rows are not split.
    pub(super) parts: u32,
}

/// Where everything is in the workspace, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workspace {
    /// Bound where a kernel has room for something that the caller does not want: a word each.
    pub(super) nothing: [Region; 2],
    pub(super) marks: Region,
    pub(super) records: Region,
    /// Used again by every chunk of rows.
    pub(super) parts: Region,
    pub(super) bytes: u64,
}

/// A region of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) offset: u64,
    pub(super) bytes_per_row: u64,
}

impl Workspace {
    pub(super) fn new(alignment: u64, rows: u32, per_row: PerRow) -> Self {
        let alignment = alignment.max(256);
        let mut bytes = 0;
        let mut region = |rows: u32, bytes_per_row: u64| {
            let offset = bytes;
            bytes += (bytes_per_row * u64::from(rows)).next_multiple_of(alignment);
            Region {
                offset,
                bytes_per_row,
            }
        };
        Self {
            nothing: [region(1, 4), region(1, 4)],
            marks: region(rows, per_row.mark),
            records: region(rows, per_row.record),
            parts: region(rows, PART_BYTES * u64::from(per_row.parts)),
            bytes,
        }
    }
}
