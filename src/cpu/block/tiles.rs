//! Rows side by side: one tile after the other.

use super::leaves::by_leaves;
use super::rows::RowBlock;
use crate::cpu::regime::{TILE_CLASSES, is_forward_throughout};
use crate::cpu::row::forward_kl::{ReviseLanes, RevisedLanes};
use crate::cpu::row::general::Row;
use crate::cpu::row::inputs::{Inputs, Outcome};
use crate::cpu::row::layout::Layout;
use crate::cpu::row::sums::UnitExp;
use crate::cpu::simd::{Mask, Task, Vector};
use crate::cpu::sweep::tile::{Tile, TileGradient};
use crate::cpu::sweep::transposed::{Kept, Transposed};
use crate::spec::{LossSpec, StatsLevel};
use std::marker::PhantomData;
use std::ops::Range;

impl RowBlock<'_> {
    /// Rows side by side.
    #[inline(always)]
    pub(super) fn transposed<V: Vector>(&mut self) -> f64 {
        by_leaves(0..self.rows.len(), self.leaf, |rows| {
            V::vectorize(Tiles::<V> {
                block: self,
                rows,
                vectors: PhantomData,
            })
        })
    }

    /// At most as many rows side by side as there are lanes.
    #[inline(always)]
    fn tile<V: Vector>(
        &mut self,
        range: Range<usize>,
        tile: &mut TileScratch<V>,
        total: f64,
    ) -> f64 {
        let classes = self.rows.classes;
        let s = self.rows.student.transpose_in::<V>(range.clone());
        let t = self.rows.teacher.transpose_in::<V>(range.clone());
        let inputs = self.lane_inputs::<V>(range.clone());
        let layout = Tile {
            s: &s[..classes],
            t: &t[..classes],
            y: inputs.label,
            labelled: !inputs.label.lt(V::splat(0.0)),
        };
        let outcome = if is_forward_throughout(self.spec) {
            self.forward_tile(range.len(), &layout, &inputs, tile)
        } else {
            self.any_tile(&layout, inputs, &mut tile.gradient)
        };
        if let Some(gradient) = &mut self.rows.gradient {
            gradient.transpose_out(range.clone(), &tile.gradient[..classes]);
        }
        let outcomes = outcome.by_row();
        range.enumerate().fold(total, |total, (lane, i)| {
            self.finish(i, &outcomes.row(lane), total)
        })
    }

    /// Rows side by side under forward KL; those that are special for any loss.
    #[inline(always)]
    fn forward_tile<V: Vector>(
        &self,
        rows: usize,
        layout: &Tile<V>,
        inputs: &Inputs<V>,
        tile: &mut TileScratch<V>,
    ) -> Outcome<V, V> {
        let RevisedLanes {
            rows: done,
            outcome,
            gradient,
        } = V::vectorize(ForwardTile {
            spec: self.spec,
            inputs,
            sweep: Transposed {
                rows,
                tile: layout,
                tau: inputs.tau,
                unit: UnitExp::by(self.spec),
                full: self.level == StatsLevel::Full,
                kept: &mut tile.kept,
            },
        });
        let special = !done.bits() & ((1 << rows) - 1);
        let outcome = if special == 0 {
            outcome
        } else {
            let all = self.any_tile(layout, *inputs, &mut tile.gradient);
            outcome.or(done, &all)
        };
        if self.rows.gradient.is_some() {
            tile.kept
                .gradient(layout, done, &gradient, &mut tile.gradient);
        }
        outcome
    }

    /// Rows side by side, for any loss.
    #[inline(always)]
    fn any_tile<V: Vector>(
        &self,
        layout: &Tile<V>,
        inputs: Inputs<V>,
        gradient: &mut [V; TILE_CLASSES],
    ) -> Outcome<V, V> {
        let mut sink = TileGradient {
            values: &mut gradient[..self.rows.classes],
            y: inputs.label,
            is_open: self.rows.gradient.is_some(),
        };
        let outcome = V::vectorize(Row {
            spec: self.spec,
            level: self.level,
            layout,
            inputs,
            sink: &mut sink,
        });
        if outcome.nonfinite.any() {
            let off = inputs.weight.eq(V::splat(0.0));
            let nonfinite = V::select(off, V::splat(0.0), V::splat(f32::NAN));
            for value in gradient {
                *value = V::select(outcome.nonfinite, nonfinite, *value);
            }
        }
        outcome
    }
}

/// What tiles use one after the other.
struct TileScratch<V> {
    gradient: [V; TILE_CLASSES],
    kept: Kept<V>,
}

/// Rows side by side, tile by tile.
struct Tiles<'a, 'b, V> {
    block: &'a mut RowBlock<'b>,
    rows: Range<usize>,
    vectors: PhantomData<V>,
}

impl<V: Vector> Task for Tiles<'_, '_, V> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let zeros = [V::splat(0.0); TILE_CLASSES];
        let mut tile = TileScratch {
            gradient: zeros,
            kept: Kept([zeros; 3]),
        };
        let mut total = 0.0;
        for first in self.rows.clone().step_by(V::LANES) {
            let range = first..self.rows.end.min(first + V::LANES);
            total = self.block.tile::<V>(range, &mut tile, total);
        }
        total
    }
}

/// Rows side by side under forward KL: both steps as one function.
struct ForwardTile<'a, 'b, V: Vector> {
    spec: &'a LossSpec,
    inputs: &'a Inputs<V>,
    sweep: Transposed<'a, 'b, V>,
}

impl<V: Vector> Task for ForwardTile<'_, '_, V> {
    type Output = RevisedLanes<V>;

    #[inline(always)]
    fn run(self) -> RevisedLanes<V> {
        let (tile, full) = (self.sweep.tile, self.sweep.full);
        let facts = self.sweep.run();
        let revise = ReviseLanes {
            spec: self.spec,
            classes: tile.classes(),
            full,
            inputs: self.inputs,
            facts: &facts,
            stable: tile,
        };
        revise.run()
    }
}
