//! What has to be known of a whole batch before its rows: counts, and dynamic temperatures.

use super::math::exp;
use super::row::layout::{Layout, Terms};
use super::row::masks::MaskCounts;
use super::simd::{Kernel, Vector};
use super::sweep::AnyFormat;
use super::sweep::matrix::Matrix;
use super::sweep::vectors::NO_LABEL;
use super::sweep::wide::Wide;
use super::{Element, Isa};
use crate::batch::check::Strides;
use crate::batch::{Batch, Counts, weighted};
use crate::spec::{Dtd, IGNORE, Normalise, Omega};

/// Rows with a weight other than 0, by whether the teacher is right.
pub(super) fn counts<S: Element, T: Element>(
    isa: Isa,
    batch: &Batch<S, T>,
    stride: usize,
    classes: usize,
) -> Counts {
    let wrong = wrong(
        isa,
        Wrong {
            labels: batch.labels,
            weight: batch.weight,
            teacher: Matrix::new(batch.teacher, stride, batch.rows, classes),
        },
    );
    Counts {
        right: weighted(batch.rows, batch.weight) - wrong,
        wrong,
    }
}

/// Counts the rows on which the teacher is wrong.
struct Wrong<'a> {
    labels: &'a [i32],
    weight: Option<&'a [f32]>,
    teacher: Matrix<'a>,
}

fn wrong(isa: Isa, rows: Wrong) -> u64 {
    isa.dispatch(rows)
}

impl Kernel for Wrong<'_> {
    type Output = u64;

    #[inline(always)]
    fn run<V: Vector>(self) -> u64 {
        let mut wrong = 0;
        for (b, &label) in self.labels.iter().enumerate() {
            if label != IGNORE && self.weight.is_none_or(|w| w[b] != 0.0) {
                let t = self.teacher.row::<AnyFormat>(b);
                let layout = Wide::<V, AnyFormat>::new(t, t, label as usize);
                let extremes = layout.extremes();
                let of_t = &extremes.teacher;
                if of_t.label < of_t.max && !MaskCounts::of(&layout, &extremes).nonfinite[1] {
                    wrong += 1;
                }
            }
        }
        wrong
    }
}

/// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`, over rows that count; others get τ0.
pub(super) fn dtd_temperatures<S: Element, T: Element>(
    isa: Isa,
    dtd: &Dtd,
    batch: &Batch<S, T>,
    strides: Strides,
    classes: usize,
    tau: &mut [f32],
) {
    // `tau` holds ω first, NaN where a row does not count.
    let (student, b) = (batch.student.read(), batch.rows);
    let of_students = OfStudents {
        student: Matrix::new(student, strides.student, b, classes),
        teacher: Matrix::new(batch.teacher, strides.teacher, b, classes),
        omega: &mut *tau,
    };
    inverse_confidences(isa, of_students);
    for (b, omega) in tau.iter_mut().enumerate() {
        if batch.weight.is_some_and(|w| w[b] == 0.0) {
            *omega = f32::NAN;
        }
        if let Omega::Flsw { gamma } = dtd.omega
            && !omega.is_nan()
        {
            let row = |stride: usize| b * stride..b * stride + classes;
            let s = &student[row(strides.student)];
            let t = &batch.teacher[row(strides.teacher)];
            *omega = one_minus_cosine(s, t).powf(f64::from(gamma)) as f32;
        }
    }
    temperatures(dtd, tau);
}

/// Students of a batch, and `1/max_c q1_c` of each; NaN where either row is not finite.
struct OfStudents<'a> {
    student: Matrix<'a>,
    teacher: Matrix<'a>,
    omega: &'a mut [f32],
}

fn inverse_confidences(isa: Isa, rows: OfStudents) {
    isa.dispatch(rows);
}

impl Kernel for OfStudents<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector>(self) {
        for (b, omega) in self.omega.iter_mut().enumerate() {
            let layout =
                Wide::<V, AnyFormat>::new(self.student.row(b), self.teacher.row(b), NO_LABEL);
            let extremes = layout.extremes();
            let [s_bad, t_bad] = MaskCounts::of(&layout, &extremes).nonfinite;
            let [sum] = layout.sum::<true, 1>(&mut Ones {
                shift: V::splat(extremes.student.max),
            });
            *omega = if s_bad || t_bad { f32::NAN } else { sum };
        }
    }
}

/// `1/max_c q1_c = Σ exp(s − max s)`.
struct Ones<V> {
    shift: V,
}

impl<V: Vector> Terms<V, 1> for Ones<V> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, _: usize, s: V, _: V, sums: &mut [V; 1]) {
        sums[0] = sums[0] + exp(s - self.shift);
    }
}

/// From ω, NaN where a row does not count, to τ.
fn temperatures(dtd: &Dtd, tau: &mut [f32]) {
    let (mut sum, mut n) = (0.0_f64, 0.0_f64);
    for omega in tau.iter().filter(|omega| !omega.is_nan()) {
        sum += f64::from(*omega);
        n += 1.0;
    }
    let scale = match dtd.normalise {
        Normalise::L1 if sum > 0.0 => 1.0 / sum,
        _ => 1.0,
    };
    for tau in tau {
        let omega = f64::from(*tau);
        *tau = if omega.is_nan() || sum == 0.0 {
            dtd.tau0
        } else {
            let easier = scale * (sum / n - omega);
            let warm = f64::from(dtd.tau0) + f64::from(dtd.bias) * easier;
            warm.max(f64::from(dtd.tau_min)) as f32
        };
    }
}

/// `1 − cos(s, t)` over the classes finite in both rows, in [0, 2], the norms with 1e-4 added.
fn one_minus_cosine<S: Element, T: Element>(s: &[S], t: &[T]) -> f64 {
    let (mut dot, mut ss, mut tt) = (0.0_f64, 0.0_f64, 0.0_f64);
    for (s, t) in s.iter().zip(t) {
        let (s, t) = (f64::from(s.to_f32()), f64::from(t.to_f32()));
        if s > f64::NEG_INFINITY && t > f64::NEG_INFINITY {
            dot += s * t;
            ss += s * s;
            tt += t * t;
        }
    }
    let norms = (ss.sqrt() + 1e-4) * (tt.sqrt() + 1e-4);
    (1.0 - dot / norms).clamp(0.0, 2.0)
}
