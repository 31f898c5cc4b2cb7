//! Rows that are swept together.

use super::pending::InFlight;
use super::rows::Rows;
use super::scratch::Scratch;
use crate::cpu::row::sums::{ANY, UnitExp};
use std::ops::Range;

/// Rows that are swept together, and what their sweep works with.
pub(crate) struct Group<'a, 'b, 'c, V> {
    pub(crate) rows: &'a mut Rows<'b>,
    /// Which of them: at most as many as a vector has lanes.
    pub(crate) range: Range<usize>,
    /// Their labels' classes, one per lane; less than 0 where there is no label.
    pub(crate) labels: V,
    /// Whether the record is full.
    pub(crate) full: bool,
    pub(crate) scratch: &'a mut Scratch<'c>,
    pub(crate) in_flight: &'a mut InFlight,
    pub(crate) unit: UnitExp<ANY>,
}
