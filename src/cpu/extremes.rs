//! What has to be known of a row's logits before any temperature: maxima, tops, masks.

use super::layout::{Layout, Terms};
use super::simd::{Mask, Vector};

/// Student and teacher of a row.
#[derive(Clone, Copy)]
pub(super) struct Extremes<R: Vector, C> {
    pub(super) student: Side<R, C>,
    pub(super) teacher: Side<R, C>,
}

/// One row of the two.
#[derive(Clone, Copy)]
pub(super) struct Side<R: Vector, C> {
    /// The label's logit; −∞ if there is no label.
    pub(super) label: R,
    /// Whether there is a label.
    pub(super) labelled: R::Mask,
    /// The maximum over `c ≠ y`.
    pub(super) max: R,
    /// The arg-max over all classes, the lowest index winning ties.
    pub(super) top: C,
}

impl<R: Vector, C> Side<R, C> {
    /// The row's maximum over all classes.
    #[inline(always)]
    pub(super) fn maximum(&self) -> R {
        self.max.max(self.label)
    }

    /// The maximum over `c ≠ y`, or the label's own logit where that is masked throughout.
    #[inline(always)]
    pub(super) fn shift(&self) -> R {
        shift(self.max, self.label)
    }

    /// Whether the label is there and not masked.
    #[inline(always)]
    pub(super) fn label_unmasked(&self) -> R::Mask {
        R::splat(f32::NEG_INFINITY).lt(self.label)
    }
}

/// A finite shift for the classes besides `y`.
#[inline(always)]
pub(super) fn shift<R: Vector>(max_of_others: R, label: R) -> R {
    let alone = max_of_others.eq(R::splat(f32::NEG_INFINITY));
    R::select(alone, label, max_of_others)
}

/// How many classes besides `y` are what.
pub(super) struct Census<R: Vector> {
    /// Unmasked classes of the student and of the teacher.
    pub(super) unmasked: [R; 2],
    /// Classes that only the student masks, and that only the teacher masks.
    pub(super) only: [R; 2],
    /// Rows with NaN, +∞, or −∞ throughout, the label included.
    pub(super) nonfinite: [R::Mask; 2],
}

impl<R: Vector> Census<R> {
    /// Of rows whose logits are numbers.
    #[inline(always)]
    pub(super) fn clean<L: Layout<R = R>>(layout: &L, extremes: &Extremes<R, L::Class>) -> Self {
        let one = R::splat(1.0);
        let others = R::splat(layout.classes() as f32)
            - R::select(extremes.student.labelled, one, R::splat(0.0));
        Self {
            unmasked: [others; 2],
            only: [R::splat(0.0); 2],
            nonfinite: [R::Mask::splat(false); 2],
        }
    }

    /// Counted.
    #[inline(always)]
    pub(super) fn of<L: Layout<R = R>>(layout: &L, extremes: &Extremes<R, L::Class>) -> Self {
        let [s, t, student_only, teacher_only, s_bad, t_bad] = layout.sum::<true, 6>(&mut Count);
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        Self {
            unmasked: [s, t],
            only: [student_only, teacher_only],
            nonfinite: [nonfinite(s, s_bad, of_s), nonfinite(t, t_bad, of_t)],
        }
    }

    /// Unmasked classes of the student or of the teacher, the label's included.
    #[inline(always)]
    pub(super) fn classes<C>(&self, which: usize, side: &Side<R, C>) -> R {
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

struct Count;

impl<V: Vector> Terms<V, 6> for Count {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, t: V, sums: &mut [V; 6]) {
        let masked = V::splat(f32::NEG_INFINITY);
        let (s_there, t_there) = (masked.lt(s), masked.lt(t));
        let infinity = V::splat(f32::INFINITY);
        // NaN and +∞ alike are not below infinity.
        let counted = [
            s_there,
            t_there,
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
