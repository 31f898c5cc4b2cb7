//! Divergence and gradient of any loss: each rule, on the rows that it is for.

use super::divergence::{
    BinarySplit, Decoupled, ForwardKl, JensenShannon, MseLogits, MseProbs, ReverseKl, Rule,
    TotalVariation, factors,
};
use super::gradient::{Gradient, GradientSweep};
use super::layout::{Layout, Sink};
use super::masks::Masks;
use super::revise::Revised;
use super::standardise::Standardised;
use crate::cpu::simd::{Mask, Task, Vector};
use crate::spec::{Divergence, LossSpec};

/// What the rules are run on.
pub(crate) struct Rules<'a, L: Layout, G> {
    pub(crate) spec: &'a LossSpec,
    pub(crate) layout: &'a L,
    pub(crate) labelled: <L::R as Vector>::Mask,
    pub(crate) tau: L::R,
    pub(crate) revised: &'a Revised<L::R, L::Class>,
    pub(crate) standardised: Option<Standardised<L::R>>,
    pub(crate) masks: &'a Masks<L::R>,
    /// The teacher's unmasked classes besides the label.
    pub(crate) unmasked: L::R,
    pub(crate) sink: &'a mut G,
}

impl<L: Layout, G: Sink<L::V, L::R>> Task for Rules<'_, L, G> {
    type Output = L::R;

    /// Writes the gradient; returns D.
    #[inline(always)]
    fn run(mut self) -> L::R {
        let mut kd = L::R::splat(0.0);
        for (divergence, rows) in divergences(self.spec, self.revised.wrong, self.labelled) {
            if rows.any() {
                let value = self.one(divergence, rows);
                kd = L::R::select(rows, value, kd);
            }
        }
        kd
    }
}

/// The divergences of the specification and the rows that each is for.
#[inline(always)]
fn divergences<M: Mask>(spec: &LossSpec, wrong: M, labelled: M) -> [(Divergence, M); 4] {
    let none = M::splat(false);
    let (right, of_wrong) = (spec.right().divergence, spec.wrong().divergence);
    // Rows without a label have no class to decouple.
    let split = |divergence, rows: M| match divergence {
        Divergence::Decoupled { .. } => [
            (divergence, rows & labelled),
            (Divergence::ForwardKl, rows & !labelled),
        ],
        _ => [(divergence, rows), (divergence, none)],
    };
    let same = right == of_wrong;
    let [a, b] = split(right, if same { M::splat(true) } else { !wrong });
    let [c, d] = split(of_wrong, if same { none } else { wrong });
    [a, b, c, d]
}

impl<L: Layout, G: Sink<L::V, L::R>> Rules<'_, L, G> {
    /// One divergence, for its rows.
    #[inline(always)]
    fn one(&mut self, divergence: Divergence, rows: <L::R as Vector>::Mask) -> L::R {
        let (value_factor, slope) = factors(self.spec, divergence, self.tau, self.layout.classes());
        let unbounded = self.masks.infinite(divergence);
        // Reverse KL has no gradient where it is infinite; the others keep their formula.
        let dead = unbounded & <L::R as Vector>::Mask::splat(divergence == Divergence::ReverseKl);
        let mut gradient = self.revised.gradient;
        let factor = self.revised.factor * slope;
        gradient.factors.kd = L::R::select(dead, L::R::splat(0.0), factor);
        let value = value_factor * self.by_divergence(divergence, rows, gradient);
        L::R::select(unbounded, L::R::splat(f32::INFINITY), value)
    }

    /// Writes the gradient by the divergence's rule; returns D without its factor.
    #[inline(always)]
    fn by_divergence(
        &mut self,
        divergence: Divergence,
        rows: <L::R as Vector>::Mask,
        gradient: Gradient<L::R, L::Class>,
    ) -> L::R {
        match divergence {
            Divergence::ForwardKl => self.by(ForwardKl, ForwardKl, rows, gradient),
            Divergence::ReverseKl => self.by(ReverseKl, ReverseKl, rows, gradient),
            Divergence::JensenShannon { beta } => self.by(
                JensenShannon { beta },
                JensenShannon { beta },
                rows,
                gradient,
            ),
            Divergence::TotalVariation => self.by(TotalVariation, TotalVariation, rows, gradient),
            Divergence::MseProbs => self.by(MseProbs, MseProbs, rows, gradient),
            Divergence::MseLogits => self.by(MseLogits, MseLogits, rows, gradient),
            Divergence::Decoupled { alpha, beta } => {
                let of_label = self.decoupled(&gradient, alpha, beta);
                let of_others = Decoupled {
                    beta: L::spread(of_label.beta),
                    label_slope: L::spread(of_label.label_slope),
                    binary: L::spread(of_label.binary),
                };
                let gradient = gradient.without_label(self.unmasked);
                self.by(of_label, of_others, rows, gradient)
            }
        }
    }

    /// Sweeps by one rule, for the label's class and for the others.
    #[inline(always)]
    fn by(
        &mut self,
        of_label: impl Rule<L::R>,
        of_others: impl Rule<L::V>,
        rows: <L::R as Vector>::Mask,
        gradient: Gradient<L::R, L::Class>,
    ) -> L::R {
        L::V::vectorize(GradientSweep {
            gradient,
            standardised: self.standardised,
            layout: self.layout,
            rows,
            labelled: self.labelled,
            of_label,
            of_others,
            sink: &mut *self.sink,
        })
    }

    #[inline(always)]
    fn decoupled(
        &self,
        gradient: &Gradient<L::R, L::Class>,
        alpha: f32,
        beta: f32,
    ) -> Decoupled<L::R> {
        let (q, target) = (&gradient.student, &gradient.target);
        let both = self.masks.s_others & self.masks.p_others;
        let beta = L::R::select(both, L::R::splat(beta), L::R::splat(0.0));
        let of_student = BinarySplit {
            p: q.y.p,
            log_p: q.y.log_p,
            rest: q.y.rest,
            log_rest: q.log_rest(gradient.label),
        };
        let p = target.label;
        let of_target = BinarySplit {
            p: p.p,
            log_p: p.log_p,
            rest: p.rest,
            log_rest: target.log_rest(),
        };
        Decoupled::new(alpha, beta, of_student, of_target)
    }
}
