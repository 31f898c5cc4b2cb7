//! What the row program asks of the memory that rows lie in.
//!
//! The row program is written once over rows that lie across the lanes of vectors, and over rows side by
//! side, one per lane. What there is one of per class is a [`Layout::V`], what there is one of per row a
//! [`Layout::R`].

use super::extremes::Extremes;
use crate::cpu::simd::Vector;

/// One row, or several side by side.
pub(crate) trait Layout: Sized {
    /// Values of classes.
    type V: Vector;
    /// Values of rows.
    type R: Vector;
    /// A class of each row.
    type Class: Copy;
    /// Whether rows lie side by side, so that some of them are always special.
    const SIDE_BY_SIDE: bool;

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

    /// Whether a class is that of the label.
    fn is_label(&self, class: Self::Class) -> <Self::R as Vector>::Mask;

    /// Whether two classes are the same, row by row.
    fn same(a: Self::Class, b: Self::Class) -> <Self::R as Vector>::Mask;
}

/// What is done to the logits from class `at` on.
pub(crate) trait Step<V: Vector> {
    /// What stands for the label and beyond the row's end, unless `MASKED`: then it is −∞.
    const ABSENT: f32 = f32::NEG_INFINITY;

    /// `MASKED`: any logit may be −∞.
    fn step<const MASKED: bool>(&mut self, at: usize, s: V, t: V);
}

/// `N` sums: what the classes from `at` on add to them.
pub(crate) trait Terms<V: Vector, const N: usize> {
    /// As [`Step::ABSENT`].
    const ABSENT: f32 = f32::NEG_INFINITY;

    /// As [`Step::step`].
    fn add<const MASKED: bool>(&mut self, at: usize, s: V, t: V, sums: &mut [V; N]);
}

/// Sums terms lane by lane.
pub(crate) struct Summing<'k, V, K, const N: usize> {
    pub(crate) terms: &'k mut K,
    pub(crate) sums: [V; N],
}

impl<V: Vector, K: Terms<V, N>, const N: usize> Step<V> for Summing<'_, V, K, N> {
    const ABSENT: f32 = K::ABSENT;

    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, s: V, t: V) {
        self.terms.add::<MASKED>(at, s, t, &mut self.sums);
    }
}

/// Where the gradient goes.
pub(crate) trait Sink<V: Vector, R: Vector> {
    /// Whether there is room for a gradient.
    fn is_open(&self) -> bool;
    /// Writes the values from class `at` on, of these rows.
    fn put(&mut self, at: usize, values: V, rows: R::Mask);
    /// Writes the value of the label's class.
    fn put_label(&mut self, value: R, rows: R::Mask);
}
