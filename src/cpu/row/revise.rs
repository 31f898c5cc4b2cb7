//! Revise: what follows in O(1) from a row's extremes and sums, before its gradient.

use super::extremes::Extremes;
use super::gradient::{Factors, Gradient};
use super::inputs::{Facts, Inputs, Outcome};
use super::scores::Scores;
use super::softmax::Softmax;
use super::target::Target;
use crate::cpu::simd::Vector;
use crate::spec::LossSpec;

/// The four softmaxes of a row.
#[derive(Clone, Copy)]
pub(crate) struct Softmaxes<R> {
    /// At the row's temperature.
    pub(crate) student: Softmax<R>,
    pub(crate) teacher: Softmax<R>,
    /// At τ = 1.
    pub(crate) unit: [Softmax<R>; 2],
}

impl<R: Vector> Softmaxes<R> {
    /// By the inverse temperatures and shifts of student and teacher. The softmaxes of one row share a `V`.
    #[inline(always)]
    pub(crate) fn new<V: Vector, C>(facts: &Facts<R, C>, k: [R; 2], [s, t]: [R; 2]) -> Self {
        let (one, sums) = (R::splat(1.0), &facts.sums);
        let (of_s, of_t) = (facts.extremes.student.label, facts.extremes.teacher.label);
        let [student, teacher, unit_s, unit_t] = Softmax::four::<V>(
            [k[0], k[1], one, one],
            [s, t, s, t],
            [
                sums.tempered[0],
                sums.tempered[1],
                sums.unit[0],
                sums.unit[1],
            ],
            [of_s, of_t, of_s, of_t],
        );
        Self {
            student,
            teacher,
            unit: [unit_s, unit_t],
        }
    }
}

/// Rows whose target is known, and what multiplies their terms.
pub(crate) struct Revised<R: Vector, C> {
    pub(crate) wrong: R::Mask,
    scores: Scores<R>,
    /// Without the factor of the divergence.
    pub(crate) gradient: Gradient<R, C>,
    tau: R,
    kd_factor: R,
    ce_factor: R,
    /// All that multiplies the divergence's gradient, besides its own.
    pub(crate) factor: R,
}

impl<R: Vector, C: Copy> Revised<R, C> {
    /// From a row's softmaxes and its revised target.
    #[inline(always)]
    pub(crate) fn new(
        spec: &LossSpec,
        inputs: &Inputs<R>,
        extremes: &Extremes<R, C>,
        softmaxes: &Softmaxes<R>,
        target: Target<R, C>,
    ) -> Self {
        let (of_s, wrong) = (&extremes.student, extremes.wrong());
        let [unit_s, unit_t] = softmaxes.unit;
        let scores = Scores::of(extremes, unit_s, unit_t);
        let by_side = |of: fn(&LossSpec, bool) -> f32| {
            R::select(wrong, R::splat(of(spec, true)), R::splat(of(spec, false)))
        };
        let weight = inputs.weight;
        let kd_factor = weight * by_side(|s, wrong| s.side(wrong).lambda_kd) * inputs.kd_weight;
        let ce_factor = weight * by_side(|s, wrong| s.side(wrong).lambda_ce);
        let scale = R::select(wrong, inputs.scale[1], inputs.scale[0]);
        let zero = R::splat(0.0);
        let factors = Factors {
            kd: zero,
            ce: R::select(of_s.labelled, scale * ce_factor, zero),
        };
        Self {
            wrong,
            gradient: Gradient {
                student: softmaxes.student,
                target,
                unit: unit_s,
                label: of_s.label,
                factors,
            },
            scores,
            tau: inputs.tau,
            kd_factor,
            ce_factor,
            factor: scale * kd_factor,
        }
    }

    /// What is written about the rows, given the divergence; the scores only if the record is `full`.
    #[inline(always)]
    pub(crate) fn outcome(
        &self,
        kd: R,
        full: bool,
        classes: usize,
        facts: &Facts<R, C>,
        agree: R::Mask,
    ) -> Outcome<R, C> {
        let (zero, ce) = (R::splat(0.0), self.scores.ce);
        // A term whose factor is 0 is not evaluated: no 0·∞.
        let term = |factor: R, value: R| R::select(factor.eq(zero), zero, factor * value);
        let loss = term(self.kd_factor, kd) + term(self.ce_factor, ce);
        let mut floats = [zero; 13];
        floats[..5].copy_from_slice(&[loss, kd, ce, self.tau, self.gradient.target.beta]);
        let extremes = &facts.extremes;
        if full {
            let scores = self.scores.full(classes, extremes, &facts.sums);
            floats[5..].copy_from_slice(&scores);
        }
        let infinity = R::splat(f32::INFINITY);
        Outcome {
            floats,
            tops: [extremes.teacher.top, extremes.student.top],
            wrong: self.wrong,
            agree,
            infinite: kd.eq(infinity) | ce.eq(infinity),
            nonfinite: !facts.valid,
        }
    }
}
