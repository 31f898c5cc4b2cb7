//! How rows lie in vectors: one row across many lanes, or one row per lane.
//!
//! The row program is written once over both. What there is one of per class is a [`Layout::V`],
//! what there is one of per row a [`Layout::R`].

mod format;
mod memory;
mod tile;
mod wide;

pub(super) use memory::{
    Any, Bf16s, Formats, Matrix, MatrixMut, RowGradient, Singles, Source, matrices,
};
pub(super) use tile::{TILE_CLASSES, Tile, TileGradient};
pub(super) use wide::{Foresight, GROUP, NO_LABEL, Wide};

use super::extremes::Extremes;
use super::simd::Vector;
use super::softmax::Softmax;

/// One row, or several side by side, as the row program goes over them.
pub(super) trait Layout: Sized {
    /// Values of classes.
    type V: Vector;
    /// Values of rows.
    type R: Vector;
    /// A class of each row.
    type Class: Copy;
    /// Whether rows lie side by side, so that some of them are always special.
    const SIDE_BY_SIDE: bool;

    /// The same for code that is compiled for all formats at once.
    type General: Layout<V = Self::V, R = Self::R, Class = Self::Class>;

    /// This row, or these, for such code.
    fn general(&self) -> Self::General;

    /// A row's value for each of its classes.
    fn spread(row: Self::R) -> Self::V;

    /// V.
    fn classes(&self) -> usize;

    /// Goes over all classes. `MASKED` tells the steps that any logit may be −∞.
    fn each<const MASKED: bool>(&self, step: &mut impl Step<Self::V>);

    /// `N` sums over the classes, in an order that depends on their number alone.
    fn sum<const MASKED: bool, const N: usize>(
        &self,
        terms: &mut impl Terms<Self::V, N>,
    ) -> [Self::R; N];

    /// Maxima and tops.
    fn extremes(&self) -> Extremes<Self::R, Self::Class>;

    /// The teacher's maximum over the classes besides the label and this one.
    fn second(&self, top: Self::Class) -> Self::R;

    /// The student's logit of a class, −∞ where that is the label.
    fn student_at(&self, class: Self::Class) -> Self::R;

    /// The logits from class `at` on, with `z` at this class.
    fn with(at: usize, logits: Self::V, class: Self::Class, z: Self::V) -> Self::V;

    /// Four softmaxes of each row, as [`Softmax::new`] makes them.
    fn softmaxes(
        k: [Self::R; 4],
        shift: [Self::R; 4],
        others: [Self::R; 4],
        label: [Self::R; 4],
    ) -> [Softmax<Self::R>; 4];

    /// Whether a class is that of the label.
    fn is_label(&self, class: Self::Class) -> <Self::R as Vector>::Mask;

    /// Whether two classes are the same, row by row.
    fn same(a: Self::Class, b: Self::Class) -> <Self::R as Vector>::Mask;
}

/// What is done to the logits from class `at` on; the label's class is [`Step::ABSENT`] in both.
pub(super) trait Step<V: Vector> {
    /// What stands for the label and beyond the row's end, unless `MASKED`: then it is −∞.
    const ABSENT: f32 = f32::NEG_INFINITY;

    /// `MASKED`: any of them may be −∞.
    fn step<const MASKED: bool>(&mut self, at: usize, s: V, t: V);
}

/// A logit of a class without any probability, for sweeps over rows without masks: unlike −∞ it
/// makes nothing but 0, whatever it meets.
pub(super) const LOWEST: f32 = -1e30;

/// `N` sums: what the classes from `at` on add to them.
pub(super) trait Terms<V: Vector, const N: usize> {
    /// As [`Step::ABSENT`].
    const ABSENT: f32 = f32::NEG_INFINITY;

    /// As [`Step::step`].
    fn add<const MASKED: bool>(&mut self, at: usize, s: V, t: V, sums: &mut [V; N]);
}

/// Where the gradient goes: the values from class `at` on, of the rows that `rows` names.
pub(super) trait Sink<V: Vector, R: Vector> {
    /// Whether anything is kept.
    fn is_open(&self) -> bool;
    /// Keeps them.
    fn put(&mut self, at: usize, values: V, rows: R::Mask);
    /// Keeps the value of the label's class.
    fn put_label(&mut self, value: R, rows: R::Mask);
}
