//! Influence of each row on a validation loss, through the last layer.

use super::Element;
use super::extremes::{Extremes, NO_LABEL, others};
use super::softmax::{Softmax, sum_of_others};
use super::sweep::{LANES, load, sum};
use crate::batch::check::{labels as check_labels, length, matrix};
use crate::spec::{ArgumentError, IGNORE};

/// `influence_b = Σ_c (q1_c − e_y,c) u_c` with `q1 = softmax(s)` (TracIn of the last layer, Pruthi
/// et al., arXiv 2002.08484).
///
/// With `u[B, V] = H̃ Gᵀ`, where `H̃` are the rows' last-layer features with a 1 appended and `G` is
/// the mean gradient of a validation loss by the last layer's weights and bias, this is the inner
/// product of the two gradients: how much a step of gradient descent on the row's cross-entropy
/// lowers the validation loss, per unit of learning rate. Positive helps.
///
/// Shapes: `student[B, V]` and `u[B, V]` dense, `labels[B]`, `influence[B]`. A row without a label
/// has influence 0, one with NaN, +∞ or nothing but masks NaN. Masked classes contribute nothing.
///
/// # Errors
/// [`ArgumentError`] names the argument, before anything is written.
pub fn influence<S: Element>(
    student: &[S],
    u: &[f32],
    labels: &[i32],
    classes: usize,
    influence: &mut [f32],
) -> Result<(), ArgumentError> {
    let rows = labels.len();
    matrix(
        ["student", "classes"],
        student.len(),
        classes,
        rows,
        classes,
    )?;
    matrix(["u", "classes"], u.len(), classes, rows, classes)?;
    length("influence", influence.len(), rows, rows)?;
    check_labels(labels, classes)?;
    for (b, out) in influence.iter_mut().enumerate() {
        let row = b * classes..(b + 1) * classes;
        *out = of_row(&student[row.clone()], &u[row], labels[b]);
    }
    Ok(())
}

fn of_row<S: Element>(s: &[S], u: &[f32], label: i32) -> f32 {
    let y = if label == IGNORE {
        NO_LABEL
    } else {
        label as usize
    };
    let side = Extremes::of(s, s, y).student;
    if side.nonfinite {
        return f32::NAN;
    }
    let Some(&u_y) = u.get(y) else { return 0.0 };
    let shift = side.shift();
    let at = |start| others(s, start, y);
    let q = Softmax::new(
        1.0,
        shift,
        sum_of_others(s.len(), 1.0, shift, at),
        side.label,
    );
    // q_y − 1 = −Σ_{c≠y} q_c, so that nothing cancels where the row is sure.
    let [influence] = sum(s.len(), |start, [total]: &mut [_; 1]| {
        let (z, u) = (at(start), load(u, start));
        for i in 0..LANES {
            let (p, _) = q.at(z[i]);
            total[i] += if p > 0.0 { p * (u[i] - u_y) } else { 0.0 };
        }
    });
    influence
}
