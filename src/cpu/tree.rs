//! Sums of many parts as a tree: of equally many parts as long as there are.

use std::ops::Add;

/// Parts are fewer than 2⁴⁸.
const LEVELS: usize = 48;

/// `N` sums side by side. Their order depends on the number of parts alone.
pub(super) struct Tree<T, const N: usize> {
    /// What 2ⁱ parts sum to, for each bit of their number.
    levels: [[T; N]; LEVELS],
    parts: usize,
}

impl<T: Copy + Default + Add<Output = T>, const N: usize> Tree<T, N> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            levels: [[T::default(); N]; LEVELS],
            parts: 0,
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, mut sums: [T; N]) {
        let mut level = 0;
        while self.parts >> level & 1 == 1 {
            sums = std::array::from_fn(|i| self.levels[level][i] + sums[i]);
            level += 1;
        }
        self.levels[level] = sums;
        self.parts += 1;
    }

    #[inline(always)]
    pub(super) fn total(&self) -> [T; N] {
        let mut total = [T::default(); N];
        let mut left = self.parts;
        while left != 0 {
            let sums = &self.levels[left.trailing_zeros() as usize];
            total = std::array::from_fn(|i| sums[i] + total[i]);
            left &= left - 1;
        }
        total
    }
}
