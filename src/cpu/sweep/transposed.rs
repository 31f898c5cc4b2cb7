//! Rows of few classes, side by side, one per lane: everything stays in registers and in the L1 cache.

use super::tile::Tile;
use crate::cpu::regime::TILE_CLASSES;
use crate::cpu::row::forward_kl::{GradientFactors, StableKl, SumStableKl};
use crate::cpu::row::inputs::Facts;
use crate::cpu::row::layout::Layout;
use crate::cpu::row::sums::{ANY, Exponentials, SumTerms, SweepHook, UnitExp};
use crate::cpu::simd::{LANE_NUMBERS, Task, Vector};

/// `e_s`, `e_t` and the student's at τ = 1, class by class.
pub(crate) struct Kept<V>(pub(crate) [[V; TILE_CLASSES]; 3]);

/// Extremes and sums of rows without masks; their exponentials are kept.
pub(crate) struct Transposed<'a, 'b, V: Vector> {
    /// How many lanes have a row.
    pub(crate) rows: usize,
    pub(crate) tile: &'a Tile<'b, V>,
    pub(crate) tau: V,
    pub(crate) unit: UnitExp<ANY>,
    /// Whether the record is full.
    pub(crate) full: bool,
    pub(crate) kept: &'a mut Kept<V>,
}

impl<'b, V: Vector> Task for Transposed<'_, 'b, V> {
    type Output = Facts<V, V>;

    #[inline(always)]
    fn run(self) -> Facts<V, V> {
        let extremes = self.tile.extremes();
        let max = [extremes.student.max, extremes.teacher.max];
        let mut terms = SumTerms {
            exponentials: Exponentials::tempered::<Tile<V>>(max, self.tau),
            unit: self.unit,
            full: self.full,
            hook: self.kept,
        };
        let facts = Facts::unmasked(extremes, terms.over::<false, _>(self.tile));
        let has_row = V::from_array(&LANE_NUMBERS).lt(V::splat(self.rows as f32));
        Facts {
            valid: facts.valid & has_row,
            ..facts
        }
    }
}

impl<V: Vector> SweepHook<V> for &mut Kept<V> {
    #[inline(always)]
    fn vector(&mut self, at: usize, exponentials: [V; 3]) {
        for (kept, e) in self.0.iter_mut().zip(exponentials) {
            kept[at] = e;
        }
    }
}

impl<V: Vector> Kept<V> {
    /// Writes the gradient of these rows.
    #[inline(always)]
    pub(crate) fn gradient(
        &self,
        tile: &Tile<V>,
        rows: V::Mask,
        factors: &GradientFactors<V>,
        gradient: &mut [V],
    ) {
        let [of_s, of_t, unit] = &self.0;
        for (class, g) in gradient[..tile.classes()].iter_mut().enumerate() {
            let is_label = tile.y.eq(V::splat(class as f32));
            let other = factors.of(of_s[class], of_t[class], unit[class]);
            *g = V::select(rows, V::select(is_label, factors.label, other), *g);
        }
    }
}

impl<V: Vector> SumStableKl<V> for Tile<'_, V> {
    #[inline(always)]
    fn sum(&self, terms: &StableKl<V>, _: u32) -> V {
        terms.of(self)
    }
}
