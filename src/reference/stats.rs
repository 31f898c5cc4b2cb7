//! The record of a row, in double precision.

use crate::spec::{RowFlags, RowStats};

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
    pub(super) fn stopped(float: f64, flags: RowFlags) -> Self {
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
