//! Revise: the teacher's tempered softmax becomes the target p'.

use super::extremes::{Extremes, Side, shift};
use super::layout::{Layout, Terms};
use super::softmax::{LabelShare, Softmax};
use crate::cpu::math::{exp, ln};
use crate::cpu::simd::{Mask, Vector};
use crate::spec::Revision;

/// The revised target p' of a row, as a function of a class's logit; its values per row or, after
/// [`Target::spread`], per class.
#[derive(Clone, Copy)]
pub(crate) struct Target<V: Vector, C> {
    /// The teacher's softmax, after probability shift if that is the revision; of the classes besides the
    /// label β of label revision is part.
    pub(crate) softmax: Softmax<V>,
    /// The label's class and all others together, in p'.
    pub(crate) label: LabelShare<V>,
    /// The label's logit in the target; −∞ where there is none.
    pub(crate) label_logit: V,
    /// The logit that probability shift gives the teacher's top class.
    shifted: Option<(C, V)>,
    /// β of label revision, 1 elsewhere.
    pub(crate) beta: V,
    /// Label smoothing: the rows, and the probability of an unmasked class besides the label.
    smoothed: Option<(V::Mask, V, V)>,
}

impl<R: Vector, C: Copy> Target<R, C> {
    /// The teacher's softmax as it is.
    #[inline(always)]
    pub(crate) fn unrevised(teacher: &Side<R, C>, softmax: Softmax<R>) -> Self {
        Self {
            softmax,
            label: softmax.y,
            label_logit: teacher.label,
            shifted: None,
            beta: R::splat(1.0),
            smoothed: None,
        }
    }

    /// Revises the rows in `wrong`, but for probability shift, which [`Target::exchanged`] is for.
    #[inline(always)]
    pub(crate) fn revised(self, revision: Revision, wrong: R::Mask, unmasked: R) -> Self {
        match revision {
            Revision::LabelRevision { eta } if wrong.any() => self.label_revision(wrong, eta),
            Revision::LabelSmoothing { epsilon } if wrong.any() => {
                self.label_smoothing(wrong, epsilon, unmasked)
            }
            _ => self,
        }
    }

    /// `p' = β p + (1−β) e_y`, `β = η / (p_max − p_y + 1)`.
    #[inline(always)]
    fn label_revision(self, wrong: R::Mask, eta: f32) -> Self {
        let (y, zero, one) = (self.softmax.y, R::splat(0.0), R::splat(1.0));
        let beta = R::splat(eta) / (self.softmax.confidence() - y.p + one);
        let beta = R::select(wrong, beta, one);
        let p = beta * y.p + (one - beta);
        let log_beta = R::select(wrong, ln(beta), zero);
        Self {
            softmax: Softmax {
                scale: self.softmax.scale * beta,
                log_norm: self.softmax.log_norm - log_beta,
                ..self.softmax
            },
            beta,
            label: LabelShare {
                p,
                log_p: R::select(wrong, ln(p), y.log_p),
                rest: beta * y.rest,
            },
            ..self
        }
    }

    /// Probability shift: in the rows in `wrong` the label and the teacher's top exchange their logits.
    #[inline(always)]
    pub(crate) fn exchanged<L: Layout<R = R, Class = C>>(
        self,
        layout: &L,
        wrong: R::Mask,
        extremes: &Extremes<R, C>,
    ) -> Self {
        if !wrong.any() {
            return self;
        }
        let of_t = &extremes.teacher;
        let second = layout.second(of_t.top).max(of_t.label);
        let below = R::select(wrong, shift(second, of_t.max), of_t.shift());
        let own = R::select(
            layout.is_label(of_t.top),
            R::splat(f32::NEG_INFINITY),
            of_t.max,
        );
        let given = R::select(wrong, of_t.label, own);
        let k = self.softmax.k;
        let mut exchanged = Exchanged::<L> {
            class: of_t.top,
            logit: L::spread(given),
            shift: L::spread(below),
            k: L::spread(k),
        };
        let [others] = layout.sum::<true, 1>(&mut exchanged);
        let others = R::select(wrong, others, self.softmax.others);
        let label = R::select(wrong, of_t.max, of_t.label);
        let softmax = Softmax::new(k, below, others, label);
        Self {
            softmax,
            label: softmax.y,
            label_logit: label,
            shifted: Some((of_t.top, given)),
            ..self
        }
    }

    /// `1−ε` at the label, `ε/n` at each of the `n` other classes that are not masked.
    #[inline(always)]
    fn label_smoothing(self, wrong: R::Mask, epsilon: f32, unmasked: R) -> Self {
        let p = R::splat(epsilon) / unmasked;
        let y = self.softmax.y;
        let or = |smoothed: f32, own: R| R::select(wrong, R::splat(smoothed), own);
        Self {
            smoothed: Some((wrong, p, ln(p))),
            label: LabelShare {
                p: or(1.0 - epsilon, y.p),
                log_p: or((-epsilon).ln_1p(), y.log_p),
                rest: or(epsilon, y.rest),
            },
            ..self
        }
    }

    /// The logarithm of the probability of all classes besides the label together, in p'.
    #[inline(always)]
    pub(crate) fn log_rest(&self) -> R {
        let own = ln(self.beta) + self.softmax.log_rest(self.label_logit);
        match self.smoothed {
            Some((rows, ..)) => R::select(rows, ln(self.label.rest), own),
            None => own,
        }
    }

    /// The target without the label's class, renormalised: label revision and probability shift
    /// leave it as it is, label smoothing makes it uniform.
    #[inline(always)]
    pub(crate) fn without_label(self, unmasked: R) -> Self {
        let uniform = R::splat(1.0) / unmasked;
        Self {
            softmax: self.softmax.without_label(),
            smoothed: self.smoothed.map(|(rows, ..)| (rows, uniform, ln(uniform))),
            ..self
        }
    }

    /// A row's target for each of its classes. Masks of rows are masks of classes only where rows lie side by
    /// side; elsewhere there is one row, whose mask is all or nothing.
    #[inline(always)]
    pub(crate) fn spread<L: Layout<R = R, Class = C>>(&self) -> Target<L::V, C> {
        let spread_mask = |rows: R::Mask| {
            let ones = R::select(rows, R::splat(1.0), R::splat(0.0));
            L::spread(ones).eq(L::V::splat(1.0))
        };
        Target {
            softmax: self.softmax.map(L::spread),
            label: self.label.map(L::spread),
            label_logit: L::spread(self.label_logit),
            shifted: self.shifted.map(|(class, z)| (class, L::spread(z))),
            beta: L::spread(self.beta),
            smoothed: self
                .smoothed
                .map(|(rows, p, log_p)| (spread_mask(rows), L::spread(p), L::spread(log_p))),
        }
    }
}

impl<V: Vector, C: Copy> Target<V, C> {
    /// The target's logits from class `at` on, given the teacher's, the label's class masked.
    #[inline(always)]
    pub(crate) fn logits<L: Layout<V = V, Class = C>>(&self, at: usize, t: V) -> V {
        match self.shifted {
            Some((class, z)) => L::with(at, t, class, z),
            None => t,
        }
    }

    /// `p'` and its logarithm at a class besides the label whose target logit is `t`.
    #[inline(always)]
    pub(crate) fn at(&self, t: V) -> (V, V) {
        let own = self.softmax.at(t);
        let Some((rows, p, log_p)) = self.smoothed else {
            return own;
        };
        let masked = V::splat(f32::NEG_INFINITY);
        let there = masked.lt(t);
        let p = V::select(there, p, V::splat(0.0));
        let log_p = V::select(there, log_p, masked);
        (V::select(rows, p, own.0), V::select(rows, log_p, own.1))
    }
}

/// `S'` of the teacher with one logit exchanged.
struct Exchanged<L: Layout> {
    class: L::Class,
    logit: L::V,
    shift: L::V,
    k: L::V,
}

impl<L: Layout> Terms<L::V, 1> for Exchanged<L> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, _: L::V, t: L::V, sums: &mut [L::V; 1]) {
        let z = L::with(at, t, self.class, self.logit);
        sums[0] = sums[0] + exp((z - self.shift) * self.k);
    }
}
