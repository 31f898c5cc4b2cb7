//! Revise: the teacher's tempered softmax becomes the target p'.

use super::Element;
use super::extremes::{self, NO_LABEL, others};
use super::softmax::{Class, Softmax, sum_of_others};
use super::sweep::Block;
use crate::spec::Revision;

/// The revised target p' of one row, as a function of a class's logit.
pub(super) struct Target {
    /// The teacher's softmax, after probability shift if that is the revision.
    softmax: Softmax,
    /// The label's class and all others together, in p'.
    pub(super) label: Class,
    /// The label's logit in the target; −∞ where there is none.
    pub(super) label_logit: f32,
    y: usize,
    /// The class that probability shift gives the label's logit, and that logit.
    shifted: (usize, f32),
    /// β of label revision, 1 elsewhere, and its logarithm.
    pub(super) beta: f32,
    log_beta: f32,
    /// Label smoothing's probability of an unmasked class besides the label.
    smoothed: Option<f32>,
}

impl Target {
    /// The target at inverse temperature `k`. `wrong` rows are revised.
    pub(super) fn new<T: Element>(
        revision: Revision,
        wrong: bool,
        teacher: &[T],
        of_t: &extremes::Side,
        y: usize,
        k: f32,
    ) -> Self {
        // Probability shift is an exchange of two logits: the label takes the maximum.
        let (label, shift, shifted) = match of_t.label {
            Some(t_y) if wrong && revision == Revision::ProbabilityShift => {
                let shift = extremes::shift(of_t.second.max(t_y), Some(of_t.max));
                (Some(of_t.max), shift, (of_t.top, t_y))
            }
            label => (label, of_t.shift(), (NO_LABEL, 0.0)),
        };
        let at = |start| exchanged(teacher, start, y, shifted);
        let softmax = Softmax::new(k, shift, sum_of_others(teacher.len(), k, shift, at), label);
        let target = Self {
            softmax,
            label: softmax.y,
            label_logit: label.unwrap_or(f32::NEG_INFINITY),
            y,
            shifted,
            beta: 1.0,
            log_beta: 0.0,
            smoothed: None,
        };
        match revision {
            Revision::LabelRevision { eta } if wrong => target.label_revision(eta),
            Revision::LabelSmoothing { epsilon } if wrong => {
                target.label_smoothing(epsilon, of_t.unmasked)
            }
            _ => target,
        }
    }

    /// `p' = β p + (1−β) e_y`, `β = η / (p_max − p_y + 1)`.
    fn label_revision(self, eta: f32) -> Self {
        let y = self.softmax.y;
        let beta = eta / (self.softmax.confidence() - y.p + 1.0);
        let log_beta = beta.ln();
        let p = beta * y.p + (1.0 - beta);
        let label = Class {
            p,
            log_p: p.ln(),
            rest: beta * y.rest,
            log_rest: log_beta + y.log_rest,
        };
        Self {
            beta,
            log_beta,
            label,
            ..self
        }
    }

    /// `1−ε` at the label, `ε/n` at each of the `n` other classes that are not masked.
    fn label_smoothing(self, epsilon: f32, unmasked: u32) -> Self {
        let label = Class {
            p: 1.0 - epsilon,
            log_p: (-epsilon).ln_1p(),
            rest: epsilon,
            log_rest: epsilon.ln(),
        };
        let smoothed = Some(epsilon / unmasked as f32);
        Self {
            smoothed,
            label,
            ..self
        }
    }

    /// The target without the label's class, renormalised: label revision and probability shift
    /// leave it as it is, label smoothing makes it uniform.
    pub(super) fn without_label(self, unmasked: u32) -> Self {
        Self {
            softmax: self.softmax.without_label(),
            beta: 1.0,
            log_beta: 0.0,
            smoothed: self.smoothed.map(|_| 1.0 / unmasked as f32),
            ..self
        }
    }

    /// A block of the target's logits, the label's class masked.
    #[inline(always)]
    pub(super) fn logits<T: Element>(&self, teacher: &[T], start: usize) -> Block {
        exchanged(teacher, start, self.y, self.shifted)
    }

    /// `p'` and its logarithm at a class besides the label whose target logit is `t`.
    #[inline(always)]
    pub(super) fn at(&self, t: f32) -> (f32, f32) {
        let (p, log_p) = self.softmax.at(t);
        match self.smoothed {
            None => (p * self.beta, log_p + self.log_beta),
            Some(p) if t > f32::NEG_INFINITY => (p, p.ln()),
            Some(_) => (0.0, f32::NEG_INFINITY),
        }
    }
}

#[inline(always)]
fn exchanged<T: Element>(teacher: &[T], start: usize, y: usize, shifted: (usize, f32)) -> Block {
    let mut block = others(teacher, start, y);
    if let Some(lane) = block.get_mut(shifted.0.wrapping_sub(start)) {
        *lane = shifted.1;
    }
    block
}
