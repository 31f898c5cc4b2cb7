//! The per-sample record that every engine writes.

use bytemuck::{Pod, Zeroable};

/// One row's losses, scores and flags: 64 bytes, one cache line, little endian, the same layout on
/// every engine.
///
/// Scores are at τ = 1 on the raw logits, in nats, with `0·log 0 = 0`; `p1 = softmax(t)`,
/// `q1 = softmax(s)`. Without a label `ce`, `teacher_ce`, both margins and `el2n` are 0; a margin
/// without another class is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct RowStats {
    /// `w · [λ_kd · kd_weight · D + λ_ce · CE]`, before `1/N` and `upstream`.
    pub loss: f32,
    /// The divergence `D`, unweighted, filled even where λ_kd = 0.
    pub kd: f32,
    /// The cross-entropy `CE = −log q1_y`.
    pub ce: f32,
    /// The row's effective temperature τ.
    pub tau: f32,
    /// β of label revision; 1 unless it revised the row.
    pub beta: f32,
    /// `max_c p1_c`.
    pub teacher_confidence: f32,
    /// `−log p1_y`.
    pub teacher_ce: f32,
    /// `−Σ p1_c log p1_c`.
    pub teacher_entropy: f32,
    /// `p1_y − max_{c≠y} p1_c`.
    pub teacher_margin: f32,
    /// `max_c q1_c`.
    pub student_confidence: f32,
    /// `−Σ q1_c log q1_c`.
    pub student_entropy: f32,
    /// `s_y − max_{c≠y} s_c`, the increment of AUM (Pleiss et al., arXiv 2001.10528).
    pub student_logit_margin: f32,
    /// `‖q1 − e_y‖₂` (Paul et al., arXiv 2107.07075), as `√(Σ_{c≠y} q1_c² + (Σ_{c≠y} q1_c)²)`.
    pub el2n: f32,
    /// The teacher's arg-max, the lowest index winning ties; `u32::MAX` for a refused row.
    pub teacher_top: u32,
    /// The student's arg-max, the lowest index winning ties; `u32::MAX` for a refused row.
    pub student_top: u32,
    /// What happened to this row.
    pub flags: RowFlags,
}

/// A set of marks of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Pod, Zeroable)]
#[repr(transparent)]
pub struct RowFlags(pub u32);

impl RowFlags {
    /// `t_y < max_c t_c`: the teacher is wrong.
    pub const WRONG: Self = Self(1 << 0);
    /// The label is [`IGNORE`](super::IGNORE): no ground truth.
    pub const IGNORED: Self = Self(1 << 1);
    /// Teacher and student have the same arg-max.
    pub const AGREE: Self = Self(1 << 2);
    /// NaN or +∞ among the logits, or a row that is −∞ throughout.
    pub const NONFINITE: Self = Self(1 << 3);
    /// The label is no class (engines that cannot refuse the call).
    pub const LABEL_OUT_OF_RANGE: Self = Self(1 << 4);
    /// `D` or `CE` is +∞, whatever it is multiplied by.
    pub const INFINITE: Self = Self(1 << 5);
    /// The row's weight is 0.
    pub const OFF: Self = Self(1 << 6);
    /// A weight or temperature of this row is out of range (engines that cannot refuse the call).
    pub const BAD_PARAMETER: Self = Self(1 << 7);
    /// The row's `kd_weight` is 0: the teacher does not supervise it.
    pub const UNSELECTED: Self = Self(1 << 8);

    /// Whether all marks of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// `other`'s marks added if `condition` holds.
    #[must_use]
    pub const fn with_if(self, condition: bool, other: Self) -> Self {
        if condition {
            Self(self.0 | other.0)
        } else {
            self
        }
    }
}

impl std::ops::BitOr for RowFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How much of each [`RowStats`] record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatsLevel {
    /// Nothing: no records are needed.
    None,
    /// `loss`, `kd`, `ce`, `tau`, `beta`, both tops and the flags; the other fields are 0.
    Loss,
    /// All fields.
    #[default]
    Full,
}

const _: () = assert!(size_of::<RowStats>() == 64 && align_of::<RowStats>() == 4);
