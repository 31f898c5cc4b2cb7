//! A stretch of rows, one after the other or side by side. It knows types as values, so that it is
//! compiled once per instruction set.

use super::layout::{
    Any, Formats, Matrix, MatrixMut, NO_LABEL, RowGradient, Singles, TILE_CLASSES, Tile,
    TileGradient, Wide,
};
use super::row::{Inputs, Row};
use super::simd::{Isa, MOST_LANES, Mask, Program, Vector, map};
use super::sums::Scratch;
use crate::spec::{Format, IGNORE, LossSpec, RowFlags, RowStats, StatsLevel};

/// A stretch of rows.
pub(super) struct Stretch<'a> {
    pub(super) spec: &'a LossSpec,
    pub(super) classes: usize,
    pub(super) level: StatsLevel,
    pub(super) labels: &'a [i32],
    pub(super) weight: Option<&'a [f32]>,
    pub(super) kd_weight: Option<&'a [f32]>,
    pub(super) tau: Option<&'a [f32]>,
    /// The temperature of rows without their own.
    pub(super) one_tau: f32,
    /// `upstream · inv_n` of right and of wrong rows.
    pub(super) scale: [f32; 2],
    pub(super) teacher: Matrix<'a>,
    pub(super) student: Matrix<'a>,
    pub(super) gradient: Option<MatrixMut<'a>>,
    pub(super) stats: &'a mut [RowStats],
}

/// Runs it; gives its part of the total.
pub(super) fn run(isa: Isa, stretch: Stretch) -> f64 {
    isa.run(stretch)
}

impl Program for Stretch<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(mut self) -> f64 {
        let (rows, mut total) = (self.labels.len(), 0.0);
        if self.classes < TILE_CLASSES {
            for first in (0..rows).step_by(V::LANES) {
                total = self.side_by_side::<V>(first, total);
            }
            return total;
        }
        let mut scratch = Scratch::new();
        let singles = [self.student.format(), self.teacher.format()] == [Format::F32; 2];
        for i in 0..rows {
            total = if singles {
                self.one::<V, Singles>(i, &mut scratch, total)
            } else {
                self.one::<V, Any>(i, &mut scratch, total)
            };
        }
        total
    }
}

impl Stretch<'_> {
    /// The row's label, weights and temperature.
    #[inline(always)]
    fn inputs(&self, i: usize) -> (i32, Inputs<f32>) {
        let inputs = Inputs {
            weight: self.weight.map_or(1.0, |w| w[i]),
            kd_weight: self.kd_weight.map_or(1.0, |w| w[i]),
            tau: self.tau.map_or(self.one_tau, |tau| tau[i]),
            scale: self.scale,
        };
        (self.labels[i], inputs)
    }

    /// The row `i`; `F` are its formats.
    #[inline(always)]
    fn one<V: Vector, F: Formats>(&mut self, i: usize, scratch: &mut Scratch, total: f64) -> f64 {
        let (label, inputs) = self.inputs(i);
        let y = if label == IGNORE {
            NO_LABEL
        } else {
            label as usize
        };
        let mut sink = RowGradient::new(self.gradient.as_mut(), i, y);
        let layout = Wide::<V, F>::new(self.student.row(i), self.teacher.row(i), y);
        let row = Row {
            spec: self.spec,
            level: self.level,
            layout: &layout,
            inputs,
            scratch: Some(scratch),
            sink: &mut sink,
        };
        let record = V::enter(row);
        if record.nonfinite {
            sink.fill(value_of_refused(inputs.weight));
        }
        let [teacher_top, student_top] = record.tops.map(|top| top as u32);
        let marks = Marks {
            wrong: record.wrong,
            agree: record.agree,
            infinite: record.infinite,
            nonfinite: record.nonfinite,
        };
        let tops = [teacher_top, student_top];
        let stats = self.record(label, inputs, record.floats, tops, marks);
        self.count(i, stats, total)
    }

    /// As many rows as there are lanes, from `first` on.
    #[inline(always)]
    fn side_by_side<V: Vector>(&mut self, first: usize, mut total: f64) -> f64 {
        let (rows, classes) = (V::LANES.min(self.labels.len() - first), self.classes);
        let rows = first..first + rows;
        let s = self.student.turned::<V>(rows.clone());
        let t = self.teacher.turned::<V>(rows.clone());
        let mut lanes = [[0.0_f32; MOST_LANES]; 4];
        lanes[2] = [1.0; MOST_LANES];
        lanes[3] = [-1.0; MOST_LANES];
        let mut given = [(IGNORE, Inputs::<f32>::NONE); MOST_LANES];
        for (lane, (i, given)) in rows.clone().zip(&mut given).enumerate() {
            *given = self.inputs(i);
            let (
                label,
                Inputs {
                    weight,
                    kd_weight,
                    tau,
                    ..
                },
            ) = *given;
            lanes[0][lane] = weight;
            lanes[1][lane] = kd_weight;
            lanes[2][lane] = tau;
            lanes[3][lane] = if label == IGNORE { -1.0 } else { label as f32 };
        }
        let [weight, kd_weight, tau, y] = map(lanes.each_ref(), V::from_lanes);
        let layout = Tile {
            s: &s[..classes],
            t: &t[..classes],
            y,
            labelled: !y.lt(V::splat(0.0)),
        };
        let mut values = [V::splat(0.0); TILE_CLASSES];
        let mut sink = TileGradient {
            values: &mut values[..classes],
            y,
            is_open: self.gradient.is_some(),
        };
        let row = Row {
            spec: self.spec,
            level: self.level,
            layout: &layout,
            inputs: Inputs {
                weight,
                kd_weight,
                tau,
                scale: map(self.scale, V::splat),
            },
            scratch: None,
            sink: &mut sink,
        };
        let record = V::enter(row);
        let refused = V::select(weight.eq(V::splat(0.0)), V::splat(0.0), V::splat(f32::NAN));
        if record.nonfinite.any() {
            for value in &mut values[..classes] {
                *value = V::select(record.nonfinite, refused, *value);
            }
        }
        if let Some(gradient) = &mut self.gradient {
            gradient.turn_back(rows.clone(), &values[..classes]);
        }
        let floats = map(record.floats, V::to_lanes);
        let tops = map(record.tops, V::to_lanes);
        let marks = [
            record.wrong,
            record.agree,
            record.infinite,
            record.nonfinite,
        ];
        let marks = map(marks, V::Mask::bits);
        for (lane, (i, &(label, inputs))) in rows.zip(&given).enumerate() {
            let [wrong, agree, infinite, nonfinite] = marks.map(|mask| mask >> lane & 1 == 1);
            let marks = Marks {
                wrong,
                agree,
                infinite,
                nonfinite,
            };
            let floats = floats.each_ref().map(|lanes| lanes[lane]);
            let tops = tops.each_ref().map(|lanes| lanes[lane] as u32);
            let stats = self.record(label, inputs, floats, tops, marks);
            total = self.count(i, stats, total);
        }
        total
    }

    /// The row's record.
    #[inline(always)]
    fn record(
        &self,
        label: i32,
        inputs: Inputs<f32>,
        floats: [f32; 13],
        [teacher_top, student_top]: [u32; 2],
        marks: Marks,
    ) -> RowStats {
        let flags = RowFlags::default()
            .with_if(label == IGNORE, RowFlags::IGNORED)
            .with_if(inputs.weight == 0.0, RowFlags::OFF)
            .with_if(inputs.kd_weight == 0.0, RowFlags::UNSELECTED);
        if marks.nonfinite {
            return refused(self.level, inputs.weight, flags | RowFlags::NONFINITE);
        }
        let mut words = [0.0; 16];
        words[..13].copy_from_slice(&floats);
        RowStats {
            teacher_top,
            student_top,
            flags: flags
                .with_if(marks.wrong, RowFlags::WRONG)
                .with_if(marks.agree, RowFlags::AGREE)
                .with_if(marks.infinite, RowFlags::INFINITE),
            ..bytemuck::cast(words)
        }
    }

    /// Writes the record of row `i` and adds the row's part to the total.
    #[inline(always)]
    fn count(&mut self, i: usize, stats: RowStats, total: f64) -> f64 {
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
}

/// What a row turned out to be.
#[derive(Clone, Copy)]
struct Marks {
    wrong: bool,
    agree: bool,
    infinite: bool,
    nonfinite: bool,
}

/// Loss and gradient of a row with NaN, +∞ or nothing but masks.
fn value_of_refused(weight: f32) -> f32 {
    if weight == 0.0 { 0.0 } else { f32::NAN }
}

/// The record of such a row: NaN throughout, or 0 where its weight is 0.
fn refused(level: StatsLevel, weight: f32, flags: RowFlags) -> RowStats {
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
    stats.loss = value_of_refused(weight);
    (stats.teacher_top, stats.student_top, stats.flags) = (u32::MAX, u32::MAX, flags);
    stats
}
