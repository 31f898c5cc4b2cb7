//! Chunks: the rows that one set of bindings can hold.

use super::error::Error;
use super::limits::{alignment, binding_bytes};
use super::pieces::{Matrix, Vector, too_large};
use super::source::PART_BYTES;

/// Rows that are dispatched together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) first: u32,
    pub(super) rows: u32,
}

/// Rows of the per-row arguments from one place that can be bound to the next.
pub(super) fn rows_between_bindings(limits: &wgpu::Limits) -> u32 {
    (alignment(limits).max(256) / 4) as u32
}

/// How many rows the bindings of one dispatch hold, and its workgroups work on; `parts` of each row,
/// where rows are split.
///
/// # Errors
/// [`Error::TooLarge`] where a single row is too much.
pub(super) fn most_rows<'a>(
    limits: &wgpu::Limits,
    parts: u32,
    matrices: impl IntoIterator<Item = Matrix<'a>>,
    vectors: impl IntoIterator<Item = Vector<'a>>,
) -> Result<u32, Error> {
    let limit = binding_bytes(limits);
    let lead = rows_between_bindings(limits) - 1;
    let a_side = u64::from(limits.max_compute_workgroups_per_dimension);
    let mut most = u32::try_from(a_side * a_side).unwrap_or(u32::MAX);
    if parts > 0 {
        let of_a_row = PART_BYTES * u64::from(parts);
        if of_a_row > limit {
            return Err(too_large("workspace", of_a_row, limit));
        }
        most = (most / parts).min(u32::try_from(limit / of_a_row).unwrap_or(u32::MAX));
    }
    for matrix in matrices {
        most = most.min(matrix.rows_per_binding(limit, alignment(limits))?);
    }
    for vector in vectors {
        most = most.min(vector.rows_per_binding(limit, lead)?);
    }
    Ok(most.max(1))
}

/// All rows, in order, at most `most` at a time.
pub(super) fn chunks(rows: u32, most: u32) -> impl Iterator<Item = Chunk> {
    (0..rows).step_by(most as usize).map(move |first| Chunk {
        first,
        rows: most.min(rows - first),
    })
}

#[cfg(test)]
mod tests {
    use super::super::limits::grid;
    use super::*;
    use std::iter;

    /// Shaders number workgroups, rows, parts and elements in 32 bits, the surplus ones of a grid included.
    #[test]
    fn no_number_wraps_in_a_shader() {
        const WORKGROUP: u32 = 256;
        let fits = |product: &[u32]| {
            let all = product.iter().map(|&n| u128::from(n)).product::<u128>();
            assert!(all <= u128::from(u32::MAX), "{product:?}");
        };
        for side in [65_535, u32::MAX] {
            let limits = wgpu::Limits {
                max_compute_workgroups_per_dimension: side,
                max_storage_buffer_binding_size: u64::MAX,
                ..Default::default()
            };
            // Elements of two bytes, and the lanes that look beyond them.
            assert!(binding_bytes(&limits) / 2 < 1 << 31);
            let rows = |parts| {
                let most = most_rows(&limits, parts, iter::empty(), iter::empty());
                most.unwrap().min(i32::MAX.cast_unsigned())
            };
            for lanes in [1, 2, 8, 32, WORKGROUP] {
                let row_slots = WORKGROUP / lanes;
                let [x, y] = grid(&limits, rows(0).div_ceil(row_slots));
                fits(&[x, y, row_slots]);
                assert!(y <= side);
            }
            for parts in [2, 64] {
                let rows = rows(parts);
                let [x, y] = grid(&limits, rows * parts);
                fits(&[x, y]);
                assert!(y <= side);
                // `SLOTS` of shaders/span/split.wgsl.
                fits(&[rows, parts, 16]);
            }
        }
    }

    #[test]
    fn chunks_hold_every_row_once() {
        let of = |rows, most| -> Vec<(u32, u32)> {
            chunks(rows, most).map(|c| (c.first, c.rows)).collect()
        };
        assert_eq!(of(0, 3), []);
        assert_eq!(of(3, 3), [(0, 3)]);
        assert_eq!(of(7, 3), [(0, 3), (3, 3), (6, 1)]);
        assert_eq!(of(1, u32::MAX), [(0, 1)]);
    }
}
