//! A block of rows, which one thread works on: each row takes the path that its regime names, and all of them
//! end in [`RowBlock::finish`]. It knows types as values, so that it is compiled once per instruction set.

use super::regime::TILE_CLASSES;
use super::regime::{Regime, group_rows, is_forward_throughout};
use super::row::forward_kl::{Finish, Finished};
use super::row::general::Row;
use super::row::inputs::{Inputs, Outcome};
use super::row::layout::Layout;
use super::row::sums::{AnyUnitExp, BySquaring, Recompute, UnitExp};
use super::simd::{Isa, Kernel, MAX_LANES, Mask, Task, Vector, map, outline};
use super::sweep::group::Group;
use super::sweep::pending::{InFlight, PendingGradient};
use super::sweep::rows::{Again, Rows};
use super::sweep::scratch::{Pieces, Scratch, lines, padded_len, with_scratch};
use super::sweep::staged::Staged;
use super::sweep::streamed::Streamed;
use super::sweep::tile::{Tile, TileGradient};
use super::sweep::transposed::{Kept, Transposed};
use super::sweep::{AnyFormat, Formats, OnlyBf16, OnlyF32};
use super::tree::Tree;
use crate::spec::{Format, IGNORE, LossSpec, RowFlags, RowStats, StatsLevel};
use std::marker::PhantomData;
use std::ops::Range;

/// A block of rows.
pub(super) struct RowBlock<'a> {
    pub(super) spec: &'a LossSpec,
    pub(super) rows: Rows<'a>,
    /// How many rows are summed one after the other.
    pub(super) leaf: usize,
    pub(super) level: StatsLevel,
    pub(super) weight: Option<&'a [f32]>,
    pub(super) kd_weight: Option<&'a [f32]>,
    /// `upstream · inv_n` of right and of wrong rows.
    pub(super) scale: [f32; 2],
    pub(super) stats: &'a mut [RowStats],
    /// The caller's scratch, instead of the threads'.
    pub(super) scratch: Option<&'a Pieces<'a>>,
}

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
            regime => match [self.rows.student.format(), self.rows.teacher.format()] {
                [Format::F32, Format::F32] => self.in_groups::<V, OnlyF32>(regime),
                [Format::Bf16, Format::Bf16] => self.in_groups::<V, OnlyBf16>(regime),
                _ => self.in_groups::<V, AnyFormat>(regime),
            },
        }
    }
}

/// Where rows are cut whose parts are summed pairwise, beyond `leaf` rows.
#[cfg(feature = "rayon")]
pub(super) fn middle(rows: usize, leaf: usize) -> usize {
    rows.div_ceil(leaf).next_power_of_two() / 2 * leaf
}

/// The rows' parts of the total, each of a leaf's rows in their order, summed as a tree that depends
/// on their number alone: threads may cut it where its two largest parts meet.
#[inline(always)]
fn by_leaves(rows: Range<usize>, leaf: usize, mut part: impl FnMut(Range<usize>) -> f64) -> f64 {
    let mut sums = Tree::<f64, 1>::new();
    for first in rows.clone().step_by(leaf) {
        sums.push([part(first..rows.end.min(first.saturating_add(leaf)))]);
    }
    let [total] = sums.total();
    total
}

#[cfg(feature = "rayon")]
impl RowBlock<'_> {
    /// The first rows, and the others.
    pub(super) fn split_at(self, rows: usize) -> (Self, Self) {
        let all = self.rows.split_at(rows);
        let weight = self.weight.map(|w| w.split_at(rows)).unzip();
        let kd_weight = self.kd_weight.map(|w| w.split_at(rows)).unzip();
        let stats = self.stats.split_at_mut(rows.min(self.stats.len()));
        (
            Self {
                rows: all.0,
                weight: weight.0,
                kd_weight: kd_weight.0,
                stats: stats.0,
                ..self
            },
            Self {
                rows: all.1,
                weight: weight.1,
                kd_weight: kd_weight.1,
                stats: stats.1,
                ..self
            },
        )
    }
}

impl RowBlock<'_> {
    /// Row by row, for any loss.
    #[inline(always)]
    fn general<V: Vector>(&mut self) -> f64 {
        by_leaves(0..self.rows.len(), self.leaf, |rows| {
            rows.fold(0.0, |total, i| self.one::<V>(i, total))
        })
    }

    /// Rows side by side.
    #[inline(always)]
    fn transposed<V: Vector>(&mut self) -> f64 {
        by_leaves(0..self.rows.len(), self.leaf, |rows| {
            V::vectorize(Tiles::<V> {
                block: self,
                rows,
                vectors: PhantomData,
            })
        })
    }

    /// Groups of rows across the lanes, whose exponentials are kept.
    #[inline(always)]
    fn in_groups<V: Vector, F: Formats>(&mut self, regime: Regime) -> f64 {
        // Without a gradient nothing is kept, and streamed rows are not copied either.
        let keeps = self.rows.gradient.is_some() || regime == Regime::Staged;
        let lines = if keeps { lines(self.rows.classes) } else { 0 };
        // SAFETY: one thread works on this block, and has done with it before it takes another one.
        let given = self.scratch.and_then(|pieces| unsafe { pieces.mine() });
        with_scratch(given, lines, |scratch| match scratch {
            None => self.general::<V>(),
            Some(scratch) => match AnyUnitExp::by(self.spec) {
                // What is slower anyway is compiled once.
                unit if !F::IS_KNOWN || !V::BY_POWER => self.groups::<V, F>(regime, scratch, unit),
                AnyUnitExp::Squared0 => self.groups::<V, F>(regime, scratch, BySquaring::<0>),
                AnyUnitExp::Squared1 => self.groups::<V, F>(regime, scratch, BySquaring::<1>),
                AnyUnitExp::Squared2 => self.groups::<V, F>(regime, scratch, BySquaring::<2>),
                AnyUnitExp::Recomputed => self.groups::<V, F>(regime, scratch, Recompute),
            },
        })
    }

    /// The groups, with the exponential at τ = 1 known to the compiler.
    #[inline(always)]
    fn groups<V: Vector, F: Formats>(
        &mut self,
        regime: Regime,
        scratch: &mut Scratch,
        unit: impl UnitExp,
    ) -> f64 {
        V::vectorize(Groups {
            block: self,
            regime,
            scratch,
            unit,
            kinds: PhantomData::<(V, F)>,
        })
    }

    /// One row, for any loss.
    #[inline(always)]
    fn one<V: Vector>(&mut self, i: usize, total: f64) -> f64 {
        let inputs = self.inputs(i);
        let layout = self.rows.wide::<V, AnyFormat>(i);
        let mut gradient = self.rows.gradient_of::<AnyFormat>(i);
        let outcome = V::vectorize(Row {
            spec: self.spec,
            level: self.level,
            layout: &layout,
            inputs,
            sink: &mut gradient,
        });
        if let Some(gradient) = gradient.as_mut().filter(|_| outcome.nonfinite) {
            gradient.fill(nonfinite_value(inputs.weight));
        }
        self.finish(i, &outcome, total)
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
        let Finished {
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
                unit: AnyUnitExp::by(self.spec),
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

    /// At most as many rows across the lanes as there are lanes; those that are special one by one.
    #[inline(always)]
    fn group<V: Vector, F: Formats>(
        &mut self,
        range: Range<usize>,
        regime: Regime,
        scratch: &mut Scratch,
        in_flight: &mut InFlight,
        unit: impl UnitExp,
        total: f64,
    ) -> f64 {
        let inputs = self.lane_inputs::<V>(range.clone());
        let full = self.level == StatsLevel::Full;
        let group = Group {
            rows: &mut self.rows,
            range: range.clone(),
            labels: inputs.label,
            full,
            scratch,
            in_flight,
            unit,
            formats: PhantomData::<F>,
        };
        let facts = if regime == Regime::Staged {
            outline::<V, _>(Staged(group))
        } else {
            outline::<V, _>(Streamed(group))
        };
        let Finished {
            rows: done,
            outcome,
            gradient,
        } = V::vectorize(Finish {
            spec: self.spec,
            classes: self.rows.classes,
            full,
            inputs: &inputs,
            facts: &facts,
            stable: &Again {
                rows: &self.rows,
                first: range.start,
                formats: PhantomData::<F>,
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

    /// A row's weights and temperature.
    #[inline(always)]
    fn inputs(&self, i: usize) -> Inputs<f32> {
        let label = self.rows.labels[i];
        Inputs {
            label: if label == IGNORE { -1.0 } else { label as f32 },
            weight: self.weight.map_or(1.0, |w| w[i]),
            kd_weight: self.kd_weight.map_or(1.0, |w| w[i]),
            tau: self.rows.tau_of(i),
            scale: self.scale,
        }
    }

    /// Those of several rows, one per lane.
    #[inline(always)]
    fn lane_inputs<V: Vector>(&self, rows: Range<usize>) -> Inputs<V> {
        let mut lanes = [[0.0_f32; MAX_LANES]; 4];
        lanes[2] = [1.0; MAX_LANES];
        lanes[3] = [-1.0; MAX_LANES];
        for (lane, i) in rows.enumerate() {
            let inputs = self.inputs(i);
            lanes[0][lane] = inputs.weight;
            lanes[1][lane] = inputs.kd_weight;
            lanes[2][lane] = inputs.tau;
            lanes[3][lane] = inputs.label;
        }
        let [weight, kd_weight, tau, label] = map(lanes.each_ref(), V::from_array);
        Inputs {
            label,
            weight,
            kd_weight,
            tau,
            scale: map(self.scale, V::splat),
        }
    }

    /// Ends a row, whatever its path: writes its record, and adds its part to the total.
    #[inline(always)]
    fn finish(&mut self, i: usize, outcome: &Outcome<f32, usize>, total: f64) -> f64 {
        let stats = self.record(i, outcome);
        if let Some(record) = self.stats.get_mut(i) {
            *record = stats;
        }
        let scale = self.scale[usize::from(stats.flags.contains(RowFlags::WRONG))];
        // A scale of 0 takes the loss out, even an infinite one.
        if scale != 0.0 || stats.loss.is_nan() {
            total + f64::from(scale) * f64::from(stats.loss)
        } else {
            total
        }
    }

    /// The record of a row.
    #[inline(always)]
    fn record(&self, i: usize, outcome: &Outcome<f32, usize>) -> RowStats {
        let inputs = self.inputs(i);
        let flags = RowFlags::default()
            .with_if(self.rows.labels[i] == IGNORE, RowFlags::IGNORED)
            .with_if(inputs.weight == 0.0, RowFlags::OFF)
            .with_if(inputs.kd_weight == 0.0, RowFlags::UNSELECTED);
        if outcome.nonfinite {
            return nonfinite_record(self.level, inputs.weight, flags | RowFlags::NONFINITE);
        }
        let mut words = [0.0; 16];
        words[..13].copy_from_slice(&outcome.floats);
        let [teacher_top, student_top] = outcome.tops.map(|top| top as u32);
        RowStats {
            teacher_top,
            student_top,
            flags: flags
                .with_if(outcome.wrong, RowFlags::WRONG)
                .with_if(outcome.agree, RowFlags::AGREE)
                .with_if(outcome.infinite, RowFlags::INFINITE),
            ..bytemuck::cast(words)
        }
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
    type Output = Finished<V>;

    #[inline(always)]
    fn run(self) -> Finished<V> {
        let (tile, full) = (self.sweep.tile, self.sweep.full);
        let facts = self.sweep.run();
        let finish = Finish {
            spec: self.spec,
            classes: tile.classes(),
            full,
            inputs: self.inputs,
            facts: &facts,
            stable: tile,
        };
        finish.run()
    }
}

/// All rows, group by group.
struct Groups<'a, 'b, 'c, V, F, U> {
    block: &'a mut RowBlock<'b>,
    regime: Regime,
    scratch: &'a mut Scratch<'c>,
    unit: U,
    kinds: PhantomData<(V, F)>,
}

impl<V: Vector, F: Formats, U: UnitExp> Task for Groups<'_, '_, '_, V, F, U> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let (block, scratch, regime, unit) = (self.block, self.scratch, self.regime, self.unit);
        let mut in_flight = InFlight::default();
        let together = group_rows(padded_len::<V>(block.rows.classes), V::LANES);
        let total = by_leaves(0..block.rows.len(), block.leaf, |rows| {
            let mut total = 0.0;
            for first in rows.clone().step_by(together) {
                let range = first..rows.end.min(first + together);
                total = block.group::<V, F>(range, regime, scratch, &mut in_flight, unit, total);
            }
            total
        });
        in_flight.write_all::<V, F>(&mut block.rows, scratch, unit);
        total
    }
}

/// Loss and gradient of a row with NaN, +∞ or nothing but masks.
fn nonfinite_value(weight: f32) -> f32 {
    if weight == 0.0 { 0.0 } else { f32::NAN }
}

/// The record of such a row: NaN throughout, a loss of 0 where its weight is 0.
fn nonfinite_record(level: StatsLevel, weight: f32, flags: RowFlags) -> RowStats {
    let mut stats = RowStats {
        kd: f32::NAN,
        ce: f32::NAN,
        tau: f32::NAN,
        beta: f32::NAN,
        ..RowStats::default()
    };
    if level == StatsLevel::Full {
        stats = bytemuck::cast([f32::NAN; 16]);
    }
    stats.loss = nonfinite_value(weight);
    (stats.teacher_top, stats.student_top, stats.flags) = (u32::MAX, u32::MAX, flags);
    stats
}
