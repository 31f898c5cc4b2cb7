//! A row's softmax, with the label's class kept apart from the others.

use super::layout::Layout;
use super::math::{exp, ln, ln_normal, softplus};
use super::simd::Vector;

/// `softmax(k·z)` of one row. The other classes' exponentials are relative to their own maximum
/// (`shift`), so they never vanish beside a label that is far ahead.
#[derive(Clone, Copy)]
pub(super) struct Softmax<V> {
    /// The maximum over `c ≠ y`; the label's own logit where there is no other unmasked class.
    pub(super) shift: V,
    /// The inverse temperature.
    pub(super) k: V,
    /// `S' = Σ_{c≠y} exp(k (z_c − shift))`.
    pub(super) others: V,
    /// What turns `exp(k (z_c − shift))` into a probability.
    pub(super) scale: V,
    /// What turns `k (z_c − shift)` into a log-probability: `log S − k·shift`.
    pub(super) log_norm: V,
    /// The label's class; probability 0 where there is no label.
    pub(super) y: Class<V>,
}

/// The probability of one class and of all the others together.
#[derive(Clone, Copy)]
pub(super) struct Class<V> {
    pub(super) p: V,
    pub(super) log_p: V,
    pub(super) rest: V,
}

impl<A: Copy> Softmax<A> {
    /// Each of its values as another.
    #[inline(always)]
    pub(super) fn map<B>(&self, f: impl Fn(A) -> B) -> Softmax<B> {
        Softmax {
            shift: f(self.shift),
            k: f(self.k),
            others: f(self.others),
            scale: f(self.scale),
            log_norm: f(self.log_norm),
            y: self.y.map(f),
        }
    }
}

impl<A: Copy> Class<A> {
    /// Each of its values as another.
    #[inline(always)]
    pub(super) fn map<B>(&self, f: impl Fn(A) -> B) -> Class<B> {
        Class {
            p: f(self.p),
            log_p: f(self.log_p),
            rest: f(self.rest),
        }
    }
}

impl<R: Vector> Softmax<R> {
    /// From `S'` and the label's logit, −∞ where there is no label.
    #[inline(always)]
    pub(super) fn new(k: R, shift: R, others: R, label: R) -> Self {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        let x = (label - shift) * k;
        // Where the label is masked, x = −∞ and nothing is ahead.
        let ahead = exp(zero - x.abs());
        // S relative to the larger of the label and the other classes, whose term is 1 or more.
        let leads = zero.lt(x);
        let behind = R::select(leads, others * ahead, others);
        let of_label = R::select(leads, one, ahead);
        let s = behind + of_label;
        let inverse = one / s;
        // What rounding took from 1 + r comes back, so that a sure row keeps its cross-entropy.
        let lost = R::select(leads, (behind - (s - one)) * inverse, zero);
        let log_s = ln_normal(s) + lost;
        // No other class is unmasked.
        let alone = others.eq(zero);
        let scale = R::select(leads, ahead, one) * inverse;
        let scale = R::select(alone, zero, scale);
        Self {
            shift,
            k,
            others,
            scale,
            log_norm: R::select(leads, x, zero) + log_s,
            y: Class {
                p: of_label * inverse,
                log_p: R::select(leads, zero, x) - log_s,
                rest: others * scale,
            },
        }
    }

    /// The logarithm of all classes besides the label together.
    #[inline(always)]
    pub(super) fn log_rest(&self, label: R) -> R {
        let u = (label - self.shift) * self.k - ln(self.others);
        R::splat(0.0) - softplus(u)
    }

    /// The same without the label's class, renormalised; all 0 where there is no other class.
    #[inline(always)]
    pub(super) fn without_label(&self) -> Self {
        let zero = R::splat(0.0);
        Self {
            scale: R::select(zero.lt(self.others), R::splat(1.0) / self.others, zero),
            log_norm: ln(self.others),
            ..*self
        }
    }

    /// The same for every class.
    #[inline(always)]
    pub(super) fn spread<L: Layout<R = R>>(&self) -> Softmax<L::V> {
        self.map(L::spread)
    }

    /// `p_y − max_{c≠y} p_c`.
    #[inline(always)]
    pub(super) fn margin(&self) -> R {
        self.y.p - self.scale
    }

    /// The entropy from `Σ_{c≠y} e_c x_c`, and `Σ_{c≠y} p_c²` from `Σ_{c≠y} e_c²`, where
    /// `x_c = k (z_c − shift)` and `e_c = exp(x_c)`.
    #[inline(always)]
    pub(super) fn moments(&self, weighted: R, squares: R) -> (R, R) {
        let zero = R::splat(0.0);
        let of_label = R::select(zero.lt(self.y.p), self.y.p * self.y.log_p, zero);
        let of_others = self.scale * weighted - self.log_norm * self.y.rest;
        let entropy = zero - (of_others + of_label);
        (entropy, squares * self.scale * self.scale)
    }

    /// The largest probability.
    #[inline(always)]
    pub(super) fn confidence(&self) -> R {
        // exp(k (max_{c≠y} − shift)) = 1.
        self.scale.max(self.y.p)
    }
}

impl<V: Vector> Softmax<V> {
    /// The probability and its logarithm at a class besides the label whose logit is `z`.
    #[inline(always)]
    pub(super) fn at(&self, z: V) -> (V, V) {
        let x = (z - self.shift) * self.k;
        (exp(x) * self.scale, x - self.log_norm)
    }
}
