//! The divergence D(p', q) between the revised target and the student.

use super::error::{SpecError, by_name, in_range};

/// How the student's `q = softmax(s/τ)` is held against the revised target `p'`.
///
/// Shapes: `s, t, p', q` are rows of `V` classes. The softmax divergences carry `τ²`
/// (unless [`LossSpec::temperature_squared`](super::LossSpec::temperature_squared) is off), the
/// squared errors never do. Gradients are with respect to the student's raw logits `s`.
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
pub enum Divergence {
    /// `D = τ² Σ p'_c (log p'_c − log q_c)`, gradient `τ (q_c − p'_c)`.
    /// Source: Hinton et al. 2015, arXiv 1503.02531, section 2.
    ForwardKl,
    /// `D = τ² R` with `R = Σ q_c (log q_c − log p'_c)`, gradient `τ q_c (log q_c − log p'_c − R)`.
    ReverseKl,
    /// `D = τ² [β KL(p'‖m) + (1−β) KL(q‖m)]` with `m = βp' + (1−β)q`; with
    /// `h_c = (1−β) log(q_c/m_c)` the gradient is `τ q_c (h_c − Σ_k q_k h_k)`.
    JensenShannon {
        /// β in (0, 1), default 0.5.
        beta: f32,
    },
    /// `D = τ² ½ Σ |p'_c − q_c|`; with `h_c = ½ sign(q_c − p'_c)` the gradient is
    /// `τ q_c (h_c − Σ_k q_k h_k)`.
    TotalVariation,
    /// `D = (1/V) Σ (q_c − p'_c)²`, gradient
    /// `(2/(Vτ)) q_c [(q_c − p'_c) − Σ_k q_k (q_k − p'_k)]`.
    MseProbs,
    /// `D = (1/V) Σ (s_c − t_c)²` on the raw logits, gradient `2 (s_c − t_c)/V`. On wrong rows
    /// only with [`Revision::None`](super::Revision::None) or
    /// [`Revision::ProbabilityShift`](super::Revision::ProbabilityShift), which exchanges two logits.
    MseLogits,
    /// Decoupled knowledge distillation: `D = τ² [α KL(b^t‖b^s) + β KL(p̂‖q̂)]`, where
    /// `b = (value at y, rest)` and `p̂, q̂` are the distributions without class `y`, renormalised.
    /// Gradient at `y`: `τα (q_y − p'_y)`; else `−τα (q_y − p'_y) q̂_c + τβ (q̂_c − p̂_c)`.
    /// Rows without a label use [`Divergence::ForwardKl`].
    /// Source: Zhao et al. 2022, arXiv 2203.08679, section 3.
    Decoupled {
        /// α ≥ 0, the weight of the target class's part, default 1.
        alpha: f32,
        /// β ≥ 0, the weight of the other classes' part, default 8.
        beta: f32,
    },
}

const NAMES: [(&str, Divergence); 7] = [
    ("forward-kl", Divergence::ForwardKl),
    ("reverse-kl", Divergence::ReverseKl),
    ("jensen-shannon", Divergence::JensenShannon { beta: 0.5 }),
    ("total-variation", Divergence::TotalVariation),
    ("mse-probs", Divergence::MseProbs),
    ("mse-logits", Divergence::MseLogits),
    (
        "decoupled",
        Divergence::Decoupled {
            alpha: 1.0,
            beta: 8.0,
        },
    ),
];

impl Divergence {
    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAMES[self.code() as usize].0
    }

    /// The divergence of this name, with its default parameters.
    ///
    /// # Errors
    /// [`SpecError::UnknownName`] lists the names there are.
    pub fn from_name(name: &str) -> Result<Self, SpecError> {
        by_name("divergence.kind", name, &NAMES)
    }

    /// The number by which kernels know it.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::ForwardKl => 0,
            Self::ReverseKl => 1,
            Self::JensenShannon { .. } => 2,
            Self::TotalVariation => 3,
            Self::MseProbs => 4,
            Self::MseLogits => 5,
            Self::Decoupled { .. } => 6,
        }
    }

    /// `(α, β)` as kernels read them, 0 where the divergence has no such parameter.
    pub(crate) fn parameters(&self) -> (f32, f32) {
        match *self {
            Self::JensenShannon { beta } => (0.0, beta),
            Self::Decoupled { alpha, beta } => (alpha, beta),
            _ => (0.0, 0.0),
        }
    }

    /// Whether D carries τ².
    pub(crate) fn is_tempered(&self) -> bool {
        !matches!(self, Self::MseProbs | Self::MseLogits)
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        match *self {
            Self::JensenShannon { beta } => in_range(
                "divergence.beta",
                beta,
                beta > 0.0 && beta < 1.0,
                "between 0 and 1, both excluded",
            ),
            Self::Decoupled { alpha, beta } => {
                for (key, value) in [("divergence.alpha", alpha), ("divergence.beta", beta)] {
                    in_range(
                        key,
                        value,
                        value >= 0.0 && value.is_finite(),
                        "finite and not negative",
                    )?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "serde")]
mod repr {
    use super::super::error::refuse;
    use super::super::short::{Short, Shortened};
    use super::super::tidy::tidy;
    use super::{Divergence, SpecError};

    /// `{ kind = "decoupled", alpha = 1, beta = 8 }`; absent parameters take their defaults.
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Table {
        kind: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        alpha: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        beta: Option<f64>,
    }

    impl Short for Table {
        const EXPECTED: &'static str = "a divergence's name or a table with its kind";

        fn from_kind(kind: &str) -> Self {
            Self {
                kind: kind.to_owned(),
                alpha: None,
                beta: None,
            }
        }
    }

    impl From<Divergence> for Table {
        fn from(divergence: Divergence) -> Self {
            let (alpha, beta) = match divergence {
                Divergence::JensenShannon { beta } => (None, Some(tidy(beta))),
                Divergence::Decoupled { alpha, beta } => (Some(tidy(alpha)), Some(tidy(beta))),
                _ => (None, None),
            };
            Self {
                kind: divergence.name().to_owned(),
                alpha,
                beta,
            }
        }
    }

    impl TryFrom<Shortened<Table>> for Divergence {
        type Error = SpecError;

        fn try_from(Shortened(table): Shortened<Table>) -> Result<Self, SpecError> {
            let Table {
                kind,
                alpha: given_alpha,
                beta: given_beta,
            } = table;
            let mut divergence = Self::from_name(&kind)?;
            let name = divergence.name();
            if !matches!(divergence, Self::Decoupled { .. }) {
                refuse("divergence.alpha", given_alpha, name, "decoupled")?;
            }
            match &mut divergence {
                Self::JensenShannon { beta } => *beta = given_beta.map_or(*beta, |v| v as f32),
                Self::Decoupled { alpha, beta } => {
                    *alpha = given_alpha.map_or(*alpha, |v| v as f32);
                    *beta = given_beta.map_or(*beta, |v| v as f32);
                }
                _ => refuse(
                    "divergence.beta",
                    given_beta,
                    name,
                    "jensen-shannon, decoupled",
                )?,
            }
            Ok(divergence)
        }
    }
}
