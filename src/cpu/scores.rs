//! The scores at τ = 1 on the raw logits: cross-entropies, confidences, entropies, margins, EL2N.

use super::Element;
use super::extremes::{Extremes, Side, others};
use super::math::exp;
use super::softmax::{Softmax, sum_of_others};
use super::sweep::{LANES, sum};
use crate::spec::RowStats;

/// The student's softmax at τ = 1, which the gradient needs, and the scores of the record.
pub(super) struct Scores {
    pub(super) student: Softmax,
    /// `−log q1_y`, 0 without a label.
    pub(super) ce: f32,
    full: Option<Full>,
}

struct Full {
    teacher: Softmax,
    teacher_entropy: f32,
    student_entropy: f32,
    el2n: f32,
}

impl Scores {
    pub(super) fn of<S: Element, T: Element>(
        extremes: &Extremes,
        y: usize,
        s: &[S],
        t: &[T],
        full: bool,
    ) -> Self {
        let side = &extremes.student;
        if !full {
            let others = sum_of_others(s.len(), 1.0, side.shift(), |start| others(s, start, y));
            let student = Softmax::new(1.0, side.shift(), others, side.label);
            return Self {
                student,
                ce: negative_log(&student, side),
                full: None,
            };
        }
        let (student, student_entropy, squares) = spread(s, y, side);
        let (teacher, teacher_entropy, _) = spread(t, y, &extremes.teacher);
        // From the classes besides the label alone: 1 − q1_y would cancel.
        let el2n = match side.label {
            Some(_) => (squares + student.y.rest * student.y.rest).sqrt(),
            None => 0.0,
        };
        Self {
            student,
            ce: negative_log(&student, side),
            full: Some(Full {
                teacher,
                teacher_entropy,
                student_entropy,
                el2n,
            }),
        }
    }

    /// Fills the record's scores, where they were asked for.
    pub(super) fn write(&self, extremes: &Extremes, classes: usize, stats: &mut RowStats) {
        let Some(full) = &self.full else { return };
        let labelled = extremes.student.label.is_some() && classes > 1;
        let margin = |m: f32| if labelled { m } else { 0.0 };
        stats.teacher_confidence = full.teacher.confidence();
        stats.teacher_ce = negative_log(&full.teacher, &extremes.teacher);
        stats.teacher_entropy = full.teacher_entropy;
        stats.teacher_margin = margin(full.teacher.margin());
        stats.student_confidence = self.student.confidence();
        stats.student_entropy = full.student_entropy;
        stats.student_logit_margin = margin(logit_margin(&extremes.student));
        stats.el2n = full.el2n;
    }
}

/// `−log softmax(z)_y`, 0 without a label. A subtraction, because a negation would give −0 at p = 1.
fn negative_log(softmax: &Softmax, side: &Side) -> f32 {
    side.label.map_or(0.0, |_| 0.0 - softmax.y.log_p)
}

/// `z_y − max_{c≠y} z_c`; 0 where both are masked.
fn logit_margin(side: &Side) -> f32 {
    let z = side.label.unwrap_or(f32::NEG_INFINITY);
    if z == side.max { 0.0 } else { z - side.max }
}

/// A row's softmax, its entropy, and `Σ_{c≠y} q_c²`.
fn spread<E: Element>(row: &[E], y: usize, side: &Side) -> (Softmax, f32, f32) {
    let shift = side.shift();
    let [ones, weighted, squares] = sum(row.len(), |start, [ones, weighted, squares]| {
        let z = others(row, start, y);
        for i in 0..LANES {
            let x = z[i] - shift;
            let e = exp(x);
            ones[i] += e;
            weighted[i] += if e > 0.0 { e * x } else { 0.0 };
            squares[i] += e * e;
        }
    });
    let softmax = Softmax::new(1.0, shift, ones, side.label);
    let (entropy, squares) = softmax.moments(weighted, squares);
    (softmax, entropy, squares)
}
