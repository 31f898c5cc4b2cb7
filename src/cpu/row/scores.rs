//! The scores at τ = 1 on the raw logits: cross-entropies, confidences, entropies, margins, EL2N.

use super::extremes::{Extremes, Side};
use super::softmax::Softmax;
use super::sums::Sums;
use crate::cpu::simd::Vector;

/// Both softmaxes at τ = 1, and the scores of the record.
pub(crate) struct Scores<R> {
    pub(crate) student: Softmax<R>,
    teacher: Softmax<R>,
    /// `−log q1_y`, 0 without a label.
    pub(crate) ce: R,
}

impl<R: Vector> Scores<R> {
    #[inline(always)]
    pub(crate) fn of<C>(
        extremes: &Extremes<R, C>,
        student: Softmax<R>,
        teacher: Softmax<R>,
    ) -> Self {
        Self {
            student,
            teacher,
            ce: negative_log(&student, &extremes.student),
        }
    }

    /// The record's scores in its own order, from `teacher_confidence` to `el2n`.
    #[inline(always)]
    pub(crate) fn full<C>(
        &self,
        classes: usize,
        extremes: &Extremes<R, C>,
        sums: &Sums<R>,
    ) -> [R; 8] {
        let zero = R::splat(0.0);
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        let (student, teacher) = (&self.student, &self.teacher);
        let (student_entropy, squares) = student.moments(sums.weighted[0], sums.squares);
        let (teacher_entropy, _) = teacher.moments(sums.weighted[1], zero);
        let labelled = |score: R| R::select(of_s.labelled, score, zero);
        let margin = |margin: R| {
            if classes > 1 { labelled(margin) } else { zero }
        };
        [
            teacher.confidence(),
            negative_log(teacher, of_t),
            teacher_entropy,
            margin(teacher.margin()),
            student.confidence(),
            student_entropy,
            margin(logit_margin(of_s)),
            // From the classes besides the label alone: 1 − q1_y would cancel.
            labelled((squares + student.y.rest * student.y.rest).sqrt()),
        ]
    }
}

/// `−log softmax(z)_y`, 0 without a label. A subtraction, because a negation would give −0 at p = 1.
#[inline(always)]
fn negative_log<R: Vector, C>(softmax: &Softmax<R>, side: &Side<R, C>) -> R {
    let zero = R::splat(0.0);
    R::select(side.labelled, zero - softmax.y.log_p, zero)
}

/// `z_y − max_{c≠y} z_c`; 0 where both are masked.
#[inline(always)]
fn logit_margin<R: Vector, C>(side: &Side<R, C>) -> R {
    let equal = side.label.eq(side.max);
    R::select(equal, R::splat(0.0), side.label - side.max)
}
