//! Influence of each row on a validation loss, through the last layer.

use super::math::exp;
use super::row::layout::{Layout, Terms};
use super::row::masks::MaskCounts;
use super::row::softmax::Softmax;
use super::simd::{Kernel, Vector};
use super::sweep::AnyFormat;
use super::sweep::matrix::Matrix;
use super::sweep::vectors::{NO_LABEL, Source};
use super::sweep::wide::Wide;
use super::{Element, Isa};
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
    run(
        Isa::chosen().unwrap_or(Isa::best()),
        Influence {
            student: Matrix::new(student, classes, rows, classes),
            u: Matrix::new(u, classes, rows, classes),
            labels,
            out: influence,
        },
    );
    Ok(())
}

struct Influence<'a> {
    student: Matrix<'a>,
    u: Matrix<'a>,
    labels: &'a [i32],
    out: &'a mut [f32],
}

fn run(isa: Isa, rows: Influence) {
    isa.dispatch(rows);
}

impl Kernel for Influence<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for (b, out) in self.out.iter_mut().enumerate() {
            *out = of_row::<V>(self.student.row(b), self.u.row(b), self.labels[b]);
        }
    }
}

#[inline(always)]
fn of_row<V: Vector>(s: Source<AnyFormat>, u: Source<AnyFormat>, label: i32) -> f32 {
    let y = if label == IGNORE {
        NO_LABEL
    } else {
        label as usize
    };
    // u in the teacher's place.
    let layout = Wide::<V, AnyFormat>::new(s, u, y);
    let extremes = layout.extremes();
    let side = &extremes.student;
    if MaskCounts::of(&layout, &extremes).nonfinite[0] {
        return f32::NAN;
    }
    let Some(u_y) = u.get(y) else { return 0.0 };
    let shift = side.shift();
    let mut pulls = Pulls {
        shift: V::splat(shift),
        u_y: V::splat(u_y),
    };
    let [others, pull] = layout.sum::<true, 2>(&mut pulls);
    // q_y − 1 = −Σ_{c≠y} q_c, so that nothing cancels where the row is sure.
    pull * Softmax::new(1.0, shift, others, side.label).scale
}

/// `Σ_{c≠y} e_c` and `Σ_{c≠y} e_c (u_c − u_y)`.
struct Pulls<V> {
    shift: V,
    u_y: V,
}

impl<V: Vector> Terms<V, 2> for Pulls<V> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, u: V, sums: &mut [V; 2]) {
        let (e, zero) = (exp(s - self.shift), V::splat(0.0));
        sums[0] = sums[0] + e;
        let pull = V::select(zero.lt(e), e * (u - self.u_y), zero);
        sums[1] = sums[1] + pull;
    }
}
