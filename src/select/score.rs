//! What a sample is judged by.

use crate::spec::RowStats;

/// A number per training sample. Fields of [`RowStats`] are those of the student as it is when the
/// selection is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Score {
    /// How much a step on the sample helps the validation loss: `Σ_c (q1_c − e_y,c) u_c` with
    /// `u = H̃ Gᵀ`, G the mean last-layer gradient over the validation set (TracIn of the last
    /// layer, Pruthi et al., arXiv 2002.08484). Positive helps.
    Influence,
    /// The exact norm of the sample's last-layer gradient, `el2n · √(‖h‖² + 1)` (GraNd of the last
    /// layer, Paul et al., arXiv 2107.07075).
    GrandLast,
    /// EL2N averaged over short runs from other initial weights (Paul et al., arXiv 2107.07075).
    El2nOverSeeds,
    /// The mean margin over the epochs so far (AUM, Pleiss et al., arXiv 2001.10528).
    Aum,
    /// How often the sample went from right to wrong so far (Toneva et al., arXiv 1812.05159).
    Forgetting,
    /// Nothing but chance: the control.
    Random,
    /// [`RowStats::el2n`].
    El2n,
    /// [`RowStats::loss`], of the method's own loss.
    Loss,
    /// [`RowStats::kd`].
    Kd,
    /// [`RowStats::ce`].
    Ce,
    /// [`RowStats::teacher_confidence`].
    TeacherConfidence,
    /// [`RowStats::teacher_ce`].
    TeacherCe,
    /// [`RowStats::teacher_entropy`].
    TeacherEntropy,
    /// [`RowStats::teacher_margin`].
    TeacherMargin,
    /// [`RowStats::student_confidence`].
    StudentConfidence,
    /// [`RowStats::student_entropy`].
    StudentEntropy,
    /// [`RowStats::student_logit_margin`].
    StudentLogitMargin,
}

impl Score {
    /// All scores and their names on the command line.
    pub const ALL: [(&'static str, Self); 17] = [
        ("influence", Self::Influence),
        ("grand-last", Self::GrandLast),
        ("el2n-over-seeds", Self::El2nOverSeeds),
        ("aum", Self::Aum),
        ("forgetting", Self::Forgetting),
        ("random", Self::Random),
        ("el2n", Self::El2n),
        ("loss", Self::Loss),
        ("kd", Self::Kd),
        ("ce", Self::Ce),
        ("teacher-confidence", Self::TeacherConfidence),
        ("teacher-ce", Self::TeacherCe),
        ("teacher-entropy", Self::TeacherEntropy),
        ("teacher-margin", Self::TeacherMargin),
        ("student-confidence", Self::StudentConfidence),
        ("student-entropy", Self::StudentEntropy),
        ("student-logit-margin", Self::StudentLogitMargin),
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// The score's value where it is a field of the record.
    #[must_use]
    pub fn field(self, stats: &RowStats) -> Option<f32> {
        Some(match self {
            Self::El2n => stats.el2n,
            Self::Loss => stats.loss,
            Self::Kd => stats.kd,
            Self::Ce => stats.ce,
            Self::TeacherConfidence => stats.teacher_confidence,
            Self::TeacherCe => stats.teacher_ce,
            Self::TeacherEntropy => stats.teacher_entropy,
            Self::TeacherMargin => stats.teacher_margin,
            Self::StudentConfidence => stats.student_confidence,
            Self::StudentEntropy => stats.student_entropy,
            Self::StudentLogitMargin => stats.student_logit_margin,
            _ => return None,
        })
    }

    /// Whether the score is gathered over epochs, so that every epoch's records are needed.
    #[must_use]
    pub fn needs_history(self) -> bool {
        matches!(self, Self::Aum | Self::Forgetting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_has_its_own_name() {
        for (i, (name, score)) in Score::ALL.into_iter().enumerate() {
            assert_eq!((score as usize, score.name()), (i, name));
            let written = serde_json::to_string(&score).unwrap();
            assert_eq!(written, format!("\"{name}\""));
        }
    }
}
