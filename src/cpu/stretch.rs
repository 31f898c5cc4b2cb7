//! A stretch of rows, one after the other or side by side. It knows types as values, so that it is
//! compiled once per instruction set.

use super::beside::Carried;
use super::clean::{self, Given};
use super::layout::{
    Any, Bf16s, Foresight, Formats, Matrix, MatrixMut, NO_LABEL, RowGradient, Singles, Wide,
};
use super::regime::{Regime, is_short};
use super::row::{Inputs, Row};
use super::scratch::{Line, Scratch, lines, with_room};
use super::simd::{Isa, MOST_LANES, Program, Task, Vector, map};
use super::tree::Tree;
use crate::spec::{Format, IGNORE, LossSpec, RowFlags, RowStats, StatsLevel};
use std::marker::PhantomData;
use std::ops::Range;

/// A stretch of rows.
pub(super) struct Stretch<'a> {
    pub(super) spec: &'a LossSpec,
    pub(super) classes: usize,
    /// How many rows are summed one after the other.
    pub(super) leaf: usize,
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
    /// The caller's room for exponentials, instead of the thread's.
    pub(super) scratch: Option<&'a mut [Line]>,
}

/// Runs it; gives its part of the total.
pub(super) fn run(isa: Isa, stretch: Stretch) -> f64 {
    isa.run(stretch)
}

impl Program for Stretch<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector>(mut self) -> f64 {
        match Regime::of(self.spec, self.classes) {
            Regime::Tiles => return self.tiles::<V>(),
            Regime::Groups => {}
            Regime::Rows => return self.one_by_one::<V>(),
        }
        match [self.student.format(), self.teacher.format()] {
            [Format::F32, Format::F32] => self.groups::<V, Singles>(),
            [Format::Bf16, Format::Bf16] => self.groups::<V, Bf16s>(),
            _ => self.groups::<V, Any>(),
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

/// The class of a label.
pub(super) fn label_class(label: i32) -> usize {
    if label == IGNORE {
        NO_LABEL
    } else {
        label as usize
    }
}

impl<'a> Stretch<'a> {
    /// The temperature of a row.
    #[inline(always)]
    pub(super) fn tau_of(&self, i: usize) -> f32 {
        self.tau.map_or(self.one_tau, |tau| tau[i])
    }

    /// A row across many lanes.
    #[inline(always)]
    pub(super) fn wide<V: Vector, F: Formats>(&self, i: usize) -> Wide<'a, V, F> {
        let y = label_class(self.labels[i]);
        Wide::new(self.student.row(i), self.teacher.row(i), y)
    }

    /// What looks for the extremes of a row ahead, if there is one here.
    #[inline(always)]
    pub(super) fn foresight<V: Vector, F: Formats>(
        &self,
        i: usize,
        wanted: bool,
    ) -> Option<Foresight<'a, V, F>> {
        (wanted && i < self.labels.len()).then(|| Foresight::new(self.wide(i)))
    }

    /// A row's label, weights and temperature.
    #[inline(always)]
    fn inputs(&self, i: usize) -> Inputs<f32> {
        Inputs {
            weight: self.weight.map_or(1.0, |w| w[i]),
            kd_weight: self.kd_weight.map_or(1.0, |w| w[i]),
            tau: self.tau_of(i),
            scale: self.scale,
        }
    }

    /// The same of several rows, as lanes.
    #[inline(always)]
    pub(super) fn given<V: Vector>(&self, rows: Range<usize>) -> Given<V> {
        let mut lanes = [[0.0_f32; MOST_LANES]; 4];
        lanes[2] = [1.0; MOST_LANES];
        lanes[3] = [-1.0; MOST_LANES];
        for (lane, i) in rows.enumerate() {
            let inputs = self.inputs(i);
            lanes[0][lane] = inputs.weight;
            lanes[1][lane] = inputs.kd_weight;
            lanes[2][lane] = inputs.tau;
            if self.labels[i] != IGNORE {
                lanes[3][lane] = self.labels[i] as f32;
            }
        }
        let [weight, kd_weight, tau, y] = map(lanes.each_ref(), V::from_lanes);
        let inputs = Inputs {
            weight,
            kd_weight,
            tau,
            scale: map(self.scale, V::splat),
        };
        Given { y, inputs }
    }

    /// All rows, each across many lanes.
    #[inline(always)]
    fn groups<V: Vector, F: Formats>(&mut self) -> f64 {
        // Without a gradient nothing is kept, and long rows stay where they are.
        let keeps = self.gradient.is_some() || is_short(self.classes);
        let lines = if keeps { lines(self.classes) } else { 0 };
        with_room(self.scratch.take(), lines, |room| match room {
            None => self.one_by_one::<V>(),
            Some(scratch) => V::enter(Groups::<V, F> {
                stretch: self,
                scratch,
                kinds: PhantomData,
            }),
        })
    }

    /// All rows, whatever they are.
    #[inline(always)]
    fn one_by_one<V: Vector>(&mut self) -> f64 {
        by_leaves(0..self.labels.len(), self.leaf, |rows| {
            rows.fold(0.0, |total, i| self.one::<V>(i, total))
        })
    }

    /// Several rows at a time.
    #[inline(always)]
    fn together<V: Vector, F: Formats>(
        &mut self,
        rows: Range<usize>,
        scratch: &mut Scratch,
        carried: &mut Carried,
    ) -> f64 {
        let mut total = 0.0;
        let together = clean::rows::<V>(self.classes);
        for first in rows.clone().step_by(together) {
            let group = first..rows.end.min(first + together);
            let given = self.given::<V>(group.clone());
            let cleaned = clean::run::<V, F>(self, group.clone(), &given, scratch, carried);
            for (lane, i) in group.enumerate() {
                if cleaned.done >> lane & 1 == 0 {
                    total = self.one::<V>(i, total);
                    continue;
                }
                let floats = cleaned.floats.each_ref().map(|lanes| lanes[lane]);
                let tops = cleaned.tops.each_ref().map(|lanes| lanes[lane]);
                let marks = Marks {
                    wrong: cleaned.wrong >> lane & 1 == 1,
                    agree: tops[0] == tops[1],
                    infinite: cleaned.infinite >> lane & 1 == 1,
                    nonfinite: false,
                };
                let stats = self.record(i, floats, tops.map(|top| top as u32), marks);
                total = self.count(i, stats, total);
            }
        }
        total
    }

    /// One row of any kind.
    #[inline(always)]
    fn one<V: Vector>(&mut self, i: usize, total: f64) -> f64 {
        let inputs = self.inputs(i);
        let y = label_class(self.labels[i]);
        let mut sink = RowGradient::<Any>::new(self.gradient.as_mut(), i, y);
        let row = Row {
            spec: self.spec,
            level: self.level,
            layout: &Wide::<V, Any>::new(self.student.row(i), self.teacher.row(i), y),
            inputs,
            sink: &mut sink,
        };
        let record = V::enter(row);
        if record.nonfinite {
            sink.fill(value_of_refused(inputs.weight));
        }
        let marks = Marks {
            wrong: record.wrong,
            agree: record.agree,
            infinite: record.infinite,
            nonfinite: record.nonfinite,
        };
        let tops = record.tops.map(|top| top as u32);
        let stats = self.record(i, record.floats, tops, marks);
        self.count(i, stats, total)
    }

    /// The record of row `i`.
    #[inline(always)]
    pub(super) fn record(
        &self,
        i: usize,
        floats: [f32; 13],
        [teacher_top, student_top]: [u32; 2],
        marks: Marks,
    ) -> RowStats {
        let inputs = self.inputs(i);
        let flags = RowFlags::default()
            .with_if(self.labels[i] == IGNORE, RowFlags::IGNORED)
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
    pub(super) fn count(&mut self, i: usize, stats: RowStats, total: f64) -> f64 {
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

/// All rows, several at a time.
struct Groups<'a, 'b, 'c, V, F> {
    stretch: &'a mut Stretch<'b>,
    scratch: &'a mut Scratch<'c>,
    kinds: PhantomData<(V, F)>,
}

impl<V: Vector, F: Formats> Task for Groups<'_, '_, '_, V, F> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let (stretch, scratch, mut carried) = (self.stretch, self.scratch, Carried::default());
        let total = by_leaves(0..stretch.labels.len(), stretch.leaf, |rows| {
            stretch.together::<V, F>(rows, scratch, &mut carried)
        });
        clean::finish::<V, F>(stretch, scratch, &carried);
        total
    }
}

/// What a row turned out to be.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    pub(super) wrong: bool,
    pub(super) agree: bool,
    pub(super) infinite: bool,
    pub(super) nonfinite: bool,
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
