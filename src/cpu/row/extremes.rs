//! What has to be known of a row's logits before any temperature: maxima and tops.

use crate::cpu::math::PAD_LOGIT;
use crate::cpu::simd::Vector;

/// Student and teacher of a row.
#[derive(Clone, Copy)]
pub(crate) struct Extremes<R: Vector, C> {
    pub(crate) student: Side<R, C>,
    pub(crate) teacher: Side<R, C>,
}

/// The logits of a row's student, or of its teacher.
#[derive(Clone, Copy)]
pub(crate) struct Side<R: Vector, C> {
    /// The label's logit; −∞ if there is no label.
    pub(crate) label: R,
    /// Whether there is a label.
    pub(crate) labelled: R::Mask,
    /// The maximum over `c ≠ y`.
    pub(crate) max: R,
    /// The arg-max over all classes, the lowest index winning ties.
    pub(crate) top: C,
}

impl<R: Vector, C> Extremes<R, C> {
    /// Whether the teacher is wrong: `t_y < max t`.
    #[inline(always)]
    pub(crate) fn wrong(&self) -> R::Mask {
        self.teacher.labelled & self.teacher.label.lt(self.teacher.max)
    }
}

impl<R: Vector, C> Side<R, C> {
    /// The row's maximum over all classes.
    #[inline(always)]
    pub(crate) fn maximum(&self) -> R {
        self.max.max(self.label)
    }

    /// The maximum over `c ≠ y`, or the label's own logit where all others are masked.
    #[inline(always)]
    pub(crate) fn shift(&self) -> R {
        shift(self.max, self.label)
    }

    /// Whether maximum and label are finite, and the maximum is above what stands for absent classes.
    #[inline(always)]
    pub(crate) fn is_finite(&self) -> R::Mask {
        let infinity = R::splat(f32::INFINITY);
        let label = self.label.abs().lt(infinity) | !self.labelled;
        R::splat(PAD_LOGIT).lt(self.max) & self.max.lt(infinity) & label
    }

    /// Whether there is a label, and its class is not masked.
    #[inline(always)]
    pub(crate) fn label_unmasked(&self) -> R::Mask {
        R::splat(f32::NEG_INFINITY).lt(self.label)
    }
}

/// A finite shift for the classes besides `y`.
#[inline(always)]
pub(crate) fn shift<R: Vector>(max_of_others: R, label: R) -> R {
    let alone = max_of_others.eq(R::splat(f32::NEG_INFINITY));
    R::select(alone, label, max_of_others)
}
