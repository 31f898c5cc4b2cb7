//! The second block of parameters that every kernel takes, byte for byte as in `kernels/machine/params.cuh`.

use bytemuck::{Pod, Zeroable};

/// `1/N` of right and of wrong rows, and what total and gradient are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Scale {
    pub(super) inverse_right: f32,
    pub(super) inverse_wrong: f32,
    pub(super) upstream: f32,
}

/// Device addresses, 0 where there is nothing (so that [`RowParams::present`] has nothing to say),
/// and the few numbers that [`RowParams`] does not have.
///
/// [`RowParams`]: crate::spec::RowParams
/// [`RowParams::present`]: crate::spec::RowParams::present
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Arguments {
    pub(super) student: u64,
    pub(super) teacher: u64,
    pub(super) labels: u64,
    pub(super) weight: u64,
    pub(super) kd_weight: u64,
    pub(super) tau: u64,
    /// Instead of `known.upstream`.
    pub(super) upstream: u64,
    /// Instead of `known`'s inverses.
    pub(super) scale: u64,
    pub(super) gradient: u64,
    pub(super) stats: u64,
    /// One f32 per row: its part of the total.
    pub(super) losses: u64,
    /// One f32 per row.
    pub(super) omegas: u64,
    /// One f32 per row.
    pub(super) temperatures: u64,
    /// One u32 per row.
    pub(super) marks: u64,
    pub(super) scale_out: u64,
    pub(super) total: u64,
    /// What each block leaves of the rows that several share.
    pub(super) parts: u64,
    pub(super) known: Scale,
    pub(super) reduction: u32,
    pub(super) student_format: u32,
    pub(super) teacher_format: u32,
}

const _: () = assert!(size_of::<Arguments>() == 160);

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_layout_is_the_one_that_kernels_were_written_for() {
        let text = include_str!("../../kernels/machine/params.cuh");
        let (_, fields) = text.split_once("struct Buffers {").unwrap();
        let (fields, checks) = fields.split_once("};").unwrap();
        assert!(checks.contains("sizeof(Buffers) == 160"));
        assert!(checks.contains("offsetof(Buffers, known) == 136"));
        assert_eq!(offset_of!(Arguments, known), 136);
        // Pointers, all of 8 bytes, in the same order.
        let names: Vec<&str> = fields
            .lines()
            .filter_map(|line| line.split_once('*')?.1.split_once(';'))
            .map(|(name, _)| name.trim())
            .collect();
        assert_eq!(
            names,
            [
                "student",
                "teacher",
                "labels",
                "weight",
                "kd_weight",
                "tau",
                "upstream",
                "scale",
                "gradient",
                "stats",
                "losses",
                "omegas",
                "temperatures",
                "marks",
                "scale_out",
                "total",
                "parts",
            ]
        );
        assert_eq!(offset_of!(Arguments, upstream), 48);
        assert_eq!(offset_of!(Arguments, gradient), 64);
        assert_eq!(offset_of!(Arguments, losses), 80);
        assert_eq!(offset_of!(Arguments, total), 120);
        assert_eq!(offset_of!(Arguments, reduction), 148);
        assert_eq!(offset_of!(Arguments, teacher_format), 156);
    }
}
