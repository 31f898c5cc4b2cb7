//! Rows in memory, of any format.

use super::{NO_LABEL, Sink, TILE_CLASSES};
use crate::batch::{Element, RowLogits};
use crate::cpu::simd::{MOST_LANES, Vector, map};
use crate::spec::Format;
use std::marker::PhantomData;
use std::ops::Range;

/// Which formats code is compiled for.
pub(in crate::cpu) trait Formats: Copy {
    /// Whether it is one format alone.
    const IS_KNOWN: bool;

    /// The format, as far as it is not known.
    fn known(format: Format) -> Format;
}

macro_rules! alone {
    ($($name:ident $format:ident)*) => {$(
        /// The format of this name alone.
        #[derive(Clone, Copy)]
        pub(in crate::cpu) struct $name;

        impl Formats for $name {
            const IS_KNOWN: bool = true;

            #[inline(always)]
            fn known(_: Format) -> Format {
                Format::$format
            }
        }
    )*};
}

alone!(Singles F32 Bf16s Bf16);

/// Each of them, asked for at every access.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Any;

impl Formats for Any {
    const IS_KNOWN: bool = false;

    #[inline(always)]
    fn known(format: Format) -> Format {
        format
    }
}

/// How many classes ahead of a sweep memory is asked for what it needs.
const AHEAD: usize = 256;

/// A row of logits. The gradient may be written over it between two reads.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Source<'a, F> {
    start: *const u8,
    format: Format,
    len: usize,
    row: PhantomData<(&'a [u8], F)>,
}

/// Rows of logits, `stride` values apart.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Matrix<'a> {
    start: *const u8,
    format: Format,
    stride: usize,
    rows: usize,
    classes: usize,
    matrix: PhantomData<&'a [u8]>,
}

/// The same, written.
pub(in crate::cpu) struct MatrixMut<'a> {
    start: *mut u8,
    of: Matrix<'a>,
}

/// Values from the first row's start to the last one's end.
fn extent(rows: usize, stride: usize, classes: usize) -> usize {
    rows.checked_sub(1)
        .map_or(0, |last| last * stride + classes)
}

impl<'a> Matrix<'a> {
    /// The first rows of a slice that has been checked.
    pub(in crate::cpu) fn new<E: Element>(
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
    pub(in crate::cpu) unsafe fn from_raw<E: Element>(
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

    pub(in crate::cpu) fn format(&self) -> Format {
        self.format
    }

    /// How far from the start a row is, in bytes.
    #[inline(always)]
    fn offset(&self, row: usize) -> usize {
        assert!(row < self.rows);
        row * self.stride * self.format.bytes()
    }

    /// A row. What `F` knows has to be so.
    #[inline(always)]
    pub(in crate::cpu) fn row<F: Formats>(&self, row: usize) -> Source<'a, F> {
        assert!(F::known(self.format) == self.format);
        Source {
            // SAFETY: the row is one of the matrix.
            start: unsafe { self.start.add(self.offset(row)) },
            format: self.format,
            len: self.classes,
            row: PhantomData,
        }
    }

    /// At most `LANES` rows of few classes as lanes, class by class; other lanes are 0.
    #[inline(always)]
    pub(in crate::cpu) fn turned<V: Vector>(&self, rows: Range<usize>) -> [V; TILE_CLASSES] {
        match self.format {
            Format::F32 => self.turned_by::<V, Singles>(rows),
            _ => self.turned_by::<V, Any>(rows),
        }
    }

    #[inline(always)]
    fn turned_by<V: Vector, F: Formats>(&self, rows: Range<usize>) -> [V; TILE_CLASSES] {
        if V::LANES == TILE_CLASSES {
            // A vector holds a whole row.
            let mut turned = [V::splat(0.0); TILE_CLASSES];
            for (lane, row) in rows.enumerate() {
                turned[lane] = self.row::<F>(row).load_rest(0, 0.0);
            }
            V::transpose(&mut turned);
            return turned;
        }
        let format = F::known(self.format);
        let mut lanes = [[0.0; MOST_LANES]; TILE_CLASSES];
        for (lane, row) in rows.enumerate() {
            // SAFETY: the row is one of the matrix.
            let start = unsafe { self.start.add(self.offset(row)) };
            for (class, lanes) in lanes[..self.classes].iter_mut().enumerate() {
                // SAFETY: the class is within the row.
                lanes[lane] = unsafe { format.get(start, class) };
            }
        }
        map(lanes.each_ref(), V::from_lanes)
    }
}

/// The first rows of `classes` classes, and the place of their gradient; the strides are theirs.
pub(in crate::cpu) fn matrices<'a, S: Element>(
    student: &'a mut RowLogits<'_, S>,
    rows: usize,
    classes: usize,
    [of_logits, of_gradient]: [usize; 2],
) -> (Matrix<'a>, Option<MatrixMut<'a>>) {
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
    /// The first rows of a slice that has been checked.
    pub(in crate::cpu) fn new<E: Element>(
        values: &'a mut [E],
        stride: usize,
        rows: usize,
        classes: usize,
    ) -> Self {
        Self::over(values, stride, rows, classes)
            .1
            .expect("there is a gradient")
    }

    /// The first rows, to be read and overwritten in turn by one thread.
    pub(in crate::cpu) fn over<E: Element>(
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
    pub(in crate::cpu) fn turn_back<V: Vector>(&mut self, rows: Range<usize>, values: &[V]) {
        match self.of.format {
            Format::F32 => self.turn_back_by::<V, Singles>(rows, values),
            _ => self.turn_back_by::<V, Any>(rows, values),
        }
    }

    #[inline(always)]
    fn turn_back_by<V: Vector, F: Formats>(&mut self, rows: Range<usize>, values: &[V]) {
        if V::LANES == TILE_CLASSES {
            let mut turned = [V::splat(0.0); TILE_CLASSES];
            turned[..values.len()].copy_from_slice(values);
            V::transpose(&mut turned);
            for (lane, row) in rows.enumerate() {
                RowGradient::<F>::new(Some(self), row, NO_LABEL).put(0, turned[lane], true);
            }
            return;
        }
        let format = F::known(self.of.format);
        let mut lanes = [[0.0; MOST_LANES]; TILE_CLASSES];
        for (lanes, values) in lanes.iter_mut().zip(values) {
            *lanes = values.to_lanes();
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

impl<'a, F: Formats> Source<'a, F> {
    /// The same for code that asks.
    #[inline(always)]
    pub(super) fn any(self) -> Source<'a, Any> {
        Source {
            start: self.start,
            format: self.format,
            len: self.len,
            row: PhantomData,
        }
    }

    /// Asks for logits ahead of class `at`; they may be another row's, or none.
    #[inline(always)]
    pub(super) fn fetch_ahead<V: Vector>(&self, at: usize) {
        V::prefetch(ahead(self.start, F::known(self.format), at));
    }

    /// Asks for the logit of class `at`.
    #[inline(always)]
    pub(super) fn fetch<V: Vector>(&self, at: usize) {
        V::prefetch_near(self.start.wrapping_add(at * F::known(self.format).bytes()));
    }

    /// How many logits.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The logit of a class.
    #[inline(always)]
    pub(in crate::cpu) fn get(&self, class: usize) -> Option<f32> {
        // SAFETY: the class is within the row.
        (class < self.len).then(|| unsafe { F::known(self.format).get(self.start, class) })
    }

    /// The full vector from class `at` on.
    ///
    /// # Safety
    /// It lies within the row.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(&self, at: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { F::known(self.format).load(self.start, at) }
    }

    /// What is left of the row from class `at` on, then `absent`.
    #[inline(always)]
    pub(super) fn load_rest<V: Vector>(&self, at: usize, absent: f32) -> V {
        if at + V::LANES <= self.len {
            // SAFETY: just asked.
            return unsafe { self.load(at) };
        }
        let n = self.len - at;
        // SAFETY: these are what is left of the row, fewer than LANES.
        unsafe { F::known(self.format).load_first(self.start, at, n, absent) }
    }
}

/// Where what a sweep at class `at` asks for is, or would be.
#[inline(always)]
fn ahead(start: *const u8, format: Format, at: usize) -> *const u8 {
    start.wrapping_add((at + AHEAD) * format.bytes())
}

/// The gradient of one row: nowhere, apart, or over the logits.
pub(in crate::cpu) struct RowGradient<'a, F> {
    start: Option<*mut u8>,
    format: Format,
    len: usize,
    y: usize,
    row: PhantomData<(&'a mut [u8], F)>,
}

impl<'a, F: Formats> RowGradient<'a, F> {
    /// A row of the matrix, if there is one; `y` is the label's class. What `F` knows has to be so.
    #[inline(always)]
    pub(in crate::cpu) fn new(matrix: Option<&'a mut MatrixMut>, row: usize, y: usize) -> Self {
        let (mut format, mut len) = (Format::F32, 0);
        let start = matrix.map(|matrix| {
            assert!(F::known(matrix.of.format) == matrix.of.format);
            (format, len) = (matrix.of.format, matrix.of.classes);
            // SAFETY: the row is one of the matrix.
            unsafe { matrix.start.add(matrix.of.offset(row)) }
        });
        Self {
            start,
            format,
            len,
            y,
            row: PhantomData,
        }
    }

    /// Asks for room ahead of class `at`; it may be another row's, or none.
    #[inline(always)]
    pub(in crate::cpu) fn fetch_ahead<V: Vector>(&self, at: usize) {
        if let Some(start) = self.start {
            V::prefetch_to_write(ahead(start, F::known(self.format), at));
        }
    }

    /// Keeps one value for all classes.
    pub(in crate::cpu) fn fill(&mut self, value: f32) {
        let Some(start) = self.start else { return };
        for class in 0..self.len {
            // SAFETY: the class is within the row.
            unsafe { F::known(self.format).store(value, start, class) };
        }
    }
}

impl<V: Vector, F: Formats> Sink<V, f32> for RowGradient<'_, F> {
    #[inline(always)]
    fn is_open(&self) -> bool {
        self.start.is_some()
    }

    #[inline(always)]
    fn put(&mut self, at: usize, values: V, _: bool) {
        let Some(start) = self.start else { return };
        if at + V::LANES <= self.len {
            // SAFETY: the whole vector is within the row.
            return unsafe { F::known(self.format).store(values, start, at) };
        }
        let n = self.len - at;
        // SAFETY: these are what is left of the row, fewer than LANES.
        unsafe { F::known(self.format).store_first(values, start, at, n) }
    }

    #[inline(always)]
    fn put_label(&mut self, value: f32, _: bool) {
        if let Some(start) = self.start.filter(|_| self.y < self.len) {
            // SAFETY: the label's class is within the row.
            unsafe { F::known(self.format).store(value, start, self.y) };
        }
    }
}
