//! The f64 oracle: every loss of [`LossSpec`], written plainly in double precision. Engines are
//! measured against it; it is not meant for training.
//!
//! For a row with student logits `s`, teacher logits `t`, label `y` and temperature τ:
//!
//! ```text
//! p = softmax(t/τ), q = softmax(s/τ), p' = the revised target       q1 = softmax(s)
//! loss_b = w · [ λ_kd · kd_weight · D(p', q) + λ_ce · CE ]           CE = −log q1_y
//! total  = upstream · Σ_b loss_b · inv_n(group of b)                g  = ∂total/∂s
//! ```
//!
//! docs/methods.md is the contract that this module computes, formula by formula.
//!
//! # Reading order
//! `batch` says what is refused and counted, `row` is the row program, and under it lie `softmax`,
//! `standardise`, `revise`, `divergence`, `decoupled` and `scores`. `temperature` computes the
//! per-row temperatures of DTD from a whole batch; `feature` is the distance of feature vectors, which
//! needs no logits.
//!
//! # Edges, decided here for every engine
//! - **A factor of 0** (w, λ, kd_weight, α, β, upstream) means that its term is not evaluated: no
//!   0·∞ and no NaN comes of it. [`kd`](ReferenceStats::kd) and [`ce`](ReferenceStats::ce) are
//!   filled all the same, and [`RowFlags::INFINITE`] tells of them.
//! - **Flags.** IGNORED, OFF, UNSELECTED, LABEL_OUT_OF_RANGE and BAD_PARAMETER are facts of the
//!   row's inputs and are set whenever they are true; WRONG, AGREE and INFINITE only on rows that
//!   are neither refused nor NONFINITE. A refused row is not NONFINITE: nobody looks at its logits.
//! - **NONFINITE rows**: all floats NaN, and the gradient too; where w = 0 loss and gradient are 0.
//!   The total is NaN iff such a row has w ≠ 0, whatever `upstream` is.
//! - **Rows without a label** have no CE and no revision, and are right;
//!   [`Decoupled`](crate::spec::Divergence::Decoupled) is there the plain forward KL, without α, β.
//! - **Infinite divergences** make loss and total infinite; the gradient stays the formula, but for
//!   [`ReverseKl`](crate::spec::Divergence::ReverseKl), whose part of that row is 0.
//! - **Masks** are decided on logits. Label revision and label smoothing unmask y, probability
//!   shift exchanges the masks of y and top. In Decoupled the "rest" is masked when all its
//!   classes are; without a rest in one of the rows the β term is 0.
//! - **MseLogits** under probability shift compares a wrong row with the teacher's logits at y and
//!   top exchanged.
//! - **Standardised**: CE and scores stay on the raw logits, and so does the question whether a row
//!   is wrong. τ² and the record's `tau` are those of the scalar. Where the student masks a class
//!   D's gradient is 0.
//!
//! # The bound G
//! Gradients in f32 are judged against `k · max(max_c |g_c|, G)`:
//!
//! ```text
//! G = |w · upstream · inv_n| · max_c( λ_kd · kd_weight · a · max(p'_c, q_c) · (1 + |δ_c|), λ_ce · q1_c )
//! ```
//!
//! `δ = log q − log p'` for ReverseKl and else 0. `a` is what the derivative with respect to s/τ is
//! multiplied by: τ where D carries τ² (times α+β for Decoupled), 1/τ where the specification drops
//! τ², and 2/(Vτ) for MseProbs. With Standardised `a` is divided by σ_s + 1e-7 where that is below 1.
//! MseLogits knows no probabilities: in place of `a · max(p'_c, q_c) · (1 + |δ_c|)` it has its own
//! derivative `2 |s_c − t_c|/V`, which the cross-entropy's may cancel.

mod batch;
mod decoupled;
mod divergence;
mod feature;
#[cfg(feature = "train")]
mod harness;
mod influence;
mod revise;
mod row;
mod scores;
mod softmax;
mod standardise;
mod sum;
mod temperature;

pub use batch::{Batch, counts};
pub use feature::{FeatureBatch, FeatureOutput, features};
#[cfg(feature = "train")]
pub(crate) use harness::Harness;
pub use influence::influence;
pub use temperature::dtd_temperatures;

use crate::spec::{ArgumentError, LossSpec, RowFlags, RowStats};

/// [`RowStats`] in double precision, field by field; formulas stand there.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct ReferenceStats {
    /// `w · [λ_kd · kd_weight · D + λ_ce · CE]`, before `1/N` and `upstream`.
    pub loss: f64,
    /// The divergence `D`, unweighted, filled even where λ_kd = 0.
    pub kd: f64,
    /// `CE = −log q1_y`.
    pub ce: f64,
    /// The row's effective temperature τ.
    pub tau: f64,
    /// β of label revision; 1 unless it revised the row.
    pub beta: f64,
    /// `max_c p1_c`.
    pub teacher_confidence: f64,
    /// `−log p1_y`.
    pub teacher_ce: f64,
    /// `−Σ p1_c log p1_c`.
    pub teacher_entropy: f64,
    /// `p1_y − max_{c≠y} p1_c`.
    pub teacher_margin: f64,
    /// `max_c q1_c`.
    pub student_confidence: f64,
    /// `−Σ q1_c log q1_c`.
    pub student_entropy: f64,
    /// `s_y − max_{c≠y} s_c`.
    pub student_logit_margin: f64,
    /// `‖q1 − e_y‖₂`.
    pub el2n: f64,
    /// The teacher's arg-max; `u32::MAX` for a refused or non-finite row.
    pub teacher_top: u32,
    /// The student's arg-max; `u32::MAX` for a refused or non-finite row.
    pub student_top: u32,
    /// What happened to this row.
    pub flags: RowFlags,
}

impl ReferenceStats {
    /// The record of a row that was not computed.
    fn stopped(float: f64, flags: RowFlags) -> Self {
        Self {
            loss: float,
            kd: float,
            ce: float,
            tau: float,
            beta: float,
            teacher_confidence: float,
            teacher_ce: float,
            teacher_entropy: float,
            teacher_margin: float,
            student_confidence: float,
            student_entropy: float,
            student_logit_margin: float,
            el2n: float,
            teacher_top: u32::MAX,
            student_top: u32::MAX,
            flags,
        }
    }

    /// The floats in the record's order, for comparisons field by field.
    #[must_use]
    pub fn floats(&self) -> [f64; 13] {
        [
            self.loss,
            self.kd,
            self.ce,
            self.tau,
            self.beta,
            self.teacher_confidence,
            self.teacher_ce,
            self.teacher_entropy,
            self.teacher_margin,
            self.student_confidence,
            self.student_entropy,
            self.student_logit_margin,
            self.el2n,
        ]
    }
}

impl From<ReferenceStats> for RowStats {
    /// Each float rounded to the nearest f32.
    fn from(stats: ReferenceStats) -> Self {
        Self {
            loss: stats.loss as f32,
            kd: stats.kd as f32,
            ce: stats.ce as f32,
            tau: stats.tau as f32,
            beta: stats.beta as f32,
            teacher_confidence: stats.teacher_confidence as f32,
            teacher_ce: stats.teacher_ce as f32,
            teacher_entropy: stats.teacher_entropy as f32,
            teacher_margin: stats.teacher_margin as f32,
            student_confidence: stats.student_confidence as f32,
            student_entropy: stats.student_entropy as f32,
            student_logit_margin: stats.student_logit_margin as f32,
            el2n: stats.el2n as f32,
            teacher_top: stats.teacher_top,
            student_top: stats.student_top,
            flags: stats.flags,
        }
    }
}

/// What a batch comes to.
#[derive(Clone, Debug)]
pub struct Output {
    /// `upstream · Σ_b loss_b · inv_n`; 0 for a batch without rows that count.
    pub total: f64,
    /// One record per row.
    pub stats: Vec<ReferenceStats>,
    /// `g = ∂total/∂s`, `[B,V]`, dense.
    pub gradient: Vec<f64>,
    /// The bound G of each row, `[B]` (see the [module](self)); 0 for refused and non-finite rows.
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

/// The revised target `p'[V]` of one row with teacher logits `t[V]` at temperature τ (after
/// standardisation where the specification has it).
///
/// A row that is right or whose label is no class keeps `p' = p`. NaN throughout if the logits are
/// not finite (NaN, +∞, or −∞ throughout) or τ is not finite and > 0.
#[must_use]
pub fn revise(spec: &LossSpec, teacher_row: &[f64], label: i32, tau: f64) -> Vec<f64> {
    let legal = tau.is_finite() && tau > 0.0 && batch::has_finite_maximum(teacher_row);
    if !legal {
        return vec![f64::NAN; teacher_row.len()];
    }
    row::target(spec, teacher_row, label, tau).0.p
}

fn evaluate(spec: &LossSpec, batch: &Batch) -> Output {
    let counts = counts(batch);
    let inv_n = batch::inverse_counts(spec.reduction(), counts);
    let upstream = f64::from(batch.upstream);
    let mut total = sum::Sum::default();
    let mut output = Output {
        total: 0.0,
        stats: Vec::with_capacity(batch.rows()),
        gradient: Vec::with_capacity(batch.student.len()),
        bound: Vec::with_capacity(batch.rows()),
        counts,
    };
    for b in 0..batch.rows() {
        let row = batch.row(b);
        let inv_n = inv_n[batch::group(row.teacher, row.label, row.weight)];
        let of_row = row.evaluate(spec, upstream * inv_n);
        total.add(row::times(inv_n, of_row.stats.loss));
        output.stats.push(of_row.stats);
        output.gradient.extend(of_row.gradient);
        output.bound.push(of_row.bound);
    }
    let total = total.value();
    output.total = if total.is_nan() {
        total
    } else {
        row::times(upstream, total)
    };
    output
}
