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

/// How `exp(d)` comes from `exp(d/τ)`.
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

    #[inline(always)]
    pub(super) fn raise<V: Vector>(self, e: V, d: V) -> V {
        match self {
            Self::One => e,
            Self::Two => e * e,
            Self::Four => {
                let square = e * e;
                square * square
            }
            Self::Other => (d * V::splat(LOG2_E)).exp2(),
        }
    }
}

/// Both rows' exponentials by class.
#[derive(Clone, Copy)]
pub(super) struct Exponentials<V> {
    pub(super) shift: [V; 2],
    /// `k · log₂ e`.
    pub(super) rate: [V; 2],
    pub(super) power: Power,
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
    pub(super) fn new<L: Layout<V = V>>(shift: [L::R; 2], k: [L::R; 2], power: Power) -> Self {
        let log2_e = L::R::splat(LOG2_E);
        Self {
            shift: map(shift, L::spread),
            rate: map(k, |k| L::spread(k * log2_e)),
            power,
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

/// Room for the exponentials of a row of at most [`GROUP`] classes, so that none is computed twice:
/// `e_s`, `e_t` and, where it is no power of `e_s`, the student's at τ = 1.
pub(super) struct Scratch([[MaybeUninit<f32>; GROUP]; 3]);

impl Scratch {
    pub(super) const fn new() -> Self {
        Self([[MaybeUninit::uninit(); GROUP]; 3])
    }

    #[inline(always)]
    fn keep<V: Vector>(&mut self, which: usize, at: usize, values: V) {
        let room: &mut [_] = &mut self.0[which][at..at + V::LANES];
        // SAFETY: the slice has LANES places.
        unsafe { values.store(room.as_mut_ptr().cast()) };
    }

    /// # Safety
    /// These classes have been kept.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(&self, which: usize, at: usize) -> V {
        let kept: &[_] = &self.0[which][at..at + V::LANES];
        // SAFETY: the slice has LANES values, which the caller has kept.
        unsafe { V::load(kept.as_ptr().cast()) }
    }
}

/// The sweep.
pub(super) struct Stats<'a, V> {
    pub(super) exponentials: Exponentials<V>,
    pub(super) full: bool,
    pub(super) scratch: Option<&'a mut Scratch>,
}

impl<V: Vector> Stats<'_, V> {
    #[inline(always)]
    pub(super) fn of<const MASKED: bool, L: Layout<V = V>>(mut self, layout: &L) -> Sums<L::R> {
        let sums = layout.sum::<MASKED, 8>(&mut self);
        let [
            s,
            t,
            raw_s,
            raw_t,
            weighted_s,
            weighted_t,
            squares,
            contrast,
        ] = sums;
        Sums {
            tempered: [s, t],
            raw: [raw_s, raw_t],
            weighted: [weighted_s, weighted_t],
            squares,
            contrast: contrast * L::R::splat(LN_2),
        }
    }
}

impl<V: Vector> Terms<V, 8> for Stats<'_, V> {
    const ABSENT: f32 = LOWEST;

    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: V, t: V, sums: &mut [V; 8]) {
        let power = self.exponentials.power;
        let Both { d, x, e } = self.exponentials.at::<MASKED>(s, t);
        let raw = power.raise(e[0], d[0]);
        if let Some(scratch) = &mut self.scratch {
            scratch.keep(0, at, e[0]);
            scratch.keep(1, at, e[1]);
            if power == Power::Other {
                scratch.keep(2, at, raw);
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
