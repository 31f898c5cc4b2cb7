//! The row program for any row and any loss: sums, revise, gradient; one row, or several side by side.

use super::extremes::Extremes;
use super::inputs::{Facts, Inputs, Outcome};
use super::layout::{Layout, Sink};
use super::masks::{MaskCounts, Masks};
use super::revise::{Revised, Softmaxes};
use super::rules::Rules;
use super::standardise::Standardised;
use super::sums::{ANY, Exponentials, SumTerms, Sums, UnitExp};
use super::target::Target;
use crate::cpu::math::PAD_LOGIT;
use crate::cpu::simd::{Mask, Task, Vector, map};
use crate::spec::{LossSpec, Revision, StatsLevel, Temperature};

/// One row, or several side by side, and where their gradient goes.
pub(crate) struct Row<'a, L: Layout, G> {
    pub(crate) spec: &'a LossSpec,
    pub(crate) level: StatsLevel,
    pub(crate) layout: &'a L,
    pub(crate) inputs: Inputs<L::R>,
    pub(crate) sink: &'a mut G,
}

impl<L: Layout, G: Sink<L::V, L::R>> Task for Row<'_, L, G> {
    type Output = Outcome<L::R, L::Class>;

    /// The outcome; the gradient is written on the way.
    #[inline(always)]
    fn run(self) -> Outcome<L::R, L::Class> {
        let (spec, layout) = (self.spec, self.layout);
        let extremes = layout.extremes();
        let is_standardised = matches!(spec.temperature(), Temperature::Standardised { .. });
        let needs_mask_counts = L::SIDE_BY_SIDE || is_standardised;
        let mut counts = if needs_mask_counts {
            count_masks(layout, &extremes)
        } else {
            MaskCounts::finite(layout, &extremes)
        };
        if !L::SIDE_BY_SIDE && counts.any_nonfinite().any() {
            return nonfinite(&extremes);
        }

        // Sums.
        let tau = self.inputs.tau;
        let (k, standardised) =
            inverse_temperatures(layout, tau, is_standardised, &counts, &extremes);
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        let shift = [of_s.shift(), of_t.shift()];
        let full = self.level == StatsLevel::Full;
        let mut terms = SumTerms {
            exponentials: Exponentials::<L::V>::new::<L>(shift, k),
            unit: UnitExp::by(spec),
            full,
            hook: (),
        };
        let mut unmasked_sums = None;
        if !needs_mask_counts {
            let sums = terms.over::<false, L>(layout);
            let below_infinity = [sums.contrast.abs(), of_s.label, of_t.label];
            if is_unmasked(shift, below_infinity) {
                unmasked_sums = Some(sums);
            } else {
                // Somewhere a logit is not finite, or all of them are as low as the padding.
                counts = count_masks(layout, &extremes);
                if counts.any_nonfinite().any() {
                    return nonfinite(&extremes);
                }
            }
        }
        let masked_sums = || L::V::vectorize(MaskedSums(terms, layout));
        let facts = Facts {
            extremes,
            sums: unmasked_sums.unwrap_or_else(masked_sums),
            valid: !counts.any_nonfinite(),
        };

        // Revise.
        let (wrong, unmasked) = (extremes.wrong(), counts.unmasked[1]);
        let softmaxes = Softmaxes::new::<L::V, _>(&facts, k, shift);
        let target = Target::unrevised(of_t, softmaxes.teacher);
        let target = match spec.revision() {
            Revision::ProbabilityShift => target.exchanged(layout, wrong, &extremes),
            revision => target.revised(revision, wrong, unmasked),
        };
        let revised = Revised::new(spec, &self.inputs, &extremes, &softmaxes, target);

        // Divergence and gradient.
        let masks = Masks::new(layout, &extremes, &counts, spec.revision(), wrong);
        let kd = L::V::vectorize(Rules {
            spec,
            layout,
            labelled: of_s.labelled,
            tau,
            revised: &revised,
            standardised,
            masks: &masks,
            unmasked,
            sink: self.sink,
        });
        let agree = L::same(of_t.top, of_s.top);
        revised.outcome(kd, full, layout.classes(), &facts, agree)
    }
}

/// Counts masks and nonfinite logits: a function of its own, because few rows need it.
#[inline(always)]
fn count_masks<L: Layout>(layout: &L, extremes: &Extremes<L::R, L::Class>) -> MaskCounts<L::R> {
    struct Count<'a, L: Layout>(&'a L, &'a Extremes<L::R, L::Class>);
    impl<L: Layout> Task for Count<'_, L> {
        type Output = MaskCounts<L::R>;

        #[inline(always)]
        fn run(self) -> MaskCounts<L::R> {
            MaskCounts::of(self.0, self.1)
        }
    }
    L::V::vectorize(Count(layout, extremes))
}

/// The sums of a row with masks.
struct MaskedSums<'a, L: Layout>(SumTerms<L::V, (), ANY>, &'a L);

impl<L: Layout> Task for MaskedSums<'_, L> {
    type Output = Sums<L::R>;

    #[inline(always)]
    fn run(mut self) -> Sums<L::R> {
        self.0.over::<true, L>(self.1)
    }
}

#[inline(always)]
fn is_unmasked<R: Vector>(above_padding: [R; 2], below_infinity: [R; 3]) -> bool {
    let (padding, infinity) = (R::splat(PAD_LOGIT), R::splat(f32::INFINITY));
    let [a, b] = map(above_padding, |x| padding.lt(x));
    let [c, d, e] = map(below_infinity, |x| x.lt(infinity));
    !(!(a & b & c & d & e)).any()
}

/// The outcome of a row with NaN, +∞ or nothing but masks.
#[inline(always)]
fn nonfinite<R: Vector, C: Copy>(extremes: &Extremes<R, C>) -> Outcome<R, C> {
    let no = R::Mask::splat(false);
    Outcome {
        floats: [R::splat(f32::NAN); 13],
        tops: [extremes.teacher.top, extremes.student.top],
        wrong: no,
        agree: no,
        infinite: no,
        nonfinite: R::Mask::splat(true),
    }
}

/// `1/τ` for the student and for the teacher; with standardised logits each row's own spread is part
/// of it, and the student's mean and spread are needed again for the gradient.
#[inline(always)]
fn inverse_temperatures<L: Layout>(
    layout: &L,
    tau: L::R,
    is_standardised: bool,
    counts: &MaskCounts<L::R>,
    extremes: &Extremes<L::R, L::Class>,
) -> ([L::R; 2], Option<Standardised<L::R>>) {
    let k = L::R::splat(1.0) / tau;
    if !is_standardised {
        return ([k, k], None);
    }
    let (of_s, of_t) = (&extremes.student, &extremes.teacher);
    let maxima = [of_s.maximum(), of_t.maximum()];
    let n = [counts.classes(0, of_s), counts.classes(1, of_t)];
    let [s, t] = Standardised::both(layout, maxima, [of_s.label, of_t.label], n);
    ([k * s.inverse, k * t.inverse], Some(s))
}
