//! Dynamic temperature distillation: one τ per row from the whole batch.

use super::batch::Batch;
use super::row::Row;
use super::softmax::{sum_without, top};
use super::sum::sum;
use crate::spec::{ArgumentError, Dtd, Normalise, Omega};

/// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))` for every row of the batch.
///
/// - [`Omega::Flsw`]: `ω = (1 − cos(s, t))^γ` on the raw logits of the classes finite in both rows,
///   `cos = ⟨s, t⟩ / ((‖s‖ + 1e-4)(‖t‖ + 1e-4))`, `1 − cos` clamped to [0, 2].
/// - [`Omega::Cwsm`]: `ω = 1 / max_c softmax(s)_c`.
/// - [`Normalise::L1`] divides ω by its sum over the batch.
///
/// The sums and the mean run over the rows that take part: a legal w ≠ 0, a legal label or
/// none, and finite input. All other rows get exactly τ0, and so do all rows if `Σω = 0`;
/// neither is raised to τ_min. Only `student`, `teacher`, `labels` and `weight` of the batch are
/// read. [`Batch::tau`] takes f32: round these values for it.
///
/// Source: Wen et al., arXiv 1911.07471.
///
/// # Errors
/// [`ArgumentError`] if a length does not fit. Labels and weights out of range are no error here:
/// their rows take no part, as on an engine that cannot refuse the call.
pub fn dtd_temperatures(dtd: &Dtd, batch: &Batch) -> Result<Vec<f64>, ArgumentError> {
    batch.check_lengths()?;
    let omega: Vec<Option<f64>> = (0..batch.rows())
        .map(|b| {
            let row = batch.row(b);
            takes_part(&row).then(|| hardness(dtd.omega, &row))
        })
        .collect();
    let parts = omega.iter().flatten().count() as f64;
    let total = sum(omega.iter().flatten().copied());
    let norm = match dtd.normalise {
        Normalise::None => 1.0,
        Normalise::L1 => total,
    };
    let tau0 = f64::from(dtd.tau0);
    let tau = |omega: Option<f64>| match omega {
        Some(omega) if total != 0.0 => {
            let easier = (total / parts - omega) / norm;
            f64::from(dtd.tau_min).max(tau0 + f64::from(dtd.bias) * easier)
        }
        _ => tau0,
    };
    Ok(omega.into_iter().map(tau).collect())
}

fn takes_part(row: &Row) -> bool {
    // τ is what is being computed, and kd_weight is not read here: no row is refused for them.
    let row = Row {
        tau: 1.0,
        kd_weight: 1.0,
        ..*row
    };
    row.weight != 0.0 && !row.is_refused() && row.is_finite()
}

/// ω of one row.
fn hardness(omega: Omega, row: &Row) -> f64 {
    match omega {
        Omega::Flsw { gamma } => one_minus_cosine(row.student, row.teacher)
            .clamp(0.0, 2.0)
            .powf(gamma.into()),
        Omega::Cwsm => {
            // max q1 = 1/S, since the top class has e^0 = 1.
            let max = row.student[top(row.student)];
            let e: Vec<f64> = row.student.iter().map(|s| (s - max).exp()).collect();
            1.0 + sum_without(&e, top(&e))
        }
    }
}

/// `1 − ⟨s, t⟩/((‖s‖ + ε)(‖t‖ + ε))`, ε = 1e-4, over the classes finite in both.
///
/// With `ŝ = s/(‖s‖ + ε)` and `r_s = ε/(‖s‖ + ε)`, so that `‖ŝ‖ = 1 − r_s`, it equals
/// `½‖ŝ − t̂‖² + ½ r_s(2 − r_s) + ½ r_t(2 − r_t)`: no term is negative, so nothing cancels where the
/// rows are almost parallel.
fn one_minus_cosine(student: &[f64], teacher: &[f64]) -> f64 {
    const EPSILON: f64 = 1e-4;
    let both = || {
        let pairs = student.iter().zip(teacher);
        pairs.filter(|(s, t)| s.is_finite() && t.is_finite())
    };
    let student_norm = sum(both().map(|(s, _)| s * s)).sqrt() + EPSILON;
    let teacher_norm = sum(both().map(|(_, t)| t * t)).sqrt() + EPSILON;
    let apart = |(s, t): (&f64, &f64)| (s / student_norm - t / teacher_norm).powi(2);
    let guard = |norm: f64| {
        let r = EPSILON / norm;
        r * (2.0 - r)
    };
    0.5 * (sum(both().map(apart)) + guard(student_norm) + guard(teacher_norm))
}

#[cfg(test)]
mod tests {
    use super::one_minus_cosine;

    #[test]
    fn the_cosine_by_its_definition() {
        let (s, t) = ([3.0, 4.0, f64::NEG_INFINITY], [4.0, 3.0, 1.0]);
        let cosine = 24.0 / (5.0001f64 * 5.0001);
        assert!((one_minus_cosine(&s, &t) - (1.0 - cosine)).abs() < 1e-15);
        let parallel = one_minus_cosine(&[1e4, 0.0], &[1e4, 0.0]);
        assert!((parallel / 2e-8 - 1.0).abs() < 1e-7, "2ε/‖s‖");
        assert!((one_minus_cosine(&[0.0, 0.0], &[1.0, 2.0]) - 1.0).abs() < 1e-15);
        assert!((one_minus_cosine(&[1e4], &[-1e4]) - 2.0).abs() < 1e-7);
    }
}
