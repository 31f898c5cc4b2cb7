//! The stats sweep: every sum that the row program needs of a row's exponentials, in one go.

use super::layout::{LOWEST, Layout, Terms};
use super::math::{NOTHING, exp};
use super::simd::{Vector, map};
use crate::spec::{LossSpec, Temperature};
use std::f32::consts::LOG2_E;

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
    /// `Σ e_t (k_t d_t − k_s d_s) / k_s`; no number where a logit is none.
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
        exp(d)
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
    shift: [V; 2],
    /// `k · log₂ e`, and where there is nothing left of powers.
    rate: [V; 2],
    floor: [V; 2],
    /// `k_t / k_s`.
    ratio: V,
}

/// What one class gives.
#[derive(Clone, Copy)]
pub(super) struct Both<V> {
    pub(super) d: [V; 2],
    pub(super) e: [V; 2],
}

impl<V: Vector> Exponentials<V> {
    #[inline(always)]
    pub(super) fn new<L: Layout<V = V>>(shift: [L::R; 2], k: [L::R; 2]) -> Self {
        let (log2_e, nothing) = (L::R::splat(LOG2_E), L::R::splat(NOTHING));
        let rate = map(k, |k| k * log2_e);
        Self {
            shift: map(shift, L::spread),
            rate: map(rate, L::spread),
            floor: map(rate, |rate| L::spread(nothing / rate)),
            ratio: L::spread(k[1] / k[0]),
        }
    }

    /// At one temperature.
    #[inline(always)]
    pub(super) fn tempered<L: Layout<V = V>>(shift: [L::R; 2], tau: L::R) -> Self {
        let rate = L::spread(L::R::splat(LOG2_E) / tau);
        let floor = L::spread(L::R::splat(NOTHING / LOG2_E) * tau);
        Self {
            shift: map(shift, L::spread),
            rate: [rate; 2],
            floor: [floor; 2],
            ratio: V::splat(1.0),
        }
    }

    #[inline(always)]
    pub(super) fn at<const MASKED: bool>(&self, s: V, t: V) -> Both<V> {
        // A masked class keeps numbers, so that 0 times them is 0; NaN stays.
        let bounded = |x: V| if MASKED { V::splat(LOWEST).max(x) } else { x };
        let d = [bounded(s - self.shift[0]), bounded(t - self.shift[1])];
        let e = [self.power(0, d[0]), self.power(1, d[1])];
        Both { d, e }
    }

    /// A logit less the shift, of either row.
    #[inline(always)]
    pub(super) fn below(&self, which: usize, z: V) -> V {
        z - self.shift[which]
    }

    /// `exp(k d)`.
    #[inline(always)]
    pub(super) fn power(&self, which: usize, d: V) -> V {
        d.exp2_times(self.rate[which], self.floor[which])
    }

    /// `(k_t d_t − k_s d_s) / k_s`.
    #[inline(always)]
    fn contrast<const MASKED: bool>(&self, d: [V; 2]) -> V {
        if MASKED {
            V::splat(LOWEST).max(d[1] * self.ratio) - d[0]
        } else {
            d[1].mul_sub(self.ratio, d[0])
        }
    }
}

/// What is done beside the sweep with a vector's exponentials: `e_s`, `e_t`, and the student's at
/// τ = 1. Each vector of the row comes once, in their order.
pub(super) trait Beside<V> {
    fn beside(&mut self, at: usize, exponentials: [V; 3]);
}

/// Nothing.
impl<V> Beside<V> for () {
    #[inline(always)]
    fn beside(&mut self, _: usize, _: [V; 3]) {}
}

/// The sweep.
pub(super) struct Stats<V, P, B> {
    pub(super) exponentials: Exponentials<V>,
    pub(super) power: P,
    pub(super) full: bool,
    pub(super) beside: B,
}

impl<V: Vector, P: Raise, B: Beside<V>> Stats<V, P, B> {
    #[inline(always)]
    pub(super) fn of<const MASKED: bool, L: Layout<V = V>>(&mut self, layout: &L) -> Sums<L::R> {
        Sums::from_array(layout.sum::<MASKED, 8>(self))
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

impl<V: Vector, P: Raise, B: Beside<V>> Terms<V, 8> for Stats<V, P, B> {
    const ABSENT: f32 = LOWEST;

    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: V, t: V, sums: &mut [V; 8]) {
        let power = self.power;
        let Both { d, e } = self.exponentials.at::<MASKED>(s, t);
        let raw = power.raise(e[0], d[0]);
        self.beside.beside(at, [e[0], e[1], raw]);
        sums[0] = sums[0] + e[0];
        sums[1] = sums[1] + e[1];
        sums[2] = sums[2] + raw;
        sums[7] = e[1].mul_add(self.exponentials.contrast::<MASKED>(d), sums[7]);
        if self.full {
            let raw_t = power.raise(e[1], d[1]);
            sums[3] = sums[3] + raw_t;
            sums[4] = raw.mul_add(d[0], sums[4]);
            sums[5] = raw_t.mul_add(d[1], sums[5]);
            sums[6] = raw.mul_add(raw, sums[6]);
        }
    }
}
