//! The divergences, class by class: what one class adds to `D` and to `∂D/∂s`.
//!
//! Constant factors (τ², 1/V, …) stand outside, in [`factors`].

use crate::cpu::math::{kl_term, ln};
use crate::cpu::simd::Vector;
use crate::spec::{Divergence, LossSpec};

/// One class: its logits after revision, the student's probability and the revised target's.
#[derive(Clone, Copy)]
pub(crate) struct AtClass<V> {
    pub(crate) s: V,
    pub(crate) t: V,
    pub(crate) q: V,
    pub(crate) log_q: V,
    pub(crate) p: V,
    pub(crate) log_p: V,
}

/// A divergence as a sum over classes.
pub(crate) trait Rule<V: Vector> {
    /// Whether the gradient is `q_c (h_c − Σ_k q_k h_k)`, so that the mean has to be known first.
    const CENTRED: bool = true;

    /// What the class adds to `D`.
    fn value(&self, c: AtClass<V>) -> V;

    /// `h_c`, where the gradient is `q_c (h_c − Σ_k q_k h_k)`; rules that override
    /// [`Rule::gradient`] have none.
    #[inline(always)]
    fn slope(&self, _: AtClass<V>) -> V {
        V::splat(0.0)
    }

    /// `∂D/∂z_c`, given `mean = Σ_k q_k h_k`.
    #[inline(always)]
    fn gradient(&self, c: AtClass<V>, mean: V) -> V {
        // A masked class has q = 0 and an infinite slope.
        let zero = V::splat(0.0);
        V::select(c.q.eq(zero), zero, c.q * (self.slope(c) - mean))
    }

    /// What the label's class adds to `D`.
    #[inline(always)]
    fn label_value(&self, c: AtClass<V>) -> V {
        self.value(c)
    }

    /// `∂D/∂z_y`.
    #[inline(always)]
    fn label_gradient(&self, c: AtClass<V>, mean: V) -> V {
        self.gradient(c, mean)
    }
}

/// `Σ p' (log p' − log q)`.
pub(crate) struct ForwardKl;

impl<V: Vector> Rule<V> for ForwardKl {
    const CENTRED: bool = false;

    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        kl_term(c.p, c.log_p, c.q, c.log_q)
    }

    #[inline(always)]
    fn gradient(&self, c: AtClass<V>, _: V) -> V {
        c.q - c.p
    }
}

/// `Σ q (log q − log p')`.
pub(crate) struct ReverseKl;

impl<V: Vector> Rule<V> for ReverseKl {
    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        kl_term(c.q, c.log_q, c.p, c.log_p)
    }

    #[inline(always)]
    fn slope(&self, c: AtClass<V>) -> V {
        c.log_q - c.log_p
    }
}

/// `β KL(p'‖m) + (1−β) KL(q‖m)`, `m = βp' + (1−β)q`.
pub(crate) struct JensenShannon {
    pub(crate) beta: f32,
}

impl JensenShannon {
    #[inline(always)]
    fn weights<V: Vector>(&self) -> [V; 2] {
        [V::splat(self.beta), V::splat(1.0 - self.beta)]
    }

    #[inline(always)]
    fn mixture<V: Vector>(&self, c: AtClass<V>) -> (V, V) {
        let [of_p, of_q]: [V; 2] = self.weights();
        let m = of_p * c.p + of_q * c.q;
        // Where the products underflow, the logarithm of a class that is there stays finite.
        (m, ln(m.max(V::splat(f32::from_bits(1)))))
    }
}

impl<V: Vector> Rule<V> for JensenShannon {
    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        let (m, log_m) = self.mixture(c);
        let [of_p, of_q]: [V; 2] = self.weights();
        of_p * kl_term(c.p, c.log_p, m, log_m) + of_q * kl_term(c.q, c.log_q, m, log_m)
    }

    #[inline(always)]
    fn slope(&self, c: AtClass<V>) -> V {
        let (_, log_m) = self.mixture(c);
        V::splat(1.0 - self.beta) * (c.log_q - log_m)
    }
}

/// `½ Σ |p' − q|`.
pub(crate) struct TotalVariation;

impl<V: Vector> Rule<V> for TotalVariation {
    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        V::splat(0.5) * (c.p - c.q).abs()
    }

    #[inline(always)]
    fn slope(&self, c: AtClass<V>) -> V {
        let (zero, half) = (V::splat(0.0), V::splat(0.5));
        let above = V::select(c.p.lt(c.q), half, zero);
        V::select(c.q.lt(c.p), zero - half, above)
    }
}

/// `Σ (q − p')²`.
pub(crate) struct MseProbs;

impl<V: Vector> Rule<V> for MseProbs {
    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        (c.q - c.p) * (c.q - c.p)
    }

    #[inline(always)]
    fn slope(&self, c: AtClass<V>) -> V {
        c.q - c.p
    }
}

/// `Σ (s − t)²`; a class that either row masks adds nothing here.
pub(crate) struct MseLogits;

impl<V: Vector> Rule<V> for MseLogits {
    const CENTRED: bool = false;

    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        let difference = self.gradient(c, c.q);
        difference * difference
    }

    #[inline(always)]
    fn gradient(&self, c: AtClass<V>, _: V) -> V {
        let masked = V::splat(f32::NEG_INFINITY);
        let either = c.s.eq(masked) | c.t.eq(masked);
        V::select(either, V::splat(0.0), c.s - c.t)
    }
}

/// `α KL(b^t‖b^s) + β KL(p̂‖q̂)`. The classes besides the label come with `q` and `p` renormalised
/// without it.
#[derive(Clone, Copy)]
pub(crate) struct Decoupled<V> {
    /// β, or 0 where one of the rows has no other class.
    pub(crate) beta: V,
    /// `α (q_y − p'_y)`.
    pub(crate) label_slope: V,
    /// `α KL(b^t‖b^s)`.
    pub(crate) binary: V,
}

/// The label's class and the rest, with their logarithms.
#[derive(Clone, Copy)]
pub(crate) struct BinarySplit<R> {
    pub(crate) p: R,
    pub(crate) log_p: R,
    pub(crate) rest: R,
    pub(crate) log_rest: R,
}

impl<R: Vector> Decoupled<R> {
    /// Of student and target.
    #[inline(always)]
    pub(crate) fn new(alpha: f32, beta: R, q: BinarySplit<R>, p: BinarySplit<R>) -> Self {
        let (zero, half) = (R::splat(0.0), R::splat(0.5));
        // From whichever parts are small.
        let sure = half.lt(q.p) & half.lt(p.p);
        let label_slope = R::select(sure, p.rest - q.rest, q.p - p.p);
        let binary =
            kl_term(p.p, p.log_p, q.p, q.log_p) + kl_term(p.rest, p.log_rest, q.rest, q.log_rest);
        // No 0·∞.
        let weighted = R::splat(alpha) * binary;
        Self {
            beta,
            label_slope: R::splat(alpha) * label_slope,
            binary: if alpha == 0.0 { zero } else { weighted },
        }
    }
}

impl<V: Vector> Rule<V> for Decoupled<V> {
    const CENTRED: bool = false;

    #[inline(always)]
    fn value(&self, c: AtClass<V>) -> V {
        let zero = V::splat(0.0);
        let value = self.beta * kl_term(c.p, c.log_p, c.q, c.log_q);
        V::select(self.beta.eq(zero), zero, value)
    }

    #[inline(always)]
    fn gradient(&self, c: AtClass<V>, _: V) -> V {
        let zero = V::splat(0.0);
        let others = V::select(self.beta.eq(zero), zero, self.beta * (c.q - c.p));
        others - self.label_slope * c.q
    }

    #[inline(always)]
    fn label_value(&self, _: AtClass<V>) -> V {
        self.binary
    }

    #[inline(always)]
    fn label_gradient(&self, _: AtClass<V>, _: V) -> V {
        self.label_slope
    }
}

/// The constant factors of `D` and of `∂D/∂s` at temperature τ over V classes.
#[inline(always)]
pub(crate) fn factors<R: Vector>(
    spec: &LossSpec,
    divergence: Divergence,
    tau: R,
    classes: usize,
) -> (R, R) {
    let (v, one, two) = (R::splat(classes as f32), R::splat(1.0), R::splat(2.0));
    match divergence {
        Divergence::MseLogits => (one / v, two / v),
        Divergence::MseProbs => (one / v, two / (v * tau)),
        _ if spec.temperature_squared() => (tau * tau, tau),
        _ => (one, one / tau),
    }
}
