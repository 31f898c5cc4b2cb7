//! Logit standardisation: `z = (x−μ)/(σ + 1e-7)` over a row's unmasked classes.

use super::layout::{Layout, Terms};
use crate::cpu::simd::{Vector, map};

/// What keeps a constant row from a division by 0.
const EPSILON: f32 = 1e-7;

/// A row's mean and spread. A softmax needs only the spread; the mean cancels.
#[derive(Clone, Copy)]
pub(crate) struct Standardised<V> {
    /// The mean, less the row's maximum.
    mean: V,
    sigma: V,
    n: V,
    /// The row's largest logit.
    maximum: V,
    /// `1/(σ + 1e-7)`, or 1 where there are fewer than two classes to spread.
    pub(crate) inverse: V,
}

/// What the chain rule through mean and spread needs to know of `G = ∂D/∂z` over the whole row.
#[derive(Clone, Copy)]
pub(crate) struct Pullback<V> {
    row: Standardised<V>,
    mean_g: V,
    variance_term: V,
}

impl<R: Vector> Standardised<R> {
    /// Student and teacher. `maxima` are the rows' largest logits, `n` their numbers of unmasked
    /// classes, `labels` their labels' logits. The maximum is taken away first, and the variance
    /// is that of the centred values.
    #[inline(always)]
    pub(crate) fn both<L: Layout<R = R>>(
        layout: &L,
        maxima: [R; 2],
        labels: [R; 2],
        n: [R; 2],
    ) -> [Self; 2] {
        let zero = R::splat(0.0);
        let first = totals(layout, maxima, labels, [zero; 2], false);
        let mean = [first[0] / n[0], first[1] / n[1]];
        let second = totals(layout, maxima, labels, mean, true);
        [
            Self::of(maxima[0], mean[0], second[0], n[0]),
            Self::of(maxima[1], mean[1], second[1], n[1]),
        ]
    }

    /// From the mean less the maximum and from `Σ (z − maximum − mean)²`.
    #[inline(always)]
    fn of(maximum: R, mean: R, squares: R, n: R) -> Self {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        let few = n.lt(R::splat(2.0));
        let sigma = R::select(few, zero, (squares / (n - one)).sqrt());
        Self {
            mean,
            sigma,
            n,
            maximum,
            inverse: R::select(few, one, one / (sigma + R::splat(EPSILON))),
        }
    }

    /// A row's values for each of its classes.
    #[inline(always)]
    pub(crate) fn spread<L: Layout<R = R>>(&self) -> Standardised<L::V> {
        Standardised {
            mean: L::spread(self.mean),
            sigma: L::spread(self.sigma),
            n: L::spread(self.n),
            maximum: L::spread(self.maximum),
            inverse: L::spread(self.inverse),
        }
    }

    /// From `Σ_k G_k` and `Σ_k G_k z_k` over the unmasked classes.
    #[inline(always)]
    pub(crate) fn pullback(self, sum_g: R, sum_gz: R) -> Pullback<R> {
        let zero = R::splat(0.0);
        let spread = (self.n - R::splat(1.0)) * self.sigma;
        let variance_term = sum_gz * (self.sigma + R::splat(EPSILON)) / spread;
        Pullback {
            row: self,
            mean_g: sum_g / self.n,
            variance_term: R::select(zero.lt(self.sigma), variance_term, zero),
        }
    }
}

impl<V: Vector> Standardised<V> {
    /// `z` of a class; 0 where the class is masked.
    #[inline(always)]
    pub(crate) fn z(&self, logit: V) -> V {
        let masked = logit.eq(V::splat(f32::NEG_INFINITY));
        let z = ((logit - self.maximum) - self.mean) * self.inverse;
        V::select(masked, V::splat(0.0), z)
    }
}

impl<R: Vector> Pullback<R> {
    /// A row's values for each of its classes.
    #[inline(always)]
    pub(crate) fn spread<L: Layout<R = R>>(&self) -> Pullback<L::V> {
        Pullback {
            row: self.row.spread::<L>(),
            mean_g: L::spread(self.mean_g),
            variance_term: L::spread(self.variance_term),
        }
    }
}

impl<V: Vector> Pullback<V> {
    /// `∂D/∂s_c = [G_c − mean G − z_c (Σ_k G_k z_k)(σ+1e-7)/((n−1)σ)]/(σ+1e-7)`, 0 where the class
    /// is masked or is the only one.
    #[inline(always)]
    pub(crate) fn apply(&self, g: V, logit: V) -> V {
        let z = self.row.z(logit);
        let pulled = (g - self.mean_g - z * self.variance_term) * self.row.inverse;
        let dead = self.row.n.lt(V::splat(2.0)) | logit.eq(V::splat(f32::NEG_INFINITY));
        V::select(dead, V::splat(0.0), pulled)
    }
}

/// The sums of [`power`] over all classes, student and teacher.
#[inline(always)]
fn totals<L: Layout>(
    layout: &L,
    maxima: [L::R; 2],
    labels: [L::R; 2],
    centre: [L::R; 2],
    square: bool,
) -> [L::R; 2] {
    let [s, t] = layout.sum::<true, 2>(&mut Powers {
        maximum: map(maxima, L::spread),
        centre: map(centre, L::spread),
        square,
    });
    [
        s + power(labels[0], maxima[0], centre[0], square),
        t + power(labels[1], maxima[1], centre[1], square),
    ]
}

/// `z − maximum`, or `(z − maximum − centre)²`; 0 where the class is masked.
#[inline(always)]
fn power<V: Vector>(z: V, maximum: V, centre: V, square: bool) -> V {
    let centred = (z - maximum) - centre;
    let value = if square { centred * centred } else { centred };
    let masked = z.eq(V::splat(f32::NEG_INFINITY));
    V::select(masked, V::splat(0.0), value)
}

struct Powers<V> {
    maximum: [V; 2],
    centre: [V; 2],
    square: bool,
}

impl<V: Vector> Terms<V, 2> for Powers<V> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, t: V, sums: &mut [V; 2]) {
        for (i, z) in [s, t].into_iter().enumerate() {
            let value = power(z, self.maximum[i], self.centre[i], self.square);
            sums[i] = sums[i] + value;
        }
    }
}
