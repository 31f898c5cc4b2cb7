//! A block's rows as the sweeps see them.

use super::format::{Formats, with_formats};
use super::matrix::{Matrix, MatrixMut};
use super::vectors::{RowGradient, label_class};
use super::wide::{ExtremesScan, Wide};
use crate::cpu::row::forward_kl::{StableKl, SumStableKl};
use crate::cpu::simd::{MAX_LANES, Task, Vector};
use crate::spec::Format;

/// Rows that one thread works on.
pub(crate) struct Rows<'a> {
    pub(crate) classes: usize,
    pub(crate) labels: &'a [i32],
    pub(crate) tau: Option<&'a [f32]>,
    /// The temperature of rows without their own.
    pub(crate) one_tau: f32,
    pub(crate) student: Matrix<'a>,
    pub(crate) teacher: Matrix<'a>,
    pub(crate) gradient: Option<MatrixMut<'a>>,
}

impl<'a> Rows<'a> {
    /// How many.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The first rows, and the others.
    #[cfg(feature = "rayon")]
    pub(crate) fn split_at(self, rows: usize) -> (Self, Self) {
        let labels = self.labels.split_at(rows);
        let tau = self.tau.map(|tau| tau.split_at(rows)).unzip();
        let (student, teacher) = (self.student.split_at(rows), self.teacher.split_at(rows));
        let gradient = self.gradient.map(|g| g.split_at(rows)).unzip();
        (
            Self {
                labels: labels.0,
                tau: tau.0,
                student: student.0,
                teacher: teacher.0,
                gradient: gradient.0,
                ..self
            },
            Self {
                labels: labels.1,
                tau: tau.1,
                student: student.1,
                teacher: teacher.1,
                gradient: gradient.1,
                ..self
            },
        )
    }

    /// The temperature of a row.
    #[inline(always)]
    pub(crate) fn tau_of(&self, i: usize) -> f32 {
        self.tau.map_or(self.one_tau, |tau| tau[i])
    }

    /// A row across the lanes.
    #[inline(always)]
    pub(crate) fn wide<V: Vector, F: Formats>(&self, i: usize) -> Wide<'a, V, F> {
        let y = label_class(self.labels[i]);
        Wide::new(self.student.row(i), self.teacher.row(i), y)
    }

    /// A row's gradient, where there is room for it.
    #[inline(always)]
    pub(crate) fn gradient_of<F: Formats>(&mut self, i: usize) -> Option<RowGradient<'_, F>> {
        let y = label_class(self.labels[i]);
        self.gradient.as_mut().map(|gradient| gradient.row(i, y))
    }

    /// The formats of student and teacher.
    #[inline(always)]
    pub(crate) fn formats(&self) -> [Format; 2] {
        [self.student.format(), self.teacher.format()]
    }

    /// A scan for a row's extremes, if there is such a row.
    #[inline(always)]
    pub(super) fn scan<V: Vector, F: Formats>(&self, i: usize) -> Option<ExtremesScan<'a, V, F>> {
        (i < self.len()).then(|| ExtremesScan::new(self.wide(i)))
    }
}

/// Rows across the lanes, from the first on, which are read again for the terms of `D`.
pub(crate) struct ReadAgain<'a, 'b> {
    pub(crate) rows: &'a Rows<'b>,
    pub(crate) first: usize,
}

impl<V: Vector> SumStableKl<V> for ReadAgain<'_, '_> {
    #[inline(always)]
    fn sum(&self, terms: &StableKl<V>, rows: u32) -> V {
        let terms = terms.map(V::to_array);
        let mut values = [0.0; MAX_LANES];
        for (lane, value) in values[..V::LANES].iter_mut().enumerate() {
            if rows >> lane & 1 == 1 {
                let terms = terms.map(|lanes| lanes[lane]);
                let i = self.first + lane;
                *value = with_formats!(self.rows.formats(), F => {
                    V::outline(StableKlOfRow(terms, self.rows.wide::<V, F>(i)))
                });
            }
        }
        V::from_array(&values)
    }
}

/// The terms of one row.
struct StableKlOfRow<'a, V, F>(StableKl<f32>, Wide<'a, V, F>);

impl<V: Vector, F: Formats> Task for StableKlOfRow<'_, V, F> {
    type Output = f32;

    #[inline(always)]
    fn run(self) -> f32 {
        self.0.of(&self.1)
    }
}
