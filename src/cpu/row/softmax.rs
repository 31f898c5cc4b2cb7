//! A row's softmax, with the label's class kept apart from the others.

use crate::cpu::math::{exp, ln, ln_normal, softplus};
use crate::cpu::simd::{MAX_LANES, Vector, map};

/// `softmax(k·z)` of one row. The other classes' exponentials are relative to their own maximum
/// (`shift`), so they never vanish beside a label that is far ahead.
#[derive(Clone, Copy)]
pub(crate) struct Softmax<V> {
    /// The maximum over `c ≠ y`; the label's own logit where there is no other unmasked class.
    pub(crate) shift: V,
    /// The inverse temperature.
    pub(crate) k: V,
    /// `S' = Σ_{c≠y} exp(k (z_c − shift))`.
    pub(crate) others: V,
    /// What turns `exp(k (z_c − shift))` into a probability.
    pub(crate) scale: V,
    /// What turns `k (z_c − shift)` into a log-probability: `log S − k·shift`.
    pub(crate) log_norm: V,
    /// The label's class; probability 0 where there is no label.
    pub(crate) y: LabelShare<V>,
}

/// The probability of the label's class and of all others together.
#[derive(Clone, Copy)]
pub(crate) struct LabelShare<V> {
    pub(crate) p: V,
    pub(crate) log_p: V,
    pub(crate) rest: V,
}

impl<A: Copy> Softmax<A> {
    /// `f` of each value.
    #[inline(always)]
    pub(crate) fn map<B>(&self, f: impl Fn(A) -> B) -> Softmax<B> {
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

impl<A: Copy> LabelShare<A> {
    /// `f` of each value.
    #[inline(always)]
    pub(crate) fn map<B>(&self, f: impl Fn(A) -> B) -> LabelShare<B> {
        LabelShare {
            p: f(self.p),
            log_p: f(self.log_p),
            rest: f(self.rest),
        }
    }
}

impl<R: Vector> Softmax<R> {
    /// Four softmaxes. Those of one row are computed in the lanes of a `V`, because each is one long chain.
    #[inline(always)]
    pub(crate) fn four<V: Vector>(
        k: [R; 4],
        shift: [R; 4],
        others: [R; 4],
        label: [R; 4],
    ) -> [Self; 4] {
        if R::LANES == 1 {
            let lanes = map([k, shift, others, label], |row| four_lanes::<R, V>(row));
            let [k, shift, others, label] = lanes;
            let all = Softmax::new(k, shift, others, label).map(V::to_array);
            return std::array::from_fn(|i| all.map(|lanes| R::splat(lanes[i])));
        }
        // Not by a closure, which might not be inlined.
        let mut all = [Self::new(k[0], shift[0], others[0], label[0]); 4];
        for i in 1..4 {
            all[i] = Self::new(k[i], shift[i], others[i], label[i]);
        }
        all
    }

    /// From `S'` and the label's logit, −∞ where there is no label.
    #[inline(always)]
    pub(crate) fn new(k: R, shift: R, others: R, label: R) -> Self {
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
            y: LabelShare {
                p: of_label * inverse,
                log_p: R::select(leads, zero, x) - log_s,
                rest: others * scale,
            },
        }
    }

    /// The logarithm of the probability of all classes besides the label together.
    #[inline(always)]
    pub(crate) fn log_rest(&self, label: R) -> R {
        let u = (label - self.shift) * self.k - ln(self.others);
        R::splat(0.0) - softplus(u)
    }

    /// The softmax of the classes besides the label alone; all 0 where there is no other class.
    #[inline(always)]
    pub(crate) fn without_label(&self) -> Self {
        let zero = R::splat(0.0);
        Self {
            scale: R::select(zero.lt(self.others), R::splat(1.0) / self.others, zero),
            log_norm: ln(self.others),
            ..*self
        }
    }

    /// `p_y − max_{c≠y} p_c`.
    #[inline(always)]
    pub(crate) fn margin(&self) -> R {
        self.y.p - self.scale
    }

    /// The entropy from `Σ_{c≠y} e_c x_c`, and `Σ_{c≠y} p_c²` from `Σ_{c≠y} e_c²`, where
    /// `x_c = k (z_c − shift)` and `e_c = exp(x_c)`.
    #[inline(always)]
    pub(crate) fn moments(&self, weighted: R, squares: R) -> (R, R) {
        let zero = R::splat(0.0);
        let of_label = R::select(zero.lt(self.y.p), self.y.p * self.y.log_p, zero);
        let of_others = self.scale * weighted - self.log_norm * self.y.rest;
        let entropy = zero - (of_others + of_label);
        (entropy, squares * self.scale * self.scale)
    }

    /// The largest probability.
    #[inline(always)]
    pub(crate) fn confidence(&self) -> R {
        // exp(k (max_{c≠y} − shift)) = 1.
        self.scale.max(self.y.p)
    }
}

impl<V: Vector> Softmax<V> {
    /// The probability and its logarithm at a class besides the label whose logit is `z`.
    #[inline(always)]
    pub(crate) fn at(&self, z: V) -> (V, V) {
        let x = (z - self.shift) * self.k;
        (exp(x) * self.scale, x - self.log_norm)
    }
}

/// Four rows' values as the first lanes.
#[inline(always)]
fn four_lanes<R: Vector, V: Vector>(values: [R; 4]) -> V {
    let mut lanes = [0.0; MAX_LANES];
    for (lane, value) in lanes.iter_mut().zip(values) {
        *lane = value.to_array()[0];
    }
    V::from_array(&lanes)
}
