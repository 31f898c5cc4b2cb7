//! One row: its facts, its loss, its gradient, its record.

use super::divergence::{divergence, mse_logits};
use super::revise::revised;
use super::scores;
use super::softmax::{Distribution, has_finite_maximum, top};
use super::standardise::Standardised;
use super::stats::ReferenceStats;
use super::term::Term;
use crate::spec::{Divergence, IGNORE, LossSpec, Revision, RowFlags, Temperature};

/// The inputs of one row; what is absent from the batch is 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) student: &'a [f64],
    pub(super) teacher: &'a [f64],
    pub(super) label: i32,
    pub(super) weight: f64,
    pub(super) kd_weight: f64,
    /// τ of this row where the temperature is one per row.
    pub(super) tau: f64,
}

/// What one row comes to.
pub(super) struct RowOutput {
    pub(super) stats: ReferenceStats,
    pub(super) gradient: Vec<f64>,
    pub(super) bound: f64,
}

/// λ_kd's term of one row: the divergence, with respect to the raw logits and with τ².
struct Knowledge {
    term: Term,
    beta: f64,
}

impl Row<'_> {
    /// The flags that are facts of the inputs and hold whatever the logits are.
    fn facts(&self) -> RowFlags {
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let legal = not_negative(self.weight)
            && not_negative(self.kd_weight)
            && self.tau.is_finite()
            && self.tau > 0.0;
        let ignored = self.label == IGNORE;
        RowFlags::default()
            .with_if(ignored, RowFlags::IGNORED)
            .with_if(
                !ignored && self.class().is_none(),
                RowFlags::LABEL_OUT_OF_RANGE,
            )
            .with_if(!legal, RowFlags::BAD_PARAMETER)
            .with_if(self.weight == 0.0, RowFlags::OFF)
            .with_if(self.kd_weight == 0.0, RowFlags::UNSELECTED)
    }

    /// The label, if it is a class.
    fn class(&self) -> Option<usize> {
        let y = usize::try_from(self.label).ok()?;
        (y < self.teacher.len()).then_some(y)
    }

    /// Precedence (1): a label or a parameter out of range.
    pub(super) fn is_refused(&self) -> bool {
        let facts = self.facts();
        facts.contains(RowFlags::LABEL_OUT_OF_RANGE) || facts.contains(RowFlags::BAD_PARAMETER)
    }

    /// Not precedence (2): no NaN or +∞, and neither row −∞ throughout.
    pub(super) fn is_finite(&self) -> bool {
        has_finite_maximum(self.student) && has_finite_maximum(self.teacher)
    }

    /// The row program; `scale = upstream · inv_n`.
    pub(super) fn evaluate(&self, spec: &LossSpec, scale: f64) -> RowOutput {
        if self.is_refused() {
            self.stopped(0.0, self.facts(), 0.0)
        } else if !self.is_finite() {
            let gradient = if self.weight == 0.0 { 0.0 } else { f64::NAN };
            let flags = self.facts() | RowFlags::NONFINITE;
            self.stopped(f64::NAN, flags, gradient)
        } else {
            self.finite(spec, scale)
        }
    }

    /// A row of precedence (1) or (2): all floats are `float`, but the loss of a row with w = 0.
    fn stopped(&self, float: f64, flags: RowFlags, gradient: f64) -> RowOutput {
        let mut stats = ReferenceStats::stopped(float, flags);
        if self.weight == 0.0 {
            stats.loss = 0.0;
        }
        RowOutput {
            stats,
            gradient: vec![gradient; self.student.len()],
            bound: 0.0,
        }
    }

    fn finite(&self, spec: &LossSpec, scale: f64) -> RowOutput {
        let side = spec.side(is_wrong(self.teacher, self.label));
        let q1 = Distribution::softmax(self.student, 1.0);
        let kd = self.knowledge(spec, side.divergence);
        let ce = self.class().map_or(0.0, |y| scores::cross_entropy(&q1, y));

        let kd_factor = f64::from(side.lambda_kd) * self.kd_weight;
        let ce_factor = match self.class() {
            Some(_) => f64::from(side.lambda_ce),
            None => 0.0,
        };
        let row_loss = times(kd_factor, kd.term.value) + times(ce_factor, ce);

        let outer = self.weight * scale;
        let slope_of_ce = |c: usize| match self.class() {
            Some(y) if y == c => -q1.rest(y),
            _ => q1.p[c],
        };
        let slope =
            |c: usize| times(kd_factor, kd.term.slope[c]) + times(ce_factor, slope_of_ce(c));
        let largest = scores::confidence(&q1);
        RowOutput {
            stats: ReferenceStats {
                loss: times(self.weight, row_loss),
                kd: kd.term.value,
                ce,
                tau: self.effective_tau(spec),
                beta: kd.beta,
                ..self.scores(&q1, kd.term.value.max(ce) == f64::INFINITY)
            },
            gradient: (0..q1.classes()).map(|c| times(outer, slope(c))).collect(),
            bound: outer.abs() * times(kd_factor, kd.term.bound).max(ce_factor * largest),
        }
    }

    /// Flags, tops and scores; loss, kd, ce, tau and beta are left 0.
    fn scores(&self, q1: &Distribution, infinite: bool) -> ReferenceStats {
        let p1 = Distribution::softmax(self.teacher, 1.0);
        let [teacher_top, student_top] = [self.teacher, self.student].map(top);
        let with_label = |score: &dyn Fn(usize) -> f64| self.class().map_or(0.0, score);
        ReferenceStats {
            teacher_confidence: scores::confidence(&p1),
            teacher_ce: with_label(&|y| scores::cross_entropy(&p1, y)),
            teacher_entropy: scores::entropy(&p1),
            teacher_margin: with_label(&|y| scores::margin(&p1, y)),
            student_confidence: scores::confidence(q1),
            student_entropy: scores::entropy(q1),
            student_logit_margin: with_label(&|y| scores::logit_margin(self.student, y)),
            el2n: with_label(&|y| scores::el2n(q1, y)),
            teacher_top: teacher_top as u32,
            student_top: student_top as u32,
            flags: self
                .facts()
                .with_if(is_wrong(self.teacher, self.label), RowFlags::WRONG)
                .with_if(teacher_top == student_top, RowFlags::AGREE)
                .with_if(infinite, RowFlags::INFINITE),
            ..ReferenceStats::stopped(0.0, RowFlags::default())
        }
    }

    fn effective_tau(&self, spec: &LossSpec) -> f64 {
        match spec.temperature() {
            Temperature::Fixed(tau) | Temperature::Standardised { tau } => tau.into(),
            _ => self.tau,
        }
    }

    /// D of this row, its derivative with respect to s, and β.
    fn knowledge(&self, spec: &LossSpec, kind: Divergence) -> Knowledge {
        if kind == Divergence::MseLogits {
            let term = mse_logits(self.student, &self.shifted_logits(spec.revision()));
            return Knowledge { term, beta: 1.0 };
        }
        let tau = self.effective_tau(spec);
        let standard = matches!(spec.temperature(), Temperature::Standardised { .. })
            .then(|| Standardised::new(self.student));
        let logits = standard
            .as_ref()
            .map_or(self.student, |standard| &standard.z);
        let student = Distribution::softmax(logits, tau);
        let (target, beta) = target(spec, self.teacher, self.label, tau);
        let mut term = divergence(kind, &target, &student, self.class());

        // D carries τ² or 1; the chain rule through s/τ adds 1/τ.
        let carried = if spec.temperature_squared() && kind.is_tempered() {
            tau * tau
        } else {
            1.0
        };
        term.value *= carried;
        term.bound *= carried / tau;
        for slope in &mut term.slope {
            *slope *= carried / tau;
        }
        if let Some(standard) = standard {
            term.slope = standard.pull_back(&term.slope);
            term.bound *= standard.steepness().max(1.0);
        }
        Knowledge { term, beta }
    }

    /// The teacher's logits; on a wrong row under ProbabilityShift those of y and top exchanged.
    fn shifted_logits(&self, revision: Revision) -> Vec<f64> {
        let mut logits = self.teacher.to_vec();
        if let (Some(y), Revision::ProbabilityShift) = (self.class(), revision)
            && is_wrong(self.teacher, self.label)
        {
            logits.swap(y, top(self.teacher));
        }
        logits
    }
}

/// Whether y is a class and the teacher has a larger logit than y's. −0 and +0 are equal.
pub(super) fn is_wrong(teacher: &[f64], label: i32) -> bool {
    let y = usize::try_from(label)
        .ok()
        .and_then(|y| teacher.get(y).copied());
    y.is_some_and(|at_y| at_y < teacher[top(teacher)])
}

/// The revised target `p'[V]` of one row with teacher logits `t[V]` at temperature τ (after
/// standardisation where the specification has it).
///
/// A row that is right or whose label is no class keeps `p' = p`. NaN throughout if the logits are
/// not finite (NaN, +∞, or −∞ throughout) or τ is not finite and > 0.
#[must_use]
pub fn revise(spec: &LossSpec, teacher_row: &[f64], label: i32, tau: f64) -> Vec<f64> {
    let legal = tau.is_finite() && tau > 0.0 && has_finite_maximum(teacher_row);
    if !legal {
        return vec![f64::NAN; teacher_row.len()];
    }
    target(spec, teacher_row, label, tau).0.p
}

/// p' of a row, and β: softmax of the (standardised) teacher logits over τ, revised if the row is
/// wrong.
fn target(spec: &LossSpec, teacher: &[f64], label: i32, tau: f64) -> (Distribution, f64) {
    let p = match spec.temperature() {
        Temperature::Standardised { .. } => {
            Distribution::softmax(&Standardised::new(teacher).z, tau)
        }
        _ => Distribution::softmax(teacher, tau),
    };
    if is_wrong(teacher, label) {
        revised(spec.revision(), p, label as usize, top(teacher))
    } else {
        (p, 1.0)
    }
}

/// `factor · value`, where a factor of 0 means that the value is not evaluated: +0, whatever it is.
pub(super) fn times(factor: f64, value: f64) -> f64 {
    if factor == 0.0 { 0.0 } else { factor * value }
}
