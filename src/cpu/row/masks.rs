//! Masks: how many classes student and teacher mask, and what that makes of a divergence. Decided on
//! logits, never on probabilities that underflowed.

use super::extremes::{Extremes, Side};
use super::layout::{Layout, Terms};
use crate::cpu::simd::{Mask, Vector};
use crate::spec::{Divergence, Revision};

/// Counts over the classes besides `y`.
pub(crate) struct MaskCounts<R: Vector> {
    /// Unmasked classes of the student and of the teacher.
    pub(crate) unmasked: [R; 2],
    /// Classes that only the student masks, and that only the teacher masks.
    only: [R; 2],
    /// Rows with NaN, +∞, or −∞ throughout, the label included.
    pub(crate) nonfinite: [R::Mask; 2],
}

impl<R: Vector> MaskCounts<R> {
    /// Of rows whose logits are all finite.
    #[inline(always)]
    pub(crate) fn finite<L: Layout<R = R>>(layout: &L, extremes: &Extremes<R, L::Class>) -> Self {
        let one = R::splat(1.0);
        let others = R::splat(layout.classes() as f32)
            - R::select(extremes.student.labelled, one, R::splat(0.0));
        Self {
            unmasked: [others; 2],
            only: [R::splat(0.0); 2],
            nonfinite: [R::Mask::splat(false); 2],
        }
    }

    /// Of any rows.
    #[inline(always)]
    pub(crate) fn of<L: Layout<R = R>>(layout: &L, extremes: &Extremes<R, L::Class>) -> Self {
        let [s, t, student_only, teacher_only, s_bad, t_bad] = layout.sum::<true, 6>(&mut Count);
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        Self {
            unmasked: [s, t],
            only: [student_only, teacher_only],
            nonfinite: [nonfinite(s, s_bad, of_s), nonfinite(t, t_bad, of_t)],
        }
    }

    /// Rows whose student or teacher is nonfinite.
    #[inline(always)]
    pub(crate) fn any_nonfinite(&self) -> R::Mask {
        self.nonfinite[0] | self.nonfinite[1]
    }

    /// Unmasked classes of the student or of the teacher, the label's included.
    #[inline(always)]
    pub(crate) fn classes<C>(&self, which: usize, side: &Side<R, C>) -> R {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        self.unmasked[which] + R::select(side.label_unmasked(), one, zero)
    }
}

#[inline(always)]
fn nonfinite<R: Vector, C>(unmasked: R, bad: R, side: &Side<R, C>) -> R::Mask {
    let zero = R::splat(0.0);
    let bad_label = side.labelled & !side.label.lt(R::splat(f32::INFINITY));
    let nothing = unmasked.eq(zero) & !side.label_unmasked();
    zero.lt(bad) | bad_label | nothing
}

/// The terms of [`MaskCounts`].
struct Count;

impl<V: Vector> Terms<V, 6> for Count {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, t: V, sums: &mut [V; 6]) {
        let masked = V::splat(f32::NEG_INFINITY);
        let (s_unmasked, t_unmasked) = (masked.lt(s), masked.lt(t));
        let infinity = V::splat(f32::INFINITY);
        // NaN and +∞ alike are not below infinity.
        let counted = [
            s_unmasked,
            t_unmasked,
            s.eq(masked) & !t.eq(masked),
            t.eq(masked) & !s.eq(masked),
            !s.lt(infinity),
            !t.lt(infinity),
        ];
        for (sum, mask) in sums.iter_mut().zip(counted) {
            *sum = *sum + V::select(mask, V::splat(1.0), V::splat(0.0));
        }
    }
}

/// Which classes are masked after revision.
pub(crate) struct Masks<R: Vector> {
    /// Whether the label's class is unmasked in the student and in the target.
    pub(crate) s_y: R::Mask,
    pub(crate) p_y: R::Mask,
    /// Whether any other class is.
    pub(crate) s_others: R::Mask,
    pub(crate) p_others: R::Mask,
    /// Whether there are other classes that only one of the two masks.
    pub(crate) student_only: R::Mask,
    pub(crate) target_only: R::Mask,
}

impl<R: Vector> Masks<R> {
    #[inline(always)]
    pub(crate) fn new<L: Layout<R = R>>(
        layout: &L,
        extremes: &Extremes<L::R, L::Class>,
        counts: &MaskCounts<R>,
        revision: Revision,
        wrong: R::Mask,
    ) -> Self {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        let s_y = extremes.student.label_unmasked();
        let t_y = extremes.teacher.label_unmasked();
        let one_in = |rows: R::Mask| R::select(rows, one, zero);
        // Probability shift gives the teacher's top the label's mask, if that is masked.
        let (mut moved, mut from_student) = (zero, zero);
        if revision == Revision::ProbabilityShift && (wrong & !t_y).any() {
            let masked = layout.student_at(extremes.teacher.top);
            let masked = masked.eq(R::splat(f32::NEG_INFINITY));
            moved = one_in(wrong & !t_y);
            from_student = one_in(wrong & !t_y & masked);
        }
        let revised = wrong & R::Mask::splat(revision != Revision::None);
        Self {
            s_y,
            p_y: t_y | revised,
            s_others: zero.lt(counts.unmasked[0]),
            p_others: moved.lt(counts.unmasked[1]),
            student_only: zero.lt(counts.only[0] - from_student),
            target_only: zero.lt(counts.only[1] + moved - from_student),
        }
    }

    /// Whether D = +∞.
    #[inline(always)]
    pub(crate) fn infinite(&self, divergence: Divergence) -> R::Mask {
        let Self {
            s_y,
            p_y,
            s_others,
            p_others,
            student_only,
            target_only,
        } = *self;
        match divergence {
            Divergence::ForwardKl => student_only | (p_y & !s_y),
            Divergence::ReverseKl => target_only | (s_y & !p_y),
            Divergence::MseLogits => student_only | target_only | (p_y & !s_y) | (s_y & !p_y),
            Divergence::Decoupled { alpha, beta } => {
                let label = (p_y & !s_y) | (p_others & !s_others);
                let used = |factor: f32| R::Mask::splat(factor != 0.0);
                (used(alpha) & label) | (used(beta) & s_others & student_only)
            }
            _ => R::Mask::splat(false),
        }
    }
}
