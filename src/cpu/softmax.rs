//! A row's softmax, with the label's class kept apart from the others.

use super::math::{exp, softplus};
use super::sweep::{LANES, sum};

/// `softmax(k·z)` of one row. The other classes' exponentials are relative to their own maximum
/// (`shift`), so they never vanish beside a label that is far ahead.
#[derive(Clone, Copy)]
pub(super) struct Softmax {
    /// The maximum over `c ≠ y`; the label's own logit where there is no other unmasked class.
    shift: f32,
    /// The inverse temperature.
    k: f32,
    /// `S' = Σ_{c≠y} exp(k (z_c − shift))`.
    others: f32,
    /// What turns `exp(k (z_c − shift))` into a probability.
    scale: f32,
    /// What turns `k (z_c − shift)` into a log-probability: `log S − k·shift`.
    log_norm: f32,
    /// The label's class; probability 0 where there is no label.
    pub(super) y: Class,
}

/// The probability of one class and of all the others together, and their logarithms.
#[derive(Clone, Copy)]
pub(super) struct Class {
    pub(super) p: f32,
    pub(super) log_p: f32,
    pub(super) rest: f32,
    pub(super) log_rest: f32,
}

impl Class {
    const ABSENT: Self = Self {
        p: 0.0,
        log_p: f32::NEG_INFINITY,
        rest: 1.0,
        log_rest: 0.0,
    };
    const ALONE: Self = Self {
        p: 1.0,
        log_p: 0.0,
        rest: 0.0,
        log_rest: f32::NEG_INFINITY,
    };
}

/// `S'` at inverse temperature `k`; `at` gives a block of logits with the label's class masked.
#[inline(always)]
pub(super) fn sum_of_others(
    classes: usize,
    k: f32,
    shift: f32,
    at: impl Fn(usize) -> [f32; LANES],
) -> f32 {
    let [others] = sum(classes, |start, [total]: &mut [_; 1]| {
        let z = at(start);
        for i in 0..LANES {
            total[i] += exp((z[i] - shift) * k);
        }
    });
    others
}

impl Softmax {
    /// From `S'` and the label's logit, if there is a label.
    #[inline]
    pub(super) fn new(k: f32, shift: f32, others: f32, label: Option<f32>) -> Self {
        let bare = Self {
            shift,
            k,
            others,
            scale: 1.0 / others,
            log_norm: others.ln(),
            y: Class::ABSENT,
        };
        let Some(z) = label else { return bare };
        if others == 0.0 {
            return Self {
                scale: 0.0,
                log_norm: 0.0,
                y: Class::ALONE,
                ..bare
            };
        }
        let x = (z - shift) * k;
        let ahead = exp(-x.abs());
        // Both cases divide by S relative to the larger of the label and the other classes.
        let (scale, p, log_norm) = if x > 0.0 {
            let s = others * ahead + 1.0;
            (ahead / s, 1.0 / s, x + (others * ahead).ln_1p())
        } else {
            let s = others + ahead;
            (1.0 / s, ahead / s, s.ln())
        };
        let u = x - bare.log_norm;
        Self {
            scale,
            log_norm,
            y: Class {
                p,
                log_p: -softplus(-u),
                rest: others * scale,
                log_rest: -softplus(u),
            },
            ..bare
        }
    }

    /// The same without the label's class, renormalised; all 0 where there is no other class.
    #[inline]
    pub(super) fn without_label(&self) -> Self {
        Self {
            scale: if self.others > 0.0 {
                1.0 / self.others
            } else {
                0.0
            },
            log_norm: self.others.ln(),
            ..*self
        }
    }

    /// The probability and its logarithm at a class besides the label whose logit is `z`.
    #[inline(always)]
    pub(super) fn at(&self, z: f32) -> (f32, f32) {
        let x = (z - self.shift) * self.k;
        (exp(x) * self.scale, x - self.log_norm)
    }

    /// `p_y − max_{c≠y} p_c`.
    #[inline]
    pub(super) fn margin(&self) -> f32 {
        self.y.p - self.scale
    }

    /// The entropy from `Σ_{c≠y} e_c x_c`, and `Σ_{c≠y} p_c²` from `Σ_{c≠y} e_c²`, where
    /// `x_c = k (z_c − shift)` and `e_c = exp(x_c)`.
    #[inline]
    pub(super) fn moments(&self, weighted: f32, squares: f32) -> (f32, f32) {
        let of_label = if self.y.p > 0.0 {
            self.y.p * self.y.log_p
        } else {
            0.0
        };
        let of_others = self.scale * weighted - self.log_norm * self.y.rest;
        (-(of_others + of_label), squares * self.scale * self.scale)
    }

    /// The largest probability.
    #[inline]
    pub(super) fn confidence(&self) -> f32 {
        // exp(k (max_{c≠y} − shift)) = 1.
        self.scale.max(self.y.p)
    }
}
