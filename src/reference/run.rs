//! The loss of a batch: its rows one after the other, and their sum.

use super::batch::{Batch, counts, group, inverse_counts};
use super::row::times;
use super::stats::ReferenceStats;
use super::sum::Sum;
use crate::spec::{ArgumentError, LossSpec};

/// What a batch comes to.
#[derive(Clone, Debug)]
pub struct Output {
    /// `upstream · Σ_b loss_b · inv_n`; 0 for a batch without rows that count.
    pub total: f64,
    /// One record per row.
    pub stats: Vec<ReferenceStats>,
    /// `g = ∂total/∂s`, `[B,V]`, dense.
    pub gradient: Vec<f64>,
    /// The bound G of each row, `[B]` (see the [module](super)); 0 for refused and non-finite rows.
    pub bound: Vec<f64>,
    /// [`counts`] of the batch: `[right, wrong]`.
    pub counts: [u32; 2],
}

/// The loss, its gradient and the records of one batch.
///
/// ```
/// use fused_kd::reference::{Batch, run};
/// use fused_kd::spec::{Preset, RowFlags};
///
/// let batch = Batch {
///     student: &[0.5, 1.0, -1.0],
///     teacher: &[1.0, 2.0, 0.0],
///     classes: 3,
///     labels: &[0],
///     weight: None,
///     kd_weight: None,
///     tau: None,
///     upstream: 1.0,
/// };
/// let output = run(&Preset::Lr.spec(), &batch)?;
/// assert!(output.stats[0].flags.contains(RowFlags::WRONG));
/// assert_eq!(output.total, output.stats[0].loss);
/// assert!(output.gradient.iter().sum::<f64>().abs() < 1e-15);
/// # Ok::<(), fused_kd::spec::ArgumentError>(())
/// ```
///
/// # Errors
/// [`ArgumentError`], as every engine on the host: lengths, a τ that is missing or of no use, an
/// `upstream` that is not finite, then the first row whose label, weight, kd_weight or τ is out of
/// range.
pub fn run(spec: &LossSpec, batch: &Batch) -> Result<Output, ArgumentError> {
    batch.check(spec)?;
    batch.check_rows()?;
    Ok(evaluate(spec, batch))
}

/// As [`run`], for engines that cannot look at a row before they start: rows out of range are
/// flagged LABEL_OUT_OF_RANGE or BAD_PARAMETER instead, with loss, floats and gradient 0 and
/// `u32::MAX` for the tops. They count in N.
///
/// # Errors
/// [`ArgumentError`] as [`run`], but for rows out of range.
pub fn run_flagged(spec: &LossSpec, batch: &Batch) -> Result<Output, ArgumentError> {
    batch.check(spec)?;
    Ok(evaluate(spec, batch))
}

fn evaluate(spec: &LossSpec, batch: &Batch) -> Output {
    let counts = counts(batch);
    let inv_n = inverse_counts(spec.reduction(), counts);
    let upstream = f64::from(batch.upstream);
    let mut total = Sum::default();
    let mut output = Output {
        total: 0.0,
        stats: Vec::with_capacity(batch.rows()),
        gradient: Vec::with_capacity(batch.student.len()),
        bound: Vec::with_capacity(batch.rows()),
        counts,
    };
    for b in 0..batch.rows() {
        let row = batch.row(b);
        let inv_n = inv_n[group(row.teacher, row.label, row.weight)];
        let of_row = row.evaluate(spec, upstream * inv_n);
        total.add(times(inv_n, of_row.stats.loss));
        output.stats.push(of_row.stats);
        output.gradient.extend(of_row.gradient);
        output.bound.push(of_row.bound);
    }
    let total = total.value();
    output.total = if total.is_nan() {
        total
    } else {
        times(upstream, total)
    };
    output
}
