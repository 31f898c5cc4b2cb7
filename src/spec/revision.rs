//! The revision of the teacher's target on rows where the teacher is wrong.

use super::error::{SpecError, by_name, in_range};

/// How the tempered target `p = softmax(t/τ)` becomes `p'` on a wrong row, that is where
/// `t_y < max_c t_c`. Right rows and rows without a label keep `p' = p`.
///
/// With every revision `Σ p' = 1` and `p'_y = max p'`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(
        try_from = "super::short::Shortened<repr::Table>",
        into = "repr::Table"
    )
)]
pub enum Revision {
    /// `p' = p`: vanilla distillation.
    None,
    /// `p' = β p + (1−β) e_y` with `β = η / (p_max − p_y + 1)` per row, so that
    /// `p'_y − p'_top = 1 − η` and `β ∈ [η/2, η]`.
    /// Source: Lan et al., arXiv 2404.03693, label revision.
    LabelRevision {
        /// η in (0, 1), default 0.8.
        eta: f32,
    },
    /// `p` with its values at the teacher's top class and at `y` exchanged; the same as exchanging
    /// the two logits, at any temperature.
    /// Source: Wen et al., arXiv 1911.07471, knowledge adjustment by probability shift.
    ProbabilityShift,
    /// `1−ε` at `y`, masked or not, and `ε/(n−1)` on the other classes that the teacher does not mask;
    /// not tempered.
    /// Source: Wen et al., arXiv 1911.07471, knowledge adjustment by label smoothing; the default
    /// of ε is ours.
    LabelSmoothing {
        /// ε in (0, 1), default 0.1.
        epsilon: f32,
    },
}

const NAMES: [(&str, Revision); 4] = [
    ("none", Revision::None),
    ("label-revision", Revision::LabelRevision { eta: 0.8 }),
    ("probability-shift", Revision::ProbabilityShift),
    ("label-smoothing", Revision::LabelSmoothing { epsilon: 0.1 }),
];

impl Revision {
    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAMES[self.code() as usize].0
    }

    /// The revision of this name, with its default parameter.
    ///
    /// # Errors
    /// [`SpecError::UnknownName`] lists the names there are.
    pub fn from_name(name: &str) -> Result<Self, SpecError> {
        by_name("revision.kind", name, &NAMES)
    }

    /// The number by which kernels know it.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::None => 0,
            Self::LabelRevision { .. } => 1,
            Self::ProbabilityShift => 2,
            Self::LabelSmoothing { .. } => 3,
        }
    }

    /// η or ε, 0 where there is none.
    pub(crate) fn parameter(&self) -> f32 {
        match *self {
            Self::LabelRevision { eta } => eta,
            Self::LabelSmoothing { epsilon } => epsilon,
            _ => 0.0,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let (key, value) = match *self {
            Self::LabelRevision { eta } => ("revision.eta", eta),
            Self::LabelSmoothing { epsilon } => ("revision.epsilon", epsilon),
            _ => return Ok(()),
        };
        let holds = value > 0.0 && value < 1.0;
        in_range(key, value, holds, "between 0 and 1, both excluded")
    }
}

#[cfg(feature = "serde")]
mod repr {
    use super::super::error::refuse;
    use super::super::short::{Short, Shortened};
    use super::super::tidy::tidy;
    use super::{Revision, SpecError};

    /// `{ kind = "label-revision", eta = 0.8 }`; absent parameters take their defaults.
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Table {
        kind: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        eta: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        epsilon: Option<f64>,
    }

    impl Short for Table {
        const EXPECTED: &'static str = "a revision's name or a table with its kind";

        fn from_kind(kind: &str) -> Self {
            Self {
                kind: kind.to_owned(),
                eta: None,
                epsilon: None,
            }
        }
    }

    impl From<Revision> for Table {
        fn from(revision: Revision) -> Self {
            let mut table = Self::from_kind(revision.name());
            match revision {
                Revision::LabelRevision { eta } => table.eta = Some(tidy(eta)),
                Revision::LabelSmoothing { epsilon } => table.epsilon = Some(tidy(epsilon)),
                _ => {}
            }
            table
        }
    }

    impl TryFrom<Shortened<Table>> for Revision {
        type Error = SpecError;

        fn try_from(Shortened(table): Shortened<Table>) -> Result<Self, SpecError> {
            let mut revision = Self::from_name(&table.kind)?;
            let name = revision.name();
            match &mut revision {
                Self::LabelRevision { eta } => *eta = table.eta.map_or(*eta, |v| v as f32),
                _ => refuse("revision.eta", table.eta, name, "label-revision")?,
            }
            match &mut revision {
                Self::LabelSmoothing { epsilon } => {
                    *epsilon = table.epsilon.map_or(*epsilon, |v| v as f32);
                }
                _ => refuse("revision.epsilon", table.epsilon, name, "label-smoothing")?,
            }
            Ok(revision)
        }
    }
}
