//! Revise: what follows in O(1) from a row's sums, before its gradient.

use super::extremes::Extremes;
use super::gradient::{Factors, Gradient};
use super::layout::Layout;
use super::row::Inputs;
use super::scores::Scores;
use super::simd::Vector;
use super::sums::Sums;
use super::target::Target;
use crate::spec::{LossSpec, Revision};

/// Rows whose target is known, and what multiplies their terms.
pub(super) struct Revised<R: Vector, C> {
    pub(super) wrong: R::Mask,
    scores: Scores<R>,
    /// Without the factor of the divergence.
    pub(super) gradient: Gradient<R, C>,
    tau: R,
    kd_factor: R,
    ce_factor: R,
    /// All that multiplies the divergence's gradient, besides its own.
    pub(super) factor: R,
}

/// The softmaxes' inverse temperatures and shifts, student and teacher.
#[derive(Clone, Copy)]
pub(super) struct Tempered<R> {
    pub(super) k: [R; 2],
    pub(super) shift: [R; 2],
}

impl<R: Vector, C: Copy> Revised<R, C> {
    /// `unmasked` are the teacher's unmasked classes besides the label.
    #[inline(always)]
    pub(super) fn new<L: Layout<R = R, Class = C>>(
        layout: &L,
        (spec, revision): (&LossSpec, Revision),
        inputs: Inputs<R>,
        extremes: &Extremes<R, C>,
        Tempered { k, shift }: Tempered<R>,
        sums: &Sums<R>,
        unmasked: R,
    ) -> Self {
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        let (one, [s, t], labels) = (R::splat(1.0), shift, [of_s.label, of_t.label]);
        let [student, teacher, raw_s, raw_t] = L::softmaxes(
            [k[0], k[1], one, one],
            [s, t, s, t],
            [sums.tempered[0], sums.tempered[1], sums.raw[0], sums.raw[1]],
            [labels[0], labels[1], labels[0], labels[1]],
        );
        let scores = Scores::of(extremes, raw_s, raw_t);
        let wrong = of_t.labelled & of_t.label.lt(of_t.max);
        let target = Target::new(layout, revision, wrong, extremes, teacher, unmasked);
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
                student,
                target,
                raw: scores.student,
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

    /// The record's floats in their order, the scores only if it is `full`, and whether D or CE is
    /// +∞.
    #[inline(always)]
    pub(super) fn floats(
        &self,
        kd: R,
        full: bool,
        classes: usize,
        extremes: &Extremes<R, C>,
        sums: &Sums<R>,
    ) -> ([R; 13], R::Mask) {
        let (zero, ce) = (R::splat(0.0), self.scores.ce);
        // A term whose factor is 0 is not evaluated: no 0·∞.
        let term = |factor: R, value: R| R::select(factor.eq(zero), zero, factor * value);
        let loss = term(self.kd_factor, kd) + term(self.ce_factor, ce);
        let mut floats = [zero; 13];
        floats[..5].copy_from_slice(&[loss, kd, ce, self.tau, self.gradient.target.beta]);
        if full {
            floats[5..].copy_from_slice(&self.scores.full(classes, extremes, sums));
        }
        let infinity = R::splat(f32::INFINITY);
        (floats, kd.eq(infinity) | ce.eq(infinity))
    }
}
