//! The sweeps' memory: where rows lie, in which format, and in which order they are read and written. No
//! formula: what a sweep sums is [`row::sums`](super::row::sums).
//!
//! - [`wide`] and [`tile`] are the two [`Layout`](super::row::layout::Layout)s: one row across the lanes, and
//!   rows side by side, one per lane.
//! - [`transposed`], [`staged`] and [`streamed`] are the sweeps over rows without masks: each leaves the
//!   [`Facts`](super::row::inputs::Facts) of as many rows as a vector has lanes, and their exponentials.
//! - [`pending`] is what a group of rows leaves to the next: gradients to be written, extremes found ahead.

mod format;
pub(super) mod group;
pub(super) mod matrix;
pub(super) mod pending;
pub(super) mod rows;
pub(super) mod scratch;
pub(super) mod staged;
pub(super) mod streamed;
pub(super) mod tile;
pub(super) mod transposed;
pub(super) mod vectors;
pub(super) mod wide;

pub(super) use format::{AnyFormat, Formats, OnlyBf16, OnlyF32, with_formats};
