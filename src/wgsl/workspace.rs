//! What one dispatch leaves to the next, in one buffer.

use super::options::Regime;
use super::plan::Plan;
use super::source::PART_BYTES;
use crate::spec::{RowStats, StatsLevel};

/// Where everything is in the workspace, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Workspace {
    /// Bound where a kernel has room for something that the caller does not want.
    pub(super) nothing: [u64; 2],
    /// One word per row: the marks of `groups` or the ω of `omegas`.
    pub(super) words: u64,
    /// Records that a total needs and the caller does not want.
    pub(super) records: u64,
    /// The parts of split rows.
    pub(super) parts: u64,
    pub(super) bytes: u64,
}

impl Workspace {
    pub(super) fn new(plan: &Plan, rows: u32) -> Self {
        let alignment = plan.alignment().max(256);
        let mut bytes = 0;
        let mut take = |size: u64| {
            let offset = bytes;
            bytes += size.next_multiple_of(alignment);
            offset
        };
        let nothing = [take(4), take(4)];
        let words = take(4 * u64::from(rows));
        let records = match plan.shape.options.level {
            StatsLevel::None => take(size_of::<RowStats>() as u64 * u64::from(rows)),
            _ => 0,
        };
        let parts = match plan.shape.regime(rows) {
            Regime::Split { parts } => take(PART_BYTES * u64::from(parts) * u64::from(rows)),
            Regime::Whole { .. } => 0,
        };
        Self {
            nothing,
            words,
            records,
            parts,
            bytes,
        }
    }
}
