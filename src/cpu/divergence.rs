//! The divergences, class by class: what one class adds to `D` and to `∂D/∂s`.
//!
//! Constant factors (τ², 1/V, …) stand outside, in [`factors`].

use super::math::kl_term;
use super::softmax::Class;
use crate::spec::{Divergence, LossSpec};

/// One class: its logits after revision, the student's probability and the revised target's.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) s: f32,
    pub(super) t: f32,
    pub(super) q: f32,
    pub(super) log_q: f32,
    pub(super) p: f32,
    pub(super) log_p: f32,
}

/// A divergence as a sum over classes.
pub(super) trait Rule {
    /// Whether the gradient is `q_c (h_c − Σ_k q_k h_k)`, so that the mean has to be known first.
    const CENTRED: bool = true;

    /// What the class adds to `D`.
    fn value(&self, c: Pair) -> f32;

    /// `h_c`, where the gradient is `q_c (h_c − Σ_k q_k h_k)`; rules that override
    /// [`Rule::gradient`] have none.
    #[inline(always)]
    fn pull(&self, _: Pair) -> f32 {
        0.0
    }

    /// `∂D/∂z_c`, given `mean = Σ_k q_k h_k`.
    #[inline(always)]
    fn gradient(&self, c: Pair, mean: f32) -> f32 {
        // A masked class has q = 0 and an infinite pull.
        if c.q == 0.0 {
            0.0
        } else {
            c.q * (self.pull(c) - mean)
        }
    }

    /// What the label's class adds to `D`.
    #[inline(always)]
    fn label_value(&self, c: Pair) -> f32 {
        self.value(c)
    }

    /// `∂D/∂z_y`.
    #[inline(always)]
    fn label_gradient(&self, c: Pair, mean: f32) -> f32 {
        self.gradient(c, mean)
    }
}

/// `Σ p' (log p' − log q)`.
pub(super) struct ForwardKl;

impl Rule for ForwardKl {
    const CENTRED: bool = false;

    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        kl_term(c.p, c.log_p, c.q, c.log_q)
    }

    #[inline(always)]
    fn gradient(&self, c: Pair, _: f32) -> f32 {
        c.q - c.p
    }
}

/// `Σ q (log q − log p')`.
pub(super) struct ReverseKl;

impl Rule for ReverseKl {
    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        kl_term(c.q, c.log_q, c.p, c.log_p)
    }

    #[inline(always)]
    fn pull(&self, c: Pair) -> f32 {
        c.log_q - c.log_p
    }
}

/// `β KL(p'‖m) + (1−β) KL(q‖m)`, `m = βp' + (1−β)q`.
pub(super) struct JensenShannon {
    pub(super) beta: f32,
}

impl JensenShannon {
    #[inline(always)]
    fn mixture(&self, c: Pair) -> (f32, f32) {
        let m = self.beta * c.p + (1.0 - self.beta) * c.q;
        // Where the products underflow, the logarithm of a class that is there stays finite.
        (m, m.max(f32::from_bits(1)).ln())
    }
}

impl Rule for JensenShannon {
    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        let (m, log_m) = self.mixture(c);
        let of_p = kl_term(c.p, c.log_p, m, log_m);
        let of_q = kl_term(c.q, c.log_q, m, log_m);
        self.beta * of_p + (1.0 - self.beta) * of_q
    }

    #[inline(always)]
    fn pull(&self, c: Pair) -> f32 {
        let (_, log_m) = self.mixture(c);
        (1.0 - self.beta) * (c.log_q - log_m)
    }
}

/// `½ Σ |p' − q|`.
pub(super) struct TotalVariation;

impl Rule for TotalVariation {
    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        0.5 * (c.p - c.q).abs()
    }

    #[inline(always)]
    fn pull(&self, c: Pair) -> f32 {
        let difference = c.q - c.p;
        if difference == 0.0 {
            0.0
        } else {
            0.5_f32.copysign(difference)
        }
    }
}

/// `Σ (q − p')²`.
pub(super) struct MseProbs;

impl Rule for MseProbs {
    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        (c.q - c.p) * (c.q - c.p)
    }

    #[inline(always)]
    fn pull(&self, c: Pair) -> f32 {
        c.q - c.p
    }
}

/// `Σ (s − t)²`; a class that either row masks adds nothing here.
pub(super) struct MseLogits;

impl Rule for MseLogits {
    const CENTRED: bool = false;

    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        let difference = self.gradient(c, 0.0);
        difference * difference
    }

    #[inline(always)]
    fn gradient(&self, c: Pair, _: f32) -> f32 {
        let masked = (c.s == f32::NEG_INFINITY) | (c.t == f32::NEG_INFINITY);
        if masked { 0.0 } else { c.s - c.t }
    }
}

/// `α KL(b^t‖b^s) + β KL(p̂‖q̂)`. The classes besides the label come with `q` and `p` renormalised
/// without it.
pub(super) struct Decoupled {
    pub(super) alpha: f32,
    /// β, or 0 where one of the rows has no other class.
    pub(super) beta: f32,
    pub(super) student: Class,
    pub(super) target: Class,
}

impl Decoupled {
    /// `α (q_y − p'_y)`, from whichever parts are small.
    #[inline(always)]
    fn lead(&self) -> f32 {
        let (q, p) = (&self.student, &self.target);
        self.alpha
            * if q.p > 0.5 && p.p > 0.5 {
                p.rest - q.rest
            } else {
                q.p - p.p
            }
    }
}

impl Rule for Decoupled {
    const CENTRED: bool = false;

    #[inline(always)]
    fn value(&self, c: Pair) -> f32 {
        if self.beta == 0.0 {
            0.0
        } else {
            self.beta * kl_term(c.p, c.log_p, c.q, c.log_q)
        }
    }

    #[inline(always)]
    fn gradient(&self, c: Pair, _: f32) -> f32 {
        let others = if self.beta == 0.0 {
            0.0
        } else {
            self.beta * (c.q - c.p)
        };
        others - self.lead() * c.q
    }

    #[inline(always)]
    fn label_value(&self, _: Pair) -> f32 {
        let (q, p) = (&self.student, &self.target);
        let binary =
            kl_term(p.p, p.log_p, q.p, q.log_p) + kl_term(p.rest, p.log_rest, q.rest, q.log_rest);
        if self.alpha == 0.0 {
            0.0
        } else {
            self.alpha * binary
        }
    }

    #[inline(always)]
    fn label_gradient(&self, _: Pair, _: f32) -> f32 {
        self.lead()
    }
}

/// The constant factors of `D` and of `∂D/∂s` at temperature τ over V classes.
pub(super) fn factors(
    spec: &LossSpec,
    divergence: Divergence,
    tau: f32,
    classes: usize,
) -> (f32, f32) {
    let v = classes as f32;
    match divergence {
        Divergence::MseLogits => (1.0 / v, 2.0 / v),
        Divergence::MseProbs => (1.0 / v, 2.0 / (v * tau)),
        _ if spec.temperature_squared() => (tau * tau, tau),
        _ => (1.0, 1.0 / tau),
    }
}
