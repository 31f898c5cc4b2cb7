//! Logit standardisation: `z = (x−μ)/(σ + 1e-7)` over a row's unmasked classes.

use super::Element;
use super::sweep::{load, sum};

/// What keeps a constant row from a division by 0.
const EPSILON: f32 = 1e-7;

/// A row's mean and spread. A softmax needs only the spread; the mean cancels.
#[derive(Clone, Copy)]
pub(super) struct Standardised {
    mean: f32,
    sigma: f32,
    n: f32,
    /// `1/(σ + 1e-7)`, or 1 where there are fewer than two classes to spread.
    pub(super) inverse: f32,
}

/// What the chain rule through mean and spread needs to know of `G = ∂D/∂z` over the whole row.
#[derive(Clone, Copy)]
pub(super) struct Pullback {
    row: Standardised,
    mean_g: f32,
    tilt: f32,
}

impl Standardised {
    /// `maximum` is the row's largest logit, `n` its number of unmasked classes. The maximum is
    /// taken away first, and the variance is that of the centred values.
    pub(super) fn of<E: Element>(row: &[E], maximum: f32, n: u32) -> Self {
        let n = n as f32;
        let first = sum_unmasked(row, |z| z - maximum);
        let offset = first / n;
        let second = sum_unmasked(row, |z| {
            let centred = (z - maximum) - offset;
            centred * centred
        });
        let sigma = if n < 2.0 {
            0.0
        } else {
            (second / (n - 1.0)).sqrt()
        };
        Self {
            mean: offset,
            sigma,
            n,
            inverse: if n < 2.0 {
                1.0
            } else {
                1.0 / (sigma + EPSILON)
            },
        }
    }

    /// `z` of a class, given its logit less the row's maximum; 0 where the class is masked.
    #[inline(always)]
    pub(super) fn z(&self, below_maximum: f32) -> f32 {
        if below_maximum > f32::NEG_INFINITY {
            (below_maximum - self.mean) * self.inverse
        } else {
            0.0
        }
    }

    /// From `Σ_k G_k` and `Σ_k G_k z_k` over the unmasked classes.
    pub(super) fn pullback(self, sum_g: f32, sum_gz: f32) -> Pullback {
        let tilt = if self.sigma > 0.0 {
            sum_gz * (self.sigma + EPSILON) / ((self.n - 1.0) * self.sigma)
        } else {
            0.0
        };
        Pullback {
            row: self,
            mean_g: sum_g / self.n,
            tilt,
        }
    }
}

/// `Σ f(z)` over the classes that are not masked.
#[inline(always)]
fn sum_unmasked<E: Element>(row: &[E], f: impl Fn(f32) -> f32) -> f32 {
    let [total] = sum(row.len(), |start, [total]: &mut [_; 1]| {
        for (lane, z) in total.iter_mut().zip(load(row, start)) {
            *lane += if z > f32::NEG_INFINITY { f(z) } else { 0.0 };
        }
    });
    total
}

impl Pullback {
    /// `∂D/∂s_c = [G_c − mean G − z_c (Σ_k G_k z_k)(σ+1e-7)/((n−1)σ)]/(σ+1e-7)`, 0 where the class
    /// is masked or is the only one.
    #[inline(always)]
    pub(super) fn apply(&self, g: f32, below_maximum: f32) -> f32 {
        if self.row.n < 2.0 || below_maximum == f32::NEG_INFINITY {
            return 0.0;
        }
        let z = self.row.z(below_maximum);
        (g - self.mean_g - z * self.tilt) * self.row.inverse
    }
}
