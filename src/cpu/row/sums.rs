//! The stats sweep: every sum that the row program needs of a row's exponentials, in one go.

use super::layout::{Layout, Terms};
use crate::cpu::math::{PAD_LOGIT, exp};
use crate::cpu::simd::{MIN_EXPONENT, Vector, map};
use crate::spec::{LossSpec, Temperature};
use std::f32::consts::LOG2_E;

/// Sums over the classes besides the label; `d` is a logit less the shift, `e = exp(k d)`.
#[derive(Clone, Copy)]
pub(crate) struct Sums<R> {
    /// `Σ e`, student and teacher.
    pub(crate) tempered: [R; 2],
    /// `Σ e` at τ = 1; the teacher's in full records only.
    pub(crate) unit: [R; 2],
    /// `Σ e d` at τ = 1, in full records only.
    pub(crate) weighted: [R; 2],
    /// `Σ e²` of the student at τ = 1, in full records only.
    pub(crate) squares: R,
    /// `Σ e_t (k_t d_t − k_s d_s) / k_s`; NaN where a logit is NaN.
    pub(crate) contrast: R,
}

/// How `exp(d)` comes from `exp(d/τ)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// At τ = 1, 2 and 4.
    First,
    Second,
    Fourth,
    /// By an exponential of its own, which is worth keeping.
    Other,
}

/// The [`Power`] as the compiler knows it, by its number; or asked at every class, for [`ANY`].
#[derive(Clone, Copy)]
pub(crate) struct UnitExp<const POWER: usize>(Power);

pub(crate) const FIRST: usize = Power::First as usize;
pub(crate) const SECOND: usize = Power::Second as usize;
pub(crate) const FOURTH: usize = Power::Fourth as usize;
pub(crate) const OTHER: usize = Power::Other as usize;
/// A power that the compiler does not know.
pub(crate) const ANY: usize = usize::MAX;

impl UnitExp<ANY> {
    pub(crate) fn by(spec: &LossSpec) -> Self {
        Self(match spec.temperature() {
            Temperature::Fixed(1.0) => Power::First,
            Temperature::Fixed(2.0) => Power::Second,
            Temperature::Fixed(4.0) => Power::Fourth,
            _ => Power::Other,
        })
    }

    /// The same, known to the compiler.
    #[inline(always)]
    pub(crate) fn known<const POWER: usize>(self) -> UnitExp<POWER> {
        UnitExp(self.0)
    }
}

impl<const POWER: usize> UnitExp<POWER> {
    #[inline(always)]
    pub(crate) fn power(self) -> Power {
        match POWER {
            FIRST => Power::First,
            SECOND => Power::Second,
            FOURTH => Power::Fourth,
            OTHER => Power::Other,
            _ => self.0,
        }
    }

    /// `exp(d)` from `e = exp(d/τ)`, or from `d`.
    #[inline(always)]
    pub(crate) fn of<V: Vector>(self, e: V, d: V) -> V {
        match self.power() {
            Power::First => e,
            Power::Second => e * e,
            Power::Fourth => (e * e) * (e * e),
            Power::Other => exp(d),
        }
    }
}

/// Both rows' exponentials by class.
#[derive(Clone, Copy)]
pub(crate) struct Exponentials<V> {
    shift: [V; 2],
    /// `k · log₂ e`.
    rate: [V; 2],
    /// The `d` from which down exponentials are 0.
    floor: [V; 2],
    /// `k_t / k_s`.
    ratio: V,
}

/// What one class gives.
#[derive(Clone, Copy)]
pub(crate) struct Both<V> {
    pub(crate) d: [V; 2],
    pub(crate) e: [V; 2],
}

impl<V: Vector> Exponentials<V> {
    /// By the shifts and the inverse temperatures of student and teacher.
    #[inline(always)]
    pub(crate) fn new<L: Layout<V = V>>(shift: [L::R; 2], k: [L::R; 2]) -> Self {
        let (log2_e, least) = (L::R::splat(LOG2_E), L::R::splat(MIN_EXPONENT));
        let rate = map(k, |k| k * log2_e);
        Self {
            shift: map(shift, L::spread),
            rate: map(rate, L::spread),
            floor: map(rate, |rate| L::spread(least / rate)),
            ratio: L::spread(k[1] / k[0]),
        }
    }

    /// At the same temperature in student and teacher.
    #[inline(always)]
    pub(crate) fn tempered<L: Layout<V = V>>(shift: [L::R; 2], tau: L::R) -> Self {
        let rate = L::spread(L::R::splat(LOG2_E) / tau);
        let floor = L::spread(L::R::splat(MIN_EXPONENT / LOG2_E) * tau);
        Self {
            shift: map(shift, L::spread),
            rate: [rate; 2],
            floor: [floor; 2],
            ratio: V::splat(1.0),
        }
    }

    /// At the logits of one class.
    #[inline(always)]
    pub(crate) fn at<const MASKED: bool>(&self, s: V, t: V) -> Both<V> {
        // A masked class keeps numbers, so that 0 times them is 0; NaN stays.
        let bounded = |x: V| {
            if MASKED {
                V::splat(PAD_LOGIT).max(x)
            } else {
                x
            }
        };
        let d = [bounded(s - self.shift[0]), bounded(t - self.shift[1])];
        let e = [self.exp(0, d[0]), self.exp(1, d[1])];
        Both { d, e }
    }

    /// A logit less the shift, of either row.
    #[inline(always)]
    pub(crate) fn below(&self, which: usize, z: V) -> V {
        z - self.shift[which]
    }

    /// `exp(k d)`.
    #[inline(always)]
    pub(crate) fn exp(&self, which: usize, d: V) -> V {
        d.exp2_times(self.rate[which], self.floor[which])
    }

    /// `(k_t d_t − k_s d_s) / k_s`.
    #[inline(always)]
    fn contrast<const MASKED: bool>(&self, d: [V; 2]) -> V {
        if MASKED {
            V::splat(PAD_LOGIT).max(d[1] * self.ratio) - d[0]
        } else {
            d[1].mul_sub(self.ratio, d[0])
        }
    }
}

/// What else a sweep over the sums does with a vector's exponentials: `e_s`, `e_t`, and the student's at
/// τ = 1. Each vector of the row comes once, in their order.
pub(crate) trait SweepHook<V> {
    /// Is called with the vector from class `at` on.
    fn vector(&mut self, at: usize, exponentials: [V; 3]);
}

impl<V> SweepHook<V> for () {
    #[inline(always)]
    fn vector(&mut self, _: usize, _: [V; 3]) {}
}

/// The terms of [`Sums`].
pub(crate) struct SumTerms<V, H, const P: usize> {
    pub(crate) exponentials: Exponentials<V>,
    pub(crate) unit: UnitExp<P>,
    /// Whether the record is full.
    pub(crate) full: bool,
    pub(crate) hook: H,
}

impl<V: Vector, H: SweepHook<V>, const P: usize> SumTerms<V, H, P> {
    /// Sums over a row, or over rows side by side.
    #[inline(always)]
    pub(crate) fn over<const MASKED: bool, L: Layout<V = V>>(&mut self, layout: &L) -> Sums<L::R> {
        Sums::from_array(layout.sum::<MASKED, 8>(self))
    }
}

impl<R: Copy> Sums<R> {
    /// From the order of the sweep.
    #[inline(always)]
    pub(crate) fn from_array(sums: [R; 8]) -> Self {
        let [
            s,
            t,
            unit_s,
            unit_t,
            weighted_s,
            weighted_t,
            squares,
            contrast,
        ] = sums;
        Self {
            tempered: [s, t],
            unit: [unit_s, unit_t],
            weighted: [weighted_s, weighted_t],
            squares,
            contrast,
        }
    }

    /// In the order of the sweep.
    #[inline(always)]
    pub(crate) fn to_array(self) -> [R; 8] {
        let ([s, t], [unit_s, unit_t]) = (self.tempered, self.unit);
        let [weighted_s, weighted_t] = self.weighted;
        let (squares, contrast) = (self.squares, self.contrast);
        [
            s, t, unit_s, unit_t, weighted_s, weighted_t, squares, contrast,
        ]
    }
}

impl<V: Vector, H: SweepHook<V>, const P: usize> Terms<V, 8> for SumTerms<V, H, P> {
    const ABSENT: f32 = PAD_LOGIT;

    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: V, t: V, sums: &mut [V; 8]) {
        let Both { d, e } = self.exponentials.at::<MASKED>(s, t);
        let unit_s = self.unit.of(e[0], d[0]);
        self.hook.vector(at, [e[0], e[1], unit_s]);
        sums[0] = sums[0] + e[0];
        sums[1] = sums[1] + e[1];
        sums[2] = sums[2] + unit_s;
        sums[7] = e[1].mul_add(self.exponentials.contrast::<MASKED>(d), sums[7]);
        if self.full {
            let unit_t = self.unit.of(e[1], d[1]);
            sums[3] = sums[3] + unit_t;
            sums[4] = unit_s.mul_add(d[0], sums[4]);
            sums[5] = unit_t.mul_add(d[1], sums[5]);
            sums[6] = unit_s.mul_add(unit_s, sums[6]);
        }
    }
}
