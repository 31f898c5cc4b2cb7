//! Rows across the lanes whose exponentials are kept: one group after the other.

use super::leaves::by_leaves;
use super::rows::RowBlock;
use crate::cpu::regime::{Regime, group_rows};
use crate::cpu::row::forward_kl::{ReviseLanes, RevisedLanes};
use crate::cpu::row::inputs::Facts;
use crate::cpu::row::sums::{ANY, FIRST, FOURTH, OTHER, Power, SECOND, UnitExp};
use crate::cpu::simd::{Mask, Task, Vector};
use crate::cpu::sweep::group::Group;
use crate::cpu::sweep::pending::{InFlight, PendingGradient};
use crate::cpu::sweep::rows::ReadAgain;
use crate::cpu::sweep::scratch::{Scratch, lines, padded_len, with_scratch};
use crate::cpu::sweep::staged::Staged;
use crate::cpu::sweep::streamed::Streamed;
use crate::cpu::sweep::{Formats, with_formats};
use crate::spec::StatsLevel;
use std::marker::PhantomData;
use std::ops::Range;

impl RowBlock<'_> {
    /// Groups of rows across the lanes, whose exponentials are kept.
    #[inline(always)]
    pub(super) fn in_groups<V: Vector>(&mut self, regime: Regime) -> f64 {
        // Without a gradient nothing is kept, and streamed rows are not copied either.
        let keeps = self.rows.gradient.is_some() || regime == Regime::Staged;
        let lines = if keeps { lines(self.rows.classes) } else { 0 };
        // SAFETY: one thread works on this block, and has done with it before it takes another one.
        let given = self.scratch.and_then(|pieces| unsafe { pieces.mine() });
        with_scratch(given, lines, |scratch| match scratch {
            None => self.general::<V>(),
            Some(scratch) => V::vectorize(Groups {
                block: self,
                regime,
                scratch,
                vectors: PhantomData::<V>,
            }),
        })
    }

    /// At most as many rows across the lanes as there are lanes; those that are special one by one.
    #[inline(always)]
    fn group<V: Vector>(
        &mut self,
        range: Range<usize>,
        regime: Regime,
        scratch: &mut Scratch,
        in_flight: &mut InFlight,
        unit: UnitExp<ANY>,
        total: f64,
    ) -> f64 {
        let inputs = self.lane_inputs::<V>(range.clone());
        let full = self.level == StatsLevel::Full;
        let formats = self.rows.formats();
        let group = Group {
            rows: &mut self.rows,
            range: range.clone(),
            labels: inputs.label,
            full,
            scratch,
            in_flight,
            unit,
        };
        let facts = with_formats!(formats, F => swept::<V, F>(regime, group));
        let RevisedLanes {
            rows: done,
            outcome,
            gradient,
        } = V::vectorize(ReviseLanes {
            spec: self.spec,
            classes: self.rows.classes,
            full,
            inputs: &inputs,
            facts: &facts,
            stable: &ReadAgain {
                rows: &self.rows,
                first: range.start,
            },
        });
        let (done, outcomes, factors) = (done.bits(), outcome.by_row(), gradient.map(V::to_array));
        range.enumerate().fold(total, |total, (lane, i)| {
            if done >> lane & 1 == 0 {
                return self.one::<V>(i, total);
            }
            if self.rows.gradient.is_some() {
                in_flight.gradients[lane] = Some(PendingGradient {
                    row: i,
                    factors: factors.map(|lanes| lanes[lane]),
                });
            }
            self.finish(i, &outcomes.row(lane), total)
        })
    }
}

/// All rows, group by group.
struct Groups<'a, 'b, 'c, V> {
    block: &'a mut RowBlock<'b>,
    regime: Regime,
    scratch: &'a mut Scratch<'c>,
    vectors: PhantomData<V>,
}

impl<V: Vector> Task for Groups<'_, '_, '_, V> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let (block, scratch, regime) = (self.block, self.scratch, self.regime);
        let unit = UnitExp::by(block.spec);
        let mut in_flight = InFlight::default();
        let together = group_rows(padded_len::<V>(block.rows.classes), V::LANES);
        let total = by_leaves(0..block.rows.len(), block.leaf, |rows| {
            let mut total = 0.0;
            for first in rows.clone().step_by(together) {
                let range = first..rows.end.min(first + together);
                total = block.group::<V>(range, regime, scratch, &mut in_flight, unit, total);
            }
            total
        });
        in_flight.write_all::<V>(&mut block.rows, scratch, unit);
        total
    }
}

/// The facts of a group, by the sweep that is compiled for its formats and its temperature.
#[inline(always)]
fn swept<V: Vector, F: Formats>(regime: Regime, group: Group<V>) -> Facts<V, V> {
    match group.unit.power() {
        // What is slower anyway is compiled once.
        _ if !F::IS_KNOWN => swept_by::<V, F, ANY>(regime, group),
        Power::Fourth => swept_by::<V, F, FOURTH>(regime, group),
        _ if !V::KNOWS_POWERS => swept_by::<V, F, ANY>(regime, group),
        Power::First => swept_by::<V, F, FIRST>(regime, group),
        Power::Second => swept_by::<V, F, SECOND>(regime, group),
        Power::Other => swept_by::<V, F, OTHER>(regime, group),
    }
}

#[inline(always)]
fn swept_by<V: Vector, F: Formats, const P: usize>(regime: Regime, group: Group<V>) -> Facts<V, V> {
    if regime == Regime::Staged {
        V::outline(Staged::<V, F, P>(group, PhantomData))
    } else {
        V::outline(Streamed::<V, F, P>(group, PhantomData))
    }
}
