//! The rows of a block: what each comes with, and how each ends.

use super::leaves::by_leaves;
use crate::cpu::row::general::Row;
use crate::cpu::row::inputs::{Inputs, Outcome};
use crate::cpu::simd::{MAX_LANES, Vector, map};
use crate::cpu::sweep::AnyFormat;
use crate::cpu::sweep::rows::Rows;
use crate::cpu::sweep::scratch::Pieces;
use crate::spec::{IGNORE, LossSpec, RowFlags, RowStats, StatsLevel};
use std::ops::Range;

/// A block of rows.
pub(crate) struct RowBlock<'a> {
    pub(crate) spec: &'a LossSpec,
    pub(crate) rows: Rows<'a>,
    /// How many rows are summed one after the other.
    pub(crate) leaf: usize,
    pub(crate) level: StatsLevel,
    pub(crate) weight: Option<&'a [f32]>,
    pub(crate) kd_weight: Option<&'a [f32]>,
    /// `upstream · inv_n` of right and of wrong rows.
    pub(crate) scale: [f32; 2],
    pub(crate) stats: &'a mut [RowStats],
    /// The caller's scratch, instead of the threads'.
    pub(crate) scratch: Option<&'a Pieces<'a>>,
}

#[cfg(feature = "rayon")]
impl RowBlock<'_> {
    /// The first rows, and the others.
    pub(crate) fn split_at(self, rows: usize) -> (Self, Self) {
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
    pub(super) fn general<V: Vector>(&mut self) -> f64 {
        by_leaves(0..self.rows.len(), self.leaf, |rows| {
            rows.fold(0.0, |total, i| self.one::<V>(i, total))
        })
    }

    /// One row, for any loss.
    #[inline(always)]
    pub(super) fn one<V: Vector>(&mut self, i: usize, total: f64) -> f64 {
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
    pub(super) fn lane_inputs<V: Vector>(&self, rows: Range<usize>) -> Inputs<V> {
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
    pub(super) fn finish(&mut self, i: usize, outcome: &Outcome<f32, usize>, total: f64) -> f64 {
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
