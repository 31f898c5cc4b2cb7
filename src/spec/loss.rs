//! One loss, valid by construction.

use super::divergence::Divergence;
use super::error::{SpecError, SpecWarning, by_name, in_range};
use super::revision::Revision;
use super::temperature::Temperature;

/// What rows of one group (teacher right, or teacher wrong) are trained on:
/// `λ_kd · D + λ_ce · CE`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(deny_unknown_fields, rename_all = "kebab-case")
)]
pub struct Side {
    /// D.
    pub divergence: Divergence,
    /// λ_kd ≥ 0.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::tidy::as_tidy"))]
    pub lambda_kd: f32,
    /// λ_ce ≥ 0.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::tidy::as_tidy"))]
    pub lambda_ce: f32,
}

impl Side {
    fn check(&self, keys: [&'static str; 2]) -> Result<(), SpecError> {
        self.divergence.check()?;
        for (key, value) in keys.into_iter().zip([self.lambda_kd, self.lambda_ce]) {
            let holds = value >= 0.0 && value.is_finite();
            in_range(key, value, holds, "finite and not negative")?;
        }
        Ok(())
    }
}

/// How the rows' losses become one: `total = upstream · Σ_b loss_b · inv_n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub enum Reduction {
    /// `inv_n = 1`.
    Sum,
    /// `inv_n = 1/N`, N the number of rows with a weight other than 0; rows without a label and
    /// flagged rows count. (PyTorch's weighted mean divides by Σw instead.)
    #[default]
    Mean,
    /// As [`Reduction::Mean`], counted within the right and within the wrong rows: each group
    /// contributes the mean of its own. Flagged rows stay in the group of their teacher and label, or
    /// count as right where those cannot be judged.
    MeanPerGroup,
}

const REDUCTIONS: [(&str, Reduction); 3] = [
    ("sum", Reduction::Sum),
    ("mean", Reduction::Mean),
    ("mean-per-group", Reduction::MeanPerGroup),
];

impl Reduction {
    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        REDUCTIONS[*self as usize].0
    }
}

impl TryFrom<String> for Reduction {
    type Error = SpecError;

    fn try_from(name: String) -> Result<Self, SpecError> {
        by_name("reduction", &name, &REDUCTIONS)
    }
}

impl From<Reduction> for String {
    fn from(reduction: Reduction) -> Self {
        reduction.name().to_owned()
    }
}

/// One loss: right and wrong rows, revision, temperature, reduction. Valid by construction.
///
/// ```
/// use fused_kd::spec::{LossSpec, Revision, Temperature};
///
/// let spec = LossSpec::builder()
///     .revision(Revision::LabelRevision { eta: 0.8 })
///     .temperature(Temperature::Fixed(4.0))
///     .weights(0.9, 0.1)
///     .build()?;
/// assert_eq!(spec.right().lambda_kd, 0.9);
/// # Ok::<(), fused_kd::spec::SpecError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(try_from = "LossSpecBuilder", into = "LossSpecBuilder")
)]
pub struct LossSpec(LossSpecBuilder);

/// The parts of a [`LossSpec`] before they are checked together. The default is vanilla
/// distillation: forward KL at τ = 4, weights 0.9 and 0.1, no revision, the mean over rows.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use = "a specification exists once `build` has checked it"]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(deny_unknown_fields, rename_all = "kebab-case")
)]
pub struct LossSpecBuilder {
    temperature_squared: bool,
    reduction: Reduction,
    temperature: Temperature,
    revision: Revision,
    right: Side,
    wrong: Side,
}

impl Default for LossSpecBuilder {
    fn default() -> Self {
        let side = Side {
            divergence: Divergence::ForwardKl,
            lambda_kd: 0.9,
            lambda_ce: 0.1,
        };
        Self {
            temperature_squared: true,
            reduction: Reduction::Mean,
            temperature: Temperature::Fixed(4.0),
            revision: Revision::None,
            right: side,
            wrong: side,
        }
    }
}

impl LossSpecBuilder {
    /// The divergence on all rows.
    pub fn divergence(mut self, divergence: Divergence) -> Self {
        self.right.divergence = divergence;
        self.wrong.divergence = divergence;
        self
    }

    /// λ_kd and λ_ce on all rows.
    pub fn weights(mut self, lambda_kd: f32, lambda_ce: f32) -> Self {
        for side in [&mut self.right, &mut self.wrong] {
            side.lambda_kd = lambda_kd;
            side.lambda_ce = lambda_ce;
        }
        self
    }

    /// Everything about rows on which the teacher is right.
    pub fn right(mut self, side: Side) -> Self {
        self.right = side;
        self
    }

    /// Everything about rows on which the teacher is wrong.
    pub fn wrong(mut self, side: Side) -> Self {
        self.wrong = side;
        self
    }

    /// The revision of the target on wrong rows.
    pub fn revision(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self
    }

    /// The temperature.
    pub fn temperature(mut self, temperature: Temperature) -> Self {
        self.temperature = temperature;
        self
    }

    /// Whether the tempered divergences carry τ² (the default).
    pub fn temperature_squared(mut self, carried: bool) -> Self {
        self.temperature_squared = carried;
        self
    }

    /// The reduction over rows.
    pub fn reduction(mut self, reduction: Reduction) -> Self {
        self.reduction = reduction;
        self
    }

    /// The specification, if all parts are in range and fit together.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`] names the parameter, [`SpecError::Conflict`] the parts that have
    /// no meaning together: [`Divergence::MseLogits`] on wrong rows with a revision that has no
    /// logits, or with standardised logits.
    pub fn build(self) -> Result<LossSpec, SpecError> {
        self.revision.check()?;
        self.temperature.check()?;
        self.right.check(["right.lambda-kd", "right.lambda-ce"])?;
        self.wrong.check(["wrong.lambda-kd", "wrong.lambda-ce"])?;
        let logits = |side: Side| side.divergence == Divergence::MseLogits;
        if logits(self.wrong)
            && !matches!(self.revision, Revision::None | Revision::ProbabilityShift)
        {
            return Err(SpecError::Conflict {
                what: "wrong.divergence = \"mse-logits\" needs logits as the target, and this \
                       revision has none: use revision \"none\" or \"probability-shift\", or \
                       wrong.divergence = \"mse-probs\"",
            });
        }
        let standardised = matches!(self.temperature, Temperature::Standardised { .. });
        if standardised && (logits(self.right) || logits(self.wrong)) {
            return Err(SpecError::Conflict {
                what: "divergence = \"mse-logits\" compares raw logits and has no meaning with \
                       temperature \"standardised\": use a fixed temperature or another divergence",
            });
        }
        Ok(LossSpec(self))
    }
}

impl TryFrom<LossSpecBuilder> for LossSpec {
    type Error = SpecError;

    fn try_from(builder: LossSpecBuilder) -> Result<Self, SpecError> {
        builder.build()
    }
}

impl From<LossSpec> for LossSpecBuilder {
    fn from(spec: LossSpec) -> Self {
        spec.0
    }
}

impl LossSpec {
    /// Starts from vanilla distillation.
    pub fn builder() -> LossSpecBuilder {
        LossSpecBuilder::default()
    }

    /// What right rows are trained on.
    #[must_use]
    pub fn right(&self) -> Side {
        self.0.right
    }

    /// What wrong rows are trained on.
    #[must_use]
    pub fn wrong(&self) -> Side {
        self.0.wrong
    }

    /// The side of a row.
    #[must_use]
    pub fn side(&self, wrong: bool) -> Side {
        if wrong { self.0.wrong } else { self.0.right }
    }

    /// The revision of the target on wrong rows.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// The temperature.
    #[must_use]
    pub fn temperature(&self) -> Temperature {
        self.0.temperature
    }

    /// Whether the tempered divergences carry τ².
    #[must_use]
    pub fn temperature_squared(&self) -> bool {
        self.0.temperature_squared
    }

    /// The reduction over rows.
    #[must_use]
    pub fn reduction(&self) -> Reduction {
        self.0.reduction
    }

    /// What is legal for rows of `classes` classes and yet probably not meant.
    #[must_use]
    pub fn warnings(&self, classes: usize) -> Vec<SpecWarning> {
        match self.0.revision {
            Revision::LabelSmoothing { epsilon }
                if epsilon >= classes.saturating_sub(1) as f32 / classes as f32 =>
            {
                vec![SpecWarning::SmoothingTooStrong { epsilon, classes }]
            }
            _ => Vec::new(),
        }
    }

    /// V as kernels index it.
    ///
    /// # Errors
    /// [`SpecError::Classes`] for 0 and for 2³¹ and more.
    pub fn check_classes(classes: usize) -> Result<u32, SpecError> {
        match i32::try_from(classes) {
            Ok(1..) => Ok(classes as u32),
            _ => Err(SpecError::Classes { given: classes }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_refused_by_name() {
        let fixed = |tau| LossSpec::builder().temperature(Temperature::Fixed(tau));
        for tau in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let error = fixed(tau).build().unwrap_err();
            assert!(error.to_string().starts_with("temperature = "), "{error}");
        }
        for eta in [0.0, 1.0, f32::NAN] {
            let error = LossSpec::builder()
                .revision(Revision::LabelRevision { eta })
                .build()
                .unwrap_err();
            assert!(error.to_string().contains("revision.eta"), "{error}");
        }
        for (kd, ce, key) in [(-1.0, 0.0, "lambda-kd"), (1.0, f32::INFINITY, "lambda-ce")] {
            let error = LossSpec::builder().weights(kd, ce).build().unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        for beta in [0.0, 1.0, 1.5] {
            LossSpec::builder()
                .divergence(Divergence::JensenShannon { beta })
                .build()
                .unwrap_err();
        }
    }

    #[test]
    fn logits_as_a_target_need_logits() {
        let logits = LossSpec::builder().divergence(Divergence::MseLogits);
        let revised = |revision| logits.revision(revision).build();
        revised(Revision::None).unwrap();
        revised(Revision::ProbabilityShift).unwrap();
        revised(Revision::LabelRevision { eta: 0.5 }).unwrap_err();
        revised(Revision::LabelSmoothing { epsilon: 0.1 }).unwrap_err();
        let standardised = Temperature::Standardised { tau: 2.0 };
        logits.temperature(standardised).build().unwrap_err();
    }

    #[test]
    fn too_strong_smoothing_is_warned_of() {
        let smoothing = |epsilon| {
            let revision = Revision::LabelSmoothing { epsilon };
            LossSpec::builder().revision(revision).build().unwrap()
        };
        assert!(smoothing(0.1).warnings(10).is_empty());
        assert_eq!(smoothing(0.9).warnings(10).len(), 1);
        assert_eq!(smoothing(0.5).warnings(2).len(), 1);
    }

    #[test]
    fn rows_that_no_kernel_can_index() {
        LossSpec::check_classes(0).unwrap_err();
        LossSpec::check_classes(1 << 31).unwrap_err();
        assert_eq!(LossSpec::check_classes(151_936), Ok(151_936));
    }
}
