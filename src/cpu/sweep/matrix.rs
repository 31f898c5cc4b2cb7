//! Rows in memory, of any format.

use super::format::{AnyFormat, Formats, OnlyF32};
use super::vectors::{NO_LABEL, RowGradient, Source};
use crate::batch::check::Strides;
use crate::batch::{Element, RowLogits};
use crate::cpu::regime::TILE_CLASSES;
use crate::cpu::simd::{MAX_LANES, Vector, map};
use crate::spec::Format;
use std::marker::PhantomData;
use std::ops::Range;

/// Rows of logits, `stride` values apart.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    start: *const u8,
    format: Format,
    stride: usize,
    rows: usize,
    classes: usize,
    matrix: PhantomData<&'a [u8]>,
}

/// Rows of logits or of their gradient that are written.
pub(crate) struct MatrixMut<'a> {
    start: *mut u8,
    of: Matrix<'a>,
}

// SAFETY: as a slice's: nobody else writes the rows, and in place both matrices are one thread's.
unsafe impl Send for Matrix<'_> {}
// SAFETY: as above.
unsafe impl Send for MatrixMut<'_> {}

/// Values from the first row's start to the last one's end.
fn extent(rows: usize, stride: usize, classes: usize) -> usize {
    rows.checked_sub(1)
        .map_or(0, |last| last * stride + classes)
}

impl<'a> Matrix<'a> {
    /// The first rows of a slice that has been checked.
    pub(crate) fn new<E: Element>(
        values: &'a [E],
        stride: usize,
        rows: usize,
        classes: usize,
    ) -> Self {
        assert!(extent(rows, stride, classes) <= values.len());
        // SAFETY: the slice holds them all.
        unsafe { Self::from_raw(values.as_ptr(), stride, rows, classes) }
    }

    /// # Safety
    /// For the lifetime, all rows can be read, and no other thread writes them.
    pub(crate) unsafe fn from_raw<E: Element>(
        start: *const E,
        stride: usize,
        rows: usize,
        classes: usize,
    ) -> Self {
        Self {
            start: start.cast(),
            format: E::FORMAT,
            stride,
            rows,
            classes,
            matrix: PhantomData,
        }
    }

    /// The first rows, and the others.
    pub(crate) fn split_at(self, rows: usize) -> (Self, Self) {
        assert!(rows <= self.rows);
        let start = self
            .start
            .wrapping_add(rows * self.stride * self.format.bytes());
        let others = self.rows - rows;
        (
            Self { rows, ..self },
            Self {
                start,
                rows: others,
                ..self
            },
        )
    }

    /// How many rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// How far from the start a row is, in bytes.
    #[inline(always)]
    fn offset(&self, row: usize) -> usize {
        assert!(row < self.rows);
        row * self.stride * self.format.bytes()
    }

    /// A row; `F` has to be its format.
    #[inline(always)]
    pub(crate) fn row<F: Formats>(&self, row: usize) -> Source<'a, F> {
        // SAFETY: the row is one of the matrix.
        unsafe { Source::new(self.start.add(self.offset(row)), self.format, self.classes) }
    }

    /// At most `LANES` rows of fewer than 16 classes as lanes, class by class; other lanes are 0.
    #[inline(always)]
    pub(crate) fn transpose_in<V: Vector>(&self, rows: Range<usize>) -> [V; TILE_CLASSES] {
        match self.format {
            Format::F32 => self.transpose_in_by::<V, OnlyF32>(rows),
            _ => self.transpose_in_by::<V, AnyFormat>(rows),
        }
    }

    #[inline(always)]
    fn transpose_in_by<V: Vector, F: Formats>(&self, rows: Range<usize>) -> [V; TILE_CLASSES] {
        if V::LANES == TILE_CLASSES {
            // A vector holds a whole row.
            let mut columns = [V::splat(0.0); TILE_CLASSES];
            for (lane, row) in rows.enumerate() {
                columns[lane] = self.row::<F>(row).load_rest(0, 0.0);
            }
            V::transpose(&mut columns);
            return columns;
        }
        let format = F::resolve(self.format);
        let mut lanes = [[0.0; MAX_LANES]; TILE_CLASSES];
        for (lane, row) in rows.enumerate() {
            // SAFETY: the row is one of the matrix.
            let start = unsafe { self.start.add(self.offset(row)) };
            for (class, lanes) in lanes[..self.classes].iter_mut().enumerate() {
                // SAFETY: the class is within the row.
                lanes[lane] = unsafe { format.get(start, class) };
            }
        }
        map(lanes.each_ref(), V::from_array)
    }
}

/// The first rows of `classes` classes, and the place of their gradient; the strides are theirs.
pub(crate) fn matrices<'a, S: Element>(
    student: &'a mut RowLogits<'_, S>,
    rows: usize,
    classes: usize,
    strides: Strides,
) -> (Matrix<'a>, Option<MatrixMut<'a>>) {
    let (of_logits, of_gradient) = (strides.student, strides.gradient);
    match student {
        RowLogits::Alone(logits) => (Matrix::new(logits, of_logits, rows, classes), None),
        RowLogits::Apart(logits, gradient) => {
            let logits = Matrix::new(logits, of_logits, rows, classes);
            let gradient = MatrixMut::new(gradient, of_gradient, rows, classes);
            (logits, Some(gradient))
        }
        RowLogits::InPlace(logits) => MatrixMut::over(logits, of_logits, rows, classes),
    }
}

impl<'a> MatrixMut<'a> {
    /// The first rows, and the others.
    pub(crate) fn split_at(self, rows: usize) -> (Self, Self) {
        let (a, b) = self.of.split_at(rows);
        (
            Self { of: a, ..self },
            Self {
                of: b,
                start: b.start.cast_mut(),
            },
        )
    }

    /// The first rows of a slice that has been checked.
    pub(crate) fn new<E: Element>(
        values: &'a mut [E],
        stride: usize,
        rows: usize,
        classes: usize,
    ) -> Self {
        Self::over(values, stride, rows, classes)
            .1
            .expect("there is a gradient")
    }

    /// A row's gradient, with this class for the label's; `F` has to be its format.
    #[inline(always)]
    pub(crate) fn row<F: Formats>(&mut self, row: usize, y: usize) -> RowGradient<'_, F> {
        // SAFETY: the row is one of the matrix.
        unsafe {
            let start = self.start.add(self.of.offset(row));
            RowGradient::new(start, self.of.format, self.of.classes, y)
        }
    }

    /// The first rows, to be read and overwritten in turn by one thread.
    pub(crate) fn over<E: Element>(
        values: &'a mut [E],
        stride: usize,
        rows: usize,
        classes: usize,
    ) -> (Matrix<'a>, Option<Self>) {
        assert!(extent(rows, stride, classes) <= values.len());
        let start = values.as_mut_ptr();
        // SAFETY: the slice holds them all, and is borrowed for as long.
        let of = unsafe { Matrix::from_raw(start, stride, rows, classes) };
        let start = start.cast();
        (of, Some(Self { start, of }))
    }

    /// Writes lanes as rows.
    #[inline(always)]
    pub(crate) fn transpose_out<V: Vector>(&mut self, rows: Range<usize>, values: &[V]) {
        match self.of.format {
            Format::F32 => self.transpose_out_by::<V, OnlyF32>(rows, values),
            _ => self.transpose_out_by::<V, AnyFormat>(rows, values),
        }
    }

    #[inline(always)]
    fn transpose_out_by<V: Vector, F: Formats>(&mut self, rows: Range<usize>, values: &[V]) {
        if V::LANES == TILE_CLASSES {
            let mut columns = [V::splat(0.0); TILE_CLASSES];
            columns[..values.len()].copy_from_slice(values);
            V::transpose(&mut columns);
            for (lane, row) in rows.enumerate() {
                self.row::<F>(row, NO_LABEL).store(0, columns[lane]);
            }
            return;
        }
        let format = F::resolve(self.of.format);
        let mut lanes = [[0.0; MAX_LANES]; TILE_CLASSES];
        for (lanes, values) in lanes.iter_mut().zip(values) {
            *lanes = values.to_array();
        }
        for (lane, row) in rows.enumerate() {
            let offset = self.of.offset(row);
            for (class, lanes) in lanes[..values.len()].iter().enumerate() {
                // SAFETY: the row is one of the matrix, the class within it.
                unsafe { format.store(lanes[lane], self.start.add(offset), class) };
            }
        }
    }
}
