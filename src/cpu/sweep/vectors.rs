//! One row's logits and gradient, vector by vector.

use super::format::{Formats, OnlyBf16, OnlyF16, OnlyF32};
use crate::cpu::regime::{PREFETCH_CLASSES, WIDENED_CLASSES};
use crate::cpu::row::layout::Sink;
use crate::cpu::simd::{Task, Vector};
use crate::spec::{Format, IGNORE};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Where the label's class is if there is no label: outside every row.
pub(crate) const NO_LABEL: usize = usize::MAX;

/// The class of a label.
pub(crate) fn label_class(label: i32) -> usize {
    if label == IGNORE {
        NO_LABEL
    } else {
        label as usize
    }
}

/// A row of logits. The gradient may be written over it between two reads.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a, F> {
    start: *const u8,
    format: Format,
    len: usize,
    row: PhantomData<(&'a [u8], F)>,
}

impl<'a, F: Formats> Source<'a, F> {
    /// # Safety
    /// For the lifetime, `len` values of the format can be read, and no other thread writes them.
    #[inline(always)]
    pub(super) unsafe fn new(start: *const u8, format: Format, len: usize) -> Self {
        assert!(F::resolve(format) == format);
        Self {
            start,
            format,
            len,
            row: PhantomData,
        }
    }

    /// Prefetches logits ahead of class `at`; they may be another row's, or none.
    #[inline(always)]
    pub(super) fn prefetch_ahead<V: Vector>(&self, at: usize) {
        V::prefetch(ahead(self.start, F::resolve(self.format), at));
    }

    /// Prefetches the logit of class `at`.
    #[inline(always)]
    pub(super) fn prefetch<V: Vector>(&self, at: usize) {
        V::prefetch_near(
            self.start
                .wrapping_add(at * F::resolve(self.format).bytes()),
        );
    }

    /// How many logits.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The logit of a class.
    #[inline(always)]
    pub(crate) fn get(&self, class: usize) -> Option<f32> {
        // SAFETY: the class is within the row.
        (class < self.len).then(|| unsafe { F::resolve(self.format).get(self.start, class) })
    }

    /// `N` logits from class `at` on; beyond the row 0.
    #[inline(always)]
    pub(crate) fn block<const N: usize>(&self, at: usize) -> [f32; N] {
        let n = N.min(self.len.saturating_sub(at));
        // SAFETY: these are within the row.
        unsafe { F::resolve(self.format).load_block(self.start, at, n) }
    }

    /// The full vector from class `at` on.
    ///
    /// # Safety
    /// It lies within the row.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(&self, at: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe { F::resolve(self.format).load(self.start, at) }
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
        unsafe { F::resolve(self.format).load_first(self.start, at, n, absent) }
    }
}

/// Room for a part of a row as f32.
pub(super) type Widened = MaybeUninit<[f32; WIDENED_CLASSES]>;

impl<F: Formats> Source<'_, F> {
    /// At most [`WIDENED_CLASSES`] logits of the row: where they are, or widened into the room.
    #[inline(always)]
    pub(super) fn widened<'b, V: Vector>(
        &'b self,
        from: usize,
        to: usize,
        room: &'b mut Widened,
    ) -> Source<'b, OnlyF32> {
        assert!(from <= to && to <= self.len && to - from <= WIDENED_CLASSES);
        let bytes = F::resolve(self.format).bytes();
        // SAFETY: the part is within the row.
        let start = unsafe { self.start.add(from * bytes) };
        let part = Part {
            start,
            len: to - from,
            room: room.as_mut_ptr().cast(),
        };
        let start = match F::resolve(self.format) {
            Format::F32 => start,
            Format::F16 => V::outline(Widen::<V, OnlyF16>(part, PhantomData)),
            Format::Bf16 => V::outline(Widen::<V, OnlyBf16>(part, PhantomData)),
        };
        // SAFETY: the part as it lies in the row, or as it was written to the room.
        unsafe { Source::new(start, Format::F32, to - from) }
    }
}

/// A part of a row, and where it is widened to.
struct Part {
    start: *const u8,
    len: usize,
    room: *mut f32,
}

/// Widens a part of a row of this format; returns where to.
struct Widen<V, F>(Part, PhantomData<(V, F)>);

impl<V: Vector, F: Formats> Task for Widen<V, F> {
    type Output = *const u8;

    #[inline(always)]
    fn run(self) -> *const u8 {
        let Part { start, len, room } = self.0;
        // SAFETY: a part of a row, and room for the vectors that it needs, whose lanes divide the room's.
        unsafe {
            // The format is `F`'s own, whatever is asked.
            let part = Source::<F>::new(start, F::resolve(Format::F32), len);
            for at in (0..len).step_by(V::LANES) {
                part.load_rest::<V>(at, 0.0).store(room.add(at));
            }
        }
        room.cast()
    }
}

/// The address of what a sweep at class `at` prefetches.
#[inline(always)]
fn ahead(start: *const u8, format: Format, at: usize) -> *const u8 {
    start.wrapping_add((at + PREFETCH_CLASSES) * format.bytes())
}

/// The gradient of one row, apart from the logits or over them.
pub(crate) struct RowGradient<'a, F> {
    start: *mut u8,
    format: Format,
    len: usize,
    y: usize,
    row: PhantomData<(&'a mut [u8], F)>,
}

impl<F: Formats> RowGradient<'_, F> {
    /// # Safety
    /// For the lifetime, `len` values of the format can be written, and no other thread reads or writes them.
    #[inline(always)]
    pub(super) unsafe fn new(start: *mut u8, format: Format, len: usize, y: usize) -> Self {
        assert!(F::resolve(format) == format);
        Self {
            start,
            format,
            len,
            y,
            row: PhantomData,
        }
    }

    /// Prefetches what is written ahead of class `at`; it may be another row's, or none.
    #[inline(always)]
    pub(super) fn prefetch_ahead<V: Vector>(&self, at: usize) {
        V::prefetch_to_write(ahead(self.start, F::resolve(self.format), at));
    }

    /// Writes one value for all classes.
    pub(crate) fn fill(&mut self, value: f32) {
        for class in 0..self.len {
            // SAFETY: the class is within the row.
            unsafe { F::resolve(self.format).store(value, self.start, class) };
        }
    }

    /// Writes the vector from class `at` on, as far as the row goes.
    #[inline(always)]
    pub(crate) fn store<V: Vector>(&mut self, at: usize, values: V) {
        if at + V::LANES <= self.len {
            // SAFETY: the whole vector is within the row.
            return unsafe { F::resolve(self.format).store(values, self.start, at) };
        }
        let n = self.len - at;
        // SAFETY: these are what is left of the row, fewer than LANES.
        unsafe { F::resolve(self.format).store_first(values, self.start, at, n) }
    }

    /// Writes `N` values from class `at` on, as far as the row goes.
    #[inline(always)]
    pub(crate) fn store_block<const N: usize>(&mut self, at: usize, block: [f32; N]) {
        let values = &block[..N.min(self.len.saturating_sub(at))];
        // SAFETY: these are within the row.
        unsafe { F::resolve(self.format).store_block(values, self.start, at) }
    }

    /// Writes the value of the label's class, if there is a label.
    #[inline(always)]
    pub(crate) fn store_label(&mut self, value: f32) {
        if self.y < self.len {
            // SAFETY: the label's class is within the row.
            unsafe { F::resolve(self.format).store(value, self.start, self.y) };
        }
    }
}

/// Nowhere, where there is none.
impl<V: Vector, F: Formats> Sink<V, f32> for Option<RowGradient<'_, F>> {
    #[inline(always)]
    fn is_open(&self) -> bool {
        self.is_some()
    }

    #[inline(always)]
    fn put(&mut self, at: usize, values: V, _: bool) {
        if let Some(row) = self {
            row.store(at, values);
        }
    }

    #[inline(always)]
    fn put_label(&mut self, value: f32, _: bool) {
        if let Some(row) = self {
            row.store_label(value);
        }
    }
}
