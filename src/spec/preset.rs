//! The published methods, as specifications.

use super::divergence::Divergence;
use super::error::{SpecError, by_name};
use super::loss::{LossSpec, LossSpecBuilder, Reduction, Side};
use super::revision::Revision;
use super::temperature::{Dtd, Omega, Temperature};

/// A published method that needs one student and no features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// Ground truth alone.
    Ce,
    /// Vanilla distillation.
    Kd,
    /// Label revision.
    Lr,
    /// Label revision as its only public code has it.
    LrMse,
    /// Knowledge adjustment by probability shift.
    KaPs,
    /// Knowledge adjustment by label smoothing.
    KaLsr,
    /// Dynamic temperature from the distance of the logits.
    DtdFlsw,
    /// Dynamic temperature from the student's confidence.
    DtdCwsm,
    /// Dynamic temperature and probability shift.
    DtdKa,
    /// Decoupled knowledge distillation.
    Dkd,
    /// Logit standardisation.
    Lskd,
}

const NAMES: [(&str, Preset); 11] = [
    ("ce", Preset::Ce),
    ("kd", Preset::Kd),
    ("lr", Preset::Lr),
    ("lr-mse", Preset::LrMse),
    ("ka-ps", Preset::KaPs),
    ("ka-lsr", Preset::KaLsr),
    ("dtd-flsw", Preset::DtdFlsw),
    ("dtd-cwsm", Preset::DtdCwsm),
    ("dtd-ka", Preset::DtdKa),
    ("dkd", Preset::Dkd),
    ("lskd", Preset::Lskd),
];

impl Preset {
    /// All presets, in the order of [`Preset`].
    pub const ALL: [Self; NAMES.len()] = {
        let mut all = [Self::Ce; NAMES.len()];
        let mut i = 0;
        while i < NAMES.len() {
            all[i] = NAMES[i].1;
            i += 1;
        }
        all
    };

    /// The name on the command line and in configuration files.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[self as usize].0
    }

    /// The preset of this name.
    ///
    /// # Errors
    /// [`SpecError::UnknownName`] lists the names there are.
    pub fn from_name(name: &str) -> Result<Self, SpecError> {
        by_name("preset", name, &NAMES)
    }

    /// The specification with its published parameters.
    #[must_use]
    pub fn spec(self) -> LossSpec {
        self.parts()
            .build()
            .expect("a preset's parts are in range and fit together")
    }

    fn parts(self) -> LossSpecBuilder {
        let kd = LossSpec::builder();
        let lr = Revision::LabelRevision { eta: 0.8 };
        let dtd = |omega| {
            Temperature::Dtd(Dtd {
                omega,
                ..Dtd::default()
            })
        };
        let flsw = dtd(Omega::Flsw { gamma: 1.0 });
        match self {
            Self::Ce => kd.weights(0.0, 1.0).temperature(Temperature::Fixed(1.0)),
            Self::Kd => kd,
            Self::Lr => kd.revision(lr),
            Self::LrMse => kd
                .right(Side {
                    divergence: Divergence::MseLogits,
                    lambda_kd: 4.0,
                    lambda_ce: 1.0,
                })
                .wrong(Side {
                    divergence: Divergence::MseProbs,
                    lambda_kd: 1.0,
                    lambda_ce: 0.0,
                })
                .temperature(Temperature::Fixed(1.0))
                .revision(lr)
                .reduction(Reduction::MeanPerGroup),
            Self::KaPs => kd.weights(1.0, 0.0).revision(Revision::ProbabilityShift),
            Self::KaLsr => kd
                .weights(1.0, 0.0)
                .revision(Revision::LabelSmoothing { epsilon: 0.1 }),
            Self::DtdFlsw => kd.temperature(flsw),
            Self::DtdCwsm => kd.temperature(dtd(Omega::Cwsm)),
            Self::DtdKa => kd
                .weights(1.0, 0.0)
                .temperature(flsw)
                .revision(Revision::ProbabilityShift),
            Self::Dkd => kd.weights(1.0, 1.0).divergence(Divergence::Decoupled {
                alpha: 1.0,
                beta: 8.0,
            }),
            Self::Lskd => kd
                .weights(9.0, 0.1)
                .temperature(Temperature::Standardised { tau: 2.0 }),
        }
    }

    /// The loss of one row in the papers' letters.
    #[must_use]
    pub fn formula(self) -> &'static str {
        match self {
            Self::Ce => "CE(s, y)",
            Self::Kd => "0.9 τ² KL(p‖q) + 0.1 CE, τ = 4",
            Self::Lr => {
                "0.9 τ² KL(p'‖q) + 0.1 CE, τ = 4; wrong: p' = βp + (1−β)e_y, β = 0.8/(p_max−p_y+1)"
            }
            Self::LrMse => {
                "right: 4 MSE(s, t) + CE; wrong: MSE(q, p'), τ = 1, p' as lr; mean per group"
            }
            Self::KaPs => "τ² KL(p'‖q), τ = 4; wrong: p with the values at top and y exchanged",
            Self::KaLsr => "τ² KL(p'‖q), τ = 4; wrong: 0.9 at y, 0.1/(n−1) elsewhere",
            Self::DtdFlsw => {
                "kd with τ_b = max(1, 10 + 40 (mean ω − ω_b)), ω = (1 − cos(s, t)) / Σ"
            }
            Self::DtdCwsm => "kd with τ_b = max(1, 10 + 40 (mean ω − ω_b)), ω = (1 / max q1) / Σ",
            Self::DtdKa => "τ_b² KL(p'‖q), τ_b as dtd-flsw, p' as ka-ps",
            Self::Dkd => "τ² [KL(b^t‖b^s) + 8 KL(p̂‖q̂)] + CE, τ = 4",
            Self::Lskd => "9 τ² KL(p‖q) + 0.1 CE on standardised logits, τ = 2",
        }
    }

    /// Where the method comes from, and which of its numbers are ours.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::Ce => "the student trained alone",
            Self::Kd => "Hinton et al., arXiv 1503.02531",
            Self::Lr => "Lan et al., arXiv 2404.03693 (weights and τ are ours)",
            Self::LrMse => "Lan et al., arXiv 2404.03693, as its only public code computes it",
            Self::KaPs | Self::KaLsr => "Wen et al., arXiv 1911.07471, knowledge adjustment",
            Self::DtdFlsw | Self::DtdCwsm => {
                "Wen et al., arXiv 1911.07471, dynamic temperature (weights, L1 and τ_min are ours)"
            }
            Self::DtdKa => "Wen et al., arXiv 1911.07471, both together (the combination is ours)",
            Self::Dkd => "Zhao et al., arXiv 2203.08679 (no warm-up)",
            Self::Lskd => "Sun et al., arXiv 2403.01427",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_builds_and_is_found_by_its_name() {
        for preset in Preset::ALL {
            assert_eq!(Preset::from_name(preset.name()), Ok(preset));
            assert_eq!(
                LossSpec::try_from(LossSpecBuilder::from(preset.spec())),
                Ok(preset.spec())
            );
        }
        let error = Preset::from_name("kdd").unwrap_err().to_string();
        assert!(error.contains("kd, lr"), "{error}");
    }
}
