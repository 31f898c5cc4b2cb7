//! The divergence's value and the row's gradient, for any rule.

use super::Element;
use super::divergence::{Pair, Rule};
use super::extremes::others;
use super::softmax::Softmax;
use super::standardise::{Pullback, Standardised};
use super::sweep::{Block, LANES, store, sum};
use super::target::Target;
use crate::batch::RowLogits;

/// Student and revised target of one row, and what the gradient is multiplied by.
pub(super) struct Gradient {
    /// `q`, the student's softmax at the row's temperature.
    pub(super) student: Softmax,
    /// `p'`.
    pub(super) target: Target,
    /// `q1`, the student's softmax at τ = 1.
    pub(super) raw: Softmax,
    /// The student's logit at the label, if there is a label.
    pub(super) label: Option<f32>,
    /// The student's largest logit.
    pub(super) maximum: f32,
    pub(super) y: usize,
    pub(super) standardised: Option<Standardised>,
    pub(super) factors: Factors,
}

/// Everything that multiplies `∂D/∂z` and `∂CE/∂s`; a part whose factor is 0 is not evaluated.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    pub(super) kd: f32,
    pub(super) ce: f32,
}

impl Gradient {
    /// The same over the classes besides the label, renormalised.
    pub(super) fn without_label(self, unmasked: u32) -> Self {
        Self {
            student: self.student.without_label(),
            target: self.target.without_label(unmasked),
            ..self
        }
    }

    /// Writes the gradient, where there is room for it; returns `D` without its factor.
    pub(super) fn run<R: Rule, S: Element, T: Element>(
        &self,
        rule: &R,
        student: &mut RowLogits<S>,
        teacher: &[T],
    ) -> f32 {
        let s = student.read();
        let label = self.label_pair();
        let (mut value, mut mean) = self.value_and_mean(rule, s, teacher);
        if let Some(c) = label {
            value += rule.label_value(c);
            if R::CENTRED && c.q != 0.0 {
                mean += c.q * rule.pull(c);
            }
        }
        if student.write().is_some() {
            self.write(rule, mean, student, teacher);
        }
        value
    }

    /// A class besides the label with these logits.
    #[inline(always)]
    fn pair(&self, s: f32, t: f32) -> Pair {
        let ((q, log_q), (p, log_p)) = (self.student.at(s), self.target.at(t));
        Pair {
            s,
            t,
            q,
            log_q,
            p,
            log_p,
        }
    }

    fn label_pair(&self) -> Option<Pair> {
        let (q, p) = (self.student.y, self.target.label);
        self.label.map(|s| Pair {
            s,
            t: self.target.label_logit,
            q: q.p,
            log_q: q.log_p,
            p: p.p,
            log_p: p.log_p,
        })
    }

    /// `D` and `Σ_k q_k h_k` over the classes besides the label.
    fn value_and_mean<R: Rule, S: Element, T: Element>(
        &self,
        rule: &R,
        s: &[S],
        t: &[T],
    ) -> (f32, f32) {
        let [value, mean] = sum(s.len(), |start, [value, mean]| {
            let (s, t) = (others(s, start, self.y), self.target.logits(t, start));
            for i in 0..LANES {
                let c = self.pair(s[i], t[i]);
                value[i] += rule.value(c);
                if R::CENTRED {
                    mean[i] += if c.q == 0.0 { 0.0 } else { c.q * rule.pull(c) };
                }
            }
        });
        (value, mean)
    }

    /// The gradient of standardised logits needs two sums over it before it can be written.
    fn pullback<R: Rule, S: Element, T: Element>(
        &self,
        rule: &R,
        mean: f32,
        s: &[S],
        t: &[T],
    ) -> Option<Pullback> {
        let row = self.standardised?;
        let [mut sum_g, mut sum_gz] = sum(s.len(), |start, [sum_g, sum_gz]| {
            let (s, t) = (others(s, start, self.y), self.target.logits(t, start));
            for i in 0..LANES {
                let masked = s[i] == f32::NEG_INFINITY;
                let g = rule.gradient(self.pair(s[i], t[i]), mean);
                let g = if masked { 0.0 } else { g };
                sum_g[i] += g;
                sum_gz[i] += g * row.z(s[i] - self.maximum);
            }
        });
        if let Some(c) = self.label_pair().filter(|c| c.s > f32::NEG_INFINITY) {
            let g = rule.label_gradient(c, mean);
            sum_g += g;
            sum_gz += g * row.z(c.s - self.maximum);
        }
        Some(row.pullback(sum_g, sum_gz))
    }

    fn write<R: Rule, S: Element, T: Element>(
        &self,
        rule: &R,
        mean: f32,
        student: &mut RowLogits<S>,
        teacher: &[T],
    ) {
        let Factors { kd, ce } = self.factors;
        let pullback = self.pullback(rule, mean, student.read(), teacher);
        let pull = |g: f32, s: f32| match &pullback {
            Some(pullback) => pullback.apply(g, s - self.maximum),
            None => g,
        };
        for start in (0..teacher.len()).step_by(LANES) {
            let s = others(student.read(), start, self.y);
            let mut g: Block = [0.0; LANES];
            if kd != 0.0 {
                let t = self.target.logits(teacher, start);
                for i in 0..LANES {
                    g[i] = kd * pull(rule.gradient(self.pair(s[i], t[i]), mean), s[i]);
                }
            }
            if ce != 0.0 {
                for i in 0..LANES {
                    g[i] += ce * self.raw.at(s[i]).0;
                }
            }
            if let (Some(lane), Some(c)) =
                (g.get_mut(self.y.wrapping_sub(start)), self.label_pair())
            {
                let of_kd = if kd == 0.0 {
                    0.0
                } else {
                    kd * pull(rule.label_gradient(c, mean), c.s)
                };
                *lane = of_kd - ce * self.raw.y.rest;
            }
            if let Some(gradient) = student.write() {
                store(gradient, start, &g);
            }
        }
    }
}
