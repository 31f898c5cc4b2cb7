//! What has to be known of a whole batch before its rows: counts, and dynamic temperatures.

use super::Element;
use super::extremes::{Extremes, NO_LABEL};
use super::softmax::sum_of_others;
use super::sweep::load;
use crate::batch::check::Strides;
use crate::batch::{Counts, Rows};
use crate::spec::{Dtd, IGNORE, Normalise, Omega};

/// Rows with a weight other than 0.
pub(super) fn weighted<T>(rows: &Rows<T>) -> u64 {
    match rows.weight {
        None => rows.labels.len() as u64,
        Some(weight) => weight.iter().filter(|&&w| w != 0.0).count() as u64,
    }
}

/// Rows with a weight other than 0, by whether the teacher is right.
pub(super) fn counts<T: Element>(rows: &Rows<T>, stride: usize, classes: usize) -> Counts {
    let mut wrong = 0;
    for (b, &label) in rows.labels.iter().enumerate() {
        if label != IGNORE && rows.weight.is_none_or(|w| w[b] != 0.0) {
            let t = &rows.teacher[b * stride..b * stride + classes];
            let of_t = Extremes::of(t, t, label as usize).teacher;
            wrong += u64::from(!of_t.nonfinite && of_t.label.is_some_and(|t_y| t_y < of_t.max));
        }
    }
    Counts {
        right: weighted(rows) - wrong,
        wrong,
    }
}

/// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`, over rows that count; others get τ0.
pub(super) fn dtd_temperatures<S: Element, T: Element>(
    dtd: &Dtd,
    rows: &Rows<T>,
    student: &[S],
    strides: Strides,
    classes: usize,
    tau: &mut [f32],
) {
    // `tau` holds ω first, NaN where a row does not count.
    let (mut sum, mut n) = (0.0_f64, 0.0_f64);
    for (b, omega) in tau.iter_mut().enumerate() {
        let s = &student[b * strides.student..b * strides.student + classes];
        let t = &rows.teacher[b * strides.teacher..b * strides.teacher + classes];
        let extremes = Extremes::of(s, t, NO_LABEL);
        let finite = !(extremes.student.nonfinite || extremes.teacher.nonfinite);
        *omega = if finite && rows.weight.is_none_or(|w| w[b] != 0.0) {
            match dtd.omega {
                Omega::Flsw { gamma } => one_minus_cosine(s, t).powf(f64::from(gamma)) as f32,
                Omega::Cwsm => {
                    let shift = extremes.student.max;
                    sum_of_others(classes, 1.0, shift, |start| load(s, start))
                }
            }
        } else {
            f32::NAN
        };
        if !omega.is_nan() {
            sum += f64::from(*omega);
            n += 1.0;
        }
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
