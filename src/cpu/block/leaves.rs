//! The order in which the rows' parts of the total are summed.

use crate::cpu::tree::Tree;
use std::ops::Range;

/// Where rows are cut whose parts are summed pairwise, beyond `leaf` rows.
#[cfg(feature = "rayon")]
pub(crate) fn middle(rows: usize, leaf: usize) -> usize {
    rows.div_ceil(leaf).next_power_of_two() / 2 * leaf
}

/// The rows' parts of the total, each of a leaf's rows in their order, summed as a tree that depends
/// on their number alone: threads may cut it where its two largest parts meet.
#[inline(always)]
pub(super) fn by_leaves(
    rows: Range<usize>,
    leaf: usize,
    mut part: impl FnMut(Range<usize>) -> f64,
) -> f64 {
    let mut sums = Tree::<f64, 1>::new();
    for first in rows.clone().step_by(leaf) {
        sums.push([part(first..rows.end.min(first.saturating_add(leaf)))]);
    }
    let [total] = sums.total();
    total
}
