//! The stats sweep: every sum that the row program needs of a row's exponentials, in one go.

use super::layout::{GROUP, LOWEST, Layout, Terms};
use super::simd::{Vector, map};
use crate::spec::{LossSpec, Temperature};
use std::f32::consts::{LN_2, LOG2_E};
use std::mem::MaybeUninit;

/// Sums over the classes besides the label; `d` is a logit less the shift, `e = exp(k d)`.
#[derive(Clone, Copy)]
pub(super) struct Sums<R> {
    /// `Σ e`, student and teacher.
    pub(super) tempered: [R; 2],
    /// The same at τ = 1; the teacher's in full records only.
    pub(super) raw: [R; 2],
    /// `Σ e d` at τ = 1, in full records only.
    pub(super) weighted: [R; 2],
    /// `Σ e²` of the student at τ = 1, in full records only.
    pub(super) squares: R,
    /// `Σ e_t (k_t d_t − k_s d_s)`; no number where a logit is none.
    pub(super) contrast: R,
}

/// How `exp(d)` comes from `exp(d/τ)`: known to the compiler, or asked at every class.
pub(super) trait Raise: Copy {
    /// Whether `exp(d)` is no power of `exp(d/τ)`, and is worth keeping.
    fn is_apart(self) -> bool;
    fn raise<V: Vector>(self, e: V, d: V) -> V;
}

/// `exp(d/τ)` squared so many times.
#[derive(Clone, Copy)]
pub(super) struct Squared<const TIMES: usize>;

impl<const TIMES: usize> Raise for Squared<TIMES> {
    #[inline(always)]
    fn is_apart(self) -> bool {
        false
    }

    #[inline(always)]
    fn raise<V: Vector>(self, mut e: V, _: V) -> V {
        for _ in 0..TIMES {
            e = e * e;
        }
        e
    }
}

/// An exponential of its own.
#[derive(Clone, Copy)]
pub(super) struct Apart;

impl Raise for Apart {
    #[inline(always)]
    fn is_apart(self) -> bool {
        true
    }

    #[inline(always)]
    fn raise<V: Vector>(self, _: V, d: V) -> V {
        (d * V::splat(LOG2_E)).exp2()
    }
}

/// Any of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    One,
    Two,
    Four,
    /// By an exponential of its own.
    Other,
}

impl Power {
    pub(super) fn of(spec: &LossSpec) -> Self {
        match spec.temperature() {
            Temperature::Fixed(1.0) => Self::One,
            Temperature::Fixed(2.0) => Self::Two,
            Temperature::Fixed(4.0) => Self::Four,
            _ => Self::Other,
        }
    }
}

impl Raise for Power {
    #[inline(always)]
    fn is_apart(self) -> bool {
        self == Self::Other
    }

    #[inline(always)]
    fn raise<V: Vector>(self, e: V, d: V) -> V {
        match self {
            Self::One => Squared::<0>.raise(e, d),
            Self::Two => Squared::<1>.raise(e, d),
            Self::Four => Squared::<2>.raise(e, d),
            Self::Other => Apart.raise(e, d),
        }
    }
}

/// Both rows' exponentials by class.
#[derive(Clone, Copy)]
pub(super) struct Exponentials<V> {
    pub(super) shift: [V; 2],
    /// `k · log₂ e`.
    pub(super) rate: [V; 2],
}

/// What one class gives.
#[derive(Clone, Copy)]
pub(super) struct Both<V> {
    pub(super) d: [V; 2],
    /// `k d` to base 2.
    pub(super) x: [V; 2],
    pub(super) e: [V; 2],
}

impl<V: Vector> Exponentials<V> {
    #[inline(always)]
    pub(super) fn new<L: Layout<V = V>>(shift: [L::R; 2], k: [L::R; 2]) -> Self {
        let log2_e = L::R::splat(LOG2_E);
        Self {
            shift: map(shift, L::spread),
            rate: map(k, |k| L::spread(k * log2_e)),
        }
    }

    #[inline(always)]
    pub(super) fn at<const MASKED: bool>(&self, s: V, t: V) -> Both<V> {
        // A masked class keeps numbers, so that 0 times them is 0; NaN stays.
        let bounded = |x: V| if MASKED { V::splat(LOWEST).max(x) } else { x };
        let d = [bounded(s - self.shift[0]), bounded(t - self.shift[1])];
        let x = [bounded(d[0] * self.rate[0]), bounded(d[1] * self.rate[1])];
        let e = [x[0].exp2(), x[1].exp2()];
        Both { d, x, e }
    }
}

/// Room for the exponentials of rows of at most [`GROUP`] classes together, so that none is
/// computed twice: `e_s`, `e_t` and, where it is no power of `e_s`, the student's at τ = 1.
#[repr(align(64))]
pub(super) struct Scratch([[MaybeUninit<f32>; GROUP]; 3]);

impl Scratch {
    pub(super) const fn new() -> Self {
        Self([[MaybeUninit::uninit(); GROUP]; 3])
    }

    /// The places from `start` on.
    #[inline(always)]
    pub(super) fn from(&mut self, start: usize) -> Kept<'_> {
        Kept {
            scratch: self,
            start,
        }
    }
}

/// One row's part of a [`Scratch`].
pub(super) struct Kept<'a> {
    scratch: &'a mut Scratch,
    start: usize,
}

impl Kept<'_> {
    #[inline(always)]
    fn keep<V: Vector>(&mut self, which: usize, at: usize, values: V) {
        let at = self.start + at;
        let room: &mut [_] = &mut self.scratch.0[which][at..at + V::LANES];
        // SAFETY: the slice has LANES places.
        unsafe { values.store(room.as_mut_ptr().cast()) };
    }

    /// # Safety
    /// These classes have been kept.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(&self, which: usize, at: usize) -> V {
        let at = self.start + at;
        let kept: &[_] = &self.scratch.0[which][at..at + V::LANES];
        // SAFETY: the slice has LANES values, which the caller has kept.
        unsafe { V::load(kept.as_ptr().cast()) }
    }
}

/// The sweep.
pub(super) struct Stats<'a, V, P> {
    pub(super) exponentials: Exponentials<V>,
    pub(super) power: P,
    pub(super) full: bool,
    pub(super) kept: Option<Kept<'a>>,
}

impl<V: Vector, P: Raise> Stats<'_, V, P> {
    #[inline(always)]
    pub(super) fn of<const MASKED: bool, L: Layout<V = V>>(mut self, layout: &L) -> Sums<L::R> {
        let mut sums = Sums::from_array(layout.sum::<MASKED, 8>(&mut self));
        sums.contrast = sums.contrast * L::R::splat(LN_2);
        sums
    }
}

impl<R: Copy> Sums<R> {
    /// In the order of the sweep.
    #[inline(always)]
    pub(super) fn from_array([s, t, raw_s, raw_t, of_s, of_t, squares, contrast]: [R; 8]) -> Self {
        Self {
            tempered: [s, t],
            raw: [raw_s, raw_t],
            weighted: [of_s, of_t],
            squares,
            contrast,
        }
    }

    /// The same again.
    #[inline(always)]
    pub(super) fn to_array(self) -> [R; 8] {
        let ([s, t], [raw_s, raw_t], [of_s, of_t]) = (self.tempered, self.raw, self.weighted);
        [s, t, raw_s, raw_t, of_s, of_t, self.squares, self.contrast]
    }
}

impl<V: Vector, P: Raise> Terms<V, 8> for Stats<'_, V, P> {
    const ABSENT: f32 = LOWEST;

    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: V, t: V, sums: &mut [V; 8]) {
        let power = self.power;
        let Both { d, x, e } = self.exponentials.at::<MASKED>(s, t);
        let raw = power.raise(e[0], d[0]);
        if let Some(kept) = &mut self.kept {
            kept.keep(0, at, e[0]);
            kept.keep(1, at, e[1]);
            if power.is_apart() {
                kept.keep(2, at, raw);
            }
        }
        sums[0] = sums[0] + e[0];
        sums[1] = sums[1] + e[1];
        sums[2] = sums[2] + raw;
        sums[7] = e[1].mul_add(x[1] - x[0], sums[7]);
        if self.full {
            let raw_t = power.raise(e[1], d[1]);
            sums[3] = sums[3] + raw_t;
            sums[4] = raw.mul_add(d[0], sums[4]);
            sums[5] = raw_t.mul_add(d[1], sums[5]);
            sums[6] = raw.mul_add(raw, sums[6]);
        }
    }
}
