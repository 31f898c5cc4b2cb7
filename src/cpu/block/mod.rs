//! A block of rows, which one thread works on: each row takes the path that its regime names, and all of them
//! end in [`RowBlock::finish`](rows::RowBlock). It knows types as values, so that it is compiled once per
//! instruction set.

mod groups;
mod leaves;
mod rows;
mod tiles;

#[cfg(feature = "rayon")]
pub(super) use leaves::middle;
pub(super) use rows::RowBlock;

use super::regime::Regime;
use super::simd::{Isa, Kernel, Vector};

/// Runs a block; returns its part of the total. Not generic, so that no code for vectors is compiled in the
/// caller's crate.
pub(super) fn run(isa: Isa, block: RowBlock) -> f64 {
    isa.dispatch(block)
}

impl Kernel for RowBlock<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(mut self) -> f64 {
        match Regime::choose(self.spec, self.rows.classes) {
            Regime::Transposed => self.transposed::<V>(),
            Regime::General => self.general::<V>(),
            regime => self.in_groups::<V>(regime),
        }
    }
}
