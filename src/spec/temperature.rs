//! The temperature τ that softens teacher and student.

use super::error::{SpecError, in_range};

/// Where a row's temperature comes from.
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
pub enum Temperature {
    /// One τ > 0 for all rows.
    Fixed(f32),
    /// The caller's own τ per row, `tau[B]`.
    PerRow,
    /// Dynamic temperature distillation: an engine's `dtd_temperatures` computes `tau[B]` from the
    /// whole batch, and the row program takes it as it takes the caller's own.
    Dtd(Dtd),
    /// Logit standardisation: over the `n` unmasked classes `z = (x−μ)/(σ + 1e-7)` for both rows
    /// (σ unbiased; `z = 0` and no gradient for `n < 2`), then τ. Source: Sun et al.,
    /// arXiv 2403.01427.
    Standardised {
        /// τ > 0 on the standardised logits, default 2.
        tau: f32,
    },
}

/// Dynamic temperature distillation, always detached from the gradient:
/// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`.
/// Source: Wen et al., arXiv 1911.07471; the defaults of normalisation and τ_min are ours (public
/// code clamps at 1 or not at all).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dtd {
    /// How hard a row is.
    pub omega: Omega,
    /// τ0 > 0, the temperature of a row of average difficulty, default 10.
    pub tau0: f32,
    /// The bias ≥ 0 that turns difficulty into temperature, default 40.
    pub bias: f32,
    /// Whether ω is divided by its sum over the batch, default [`Normalise::L1`].
    pub normalise: Normalise,
    /// τ_min > 0, the least temperature, default 1.
    pub tau_min: f32,
}

/// The weight ω of a row: the harder the row, the larger ω and the lower its temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Omega {
    /// Focal-loss style: `ω = (1 − cos(s, t))^γ` on the raw logits over the classes finite in both.
    Flsw {
        /// γ > 0, default 1.
        gamma: f32,
    },
    /// By the student's confidence: `ω = 1 / max_c softmax(s)_c`.
    Cwsm,
}

/// Normalisation of ω over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Normalise {
    /// ω as it is.
    None,
    /// `ω / Σ_j ω_j`.
    L1,
}

impl Default for Dtd {
    fn default() -> Self {
        Self {
            omega: Omega::Flsw { gamma: 1.0 },
            tau0: 10.0,
            bias: 40.0,
            normalise: Normalise::L1,
            tau_min: 1.0,
        }
    }
}

const NAMES: [&str; 4] = ["fixed", "per-row", "dtd", "standardised"];

impl Temperature {
    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAMES[self.code() as usize]
    }

    /// The number by which kernels know it.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::Fixed(_) => 0,
            Self::PerRow => 1,
            Self::Dtd(_) => 2,
            Self::Standardised { .. } => 3,
        }
    }

    /// The one τ of all rows, where there is one.
    pub(crate) fn scalar(&self) -> Option<f32> {
        match *self {
            Self::Fixed(tau) | Self::Standardised { tau } => Some(tau),
            _ => None,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SpecError> {
        let positive = |key, value: f32| {
            let holds = value > 0.0 && value.is_finite();
            in_range(key, value, holds, "finite and greater than 0")
        };
        match *self {
            Self::Fixed(tau) => positive("temperature", tau),
            Self::Standardised { tau } => positive("temperature.tau", tau),
            Self::PerRow => Ok(()),
            Self::Dtd(dtd) => {
                positive("temperature.tau0", dtd.tau0)?;
                positive("temperature.tau-min", dtd.tau_min)?;
                if let Omega::Flsw { gamma } = dtd.omega {
                    positive("temperature.gamma", gamma)?;
                }
                let holds = dtd.bias >= 0.0 && dtd.bias.is_finite();
                in_range(
                    "temperature.bias",
                    dtd.bias,
                    holds,
                    "finite and not negative",
                )
            }
        }
    }
}

const OMEGAS: [(&str, Omega); 2] = [("flsw", Omega::Flsw { gamma: 1.0 }), ("cwsm", Omega::Cwsm)];

const NORMALISATIONS: [(&str, Normalise); 2] = [("none", Normalise::None), ("l1", Normalise::L1)];

impl Omega {
    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        OMEGAS[self.code() as usize].0
    }

    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::Flsw { .. } => 0,
            Self::Cwsm => 1,
        }
    }
}

impl Normalise {
    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NORMALISATIONS[*self as usize].0
    }
}

#[cfg(feature = "serde")]
mod repr {
    use super::super::error::{by_name, refuse};
    use super::super::short::{Short, Shortened};
    use super::super::tidy::tidy;
    use super::{Dtd, NAMES, NORMALISATIONS, OMEGAS, Omega, SpecError, Temperature};

    /// `{ kind = "fixed", tau = 4 }`, `{ kind = "dtd", omega = "flsw", tau0 = 10, … }`.
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    pub(super) struct Table {
        kind: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        tau: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        omega: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        gamma: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tau0: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bias: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        normalise: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tau_min: Option<f64>,
    }

    impl Short for Table {
        const EXPECTED: &'static str =
            "a temperature: a number, \"per-row\", or a table with its kind";

        fn from_kind(kind: &str) -> Self {
            Self {
                kind: kind.to_owned(),
                ..Self::default()
            }
        }

        fn from_number(tau: f64) -> Option<Self> {
            Some(Self {
                tau: Some(tau),
                ..Self::from_kind("fixed")
            })
        }
    }

    impl From<Temperature> for Table {
        fn from(temperature: Temperature) -> Self {
            let table = Self::from_kind(temperature.name());
            match temperature {
                Temperature::PerRow => table,
                Temperature::Fixed(tau) | Temperature::Standardised { tau } => Self {
                    tau: Some(tidy(tau)),
                    ..table
                },
                Temperature::Dtd(dtd) => Self {
                    omega: Some(dtd.omega.name().to_owned()),
                    gamma: match dtd.omega {
                        Omega::Flsw { gamma } => Some(tidy(gamma)),
                        Omega::Cwsm => None,
                    },
                    tau0: Some(tidy(dtd.tau0)),
                    bias: Some(tidy(dtd.bias)),
                    normalise: Some(dtd.normalise.name().to_owned()),
                    tau_min: Some(tidy(dtd.tau_min)),
                    ..table
                },
            }
        }
    }

    impl TryFrom<Shortened<Table>> for Temperature {
        type Error = SpecError;

        fn try_from(Shortened(table): Shortened<Table>) -> Result<Self, SpecError> {
            match table.kind.as_str() {
                "dtd" => {
                    refuse("temperature.tau", table.tau, "dtd", "fixed, standardised")?;
                    table.dtd().map(Self::Dtd)
                }
                "fixed" => Ok(Self::Fixed(table.only_tau("fixed")?.unwrap_or(4.0))),
                "standardised" => Ok(Self::Standardised {
                    tau: table.only_tau("standardised")?.unwrap_or(2.0),
                }),
                "per-row" => {
                    let tau = table.only_tau("per-row")?.map(f64::from);
                    refuse("temperature.tau", tau, "per-row", "fixed, standardised")?;
                    Ok(Self::PerRow)
                }
                other => {
                    let names = NAMES.map(|name| (name, ()));
                    by_name("temperature.kind", other, &names).map(|()| Self::PerRow)
                }
            }
        }
    }

    impl Table {
        /// τ, where nothing of DTD stands beside it.
        fn only_tau(&self, kind: &'static str) -> Result<Option<f32>, SpecError> {
            let text = |given: &Option<String>| given.as_ref().map(|_| 0.0);
            for (key, given) in [
                ("temperature.omega", text(&self.omega)),
                ("temperature.gamma", self.gamma),
                ("temperature.tau0", self.tau0),
                ("temperature.bias", self.bias),
                ("temperature.normalise", text(&self.normalise)),
                ("temperature.tau-min", self.tau_min),
            ] {
                refuse(key, given, kind, "dtd")?;
            }
            Ok(self.tau.map(|v| v as f32))
        }

        fn dtd(&self) -> Result<Dtd, SpecError> {
            let mut dtd = Dtd::default();
            if let Some(name) = &self.omega {
                dtd.omega = by_name("temperature.omega", name, &OMEGAS)?;
            }
            if let Some(name) = &self.normalise {
                dtd.normalise = by_name("temperature.normalise", name, &NORMALISATIONS)?;
            }
            match &mut dtd.omega {
                Omega::Flsw { gamma } => *gamma = self.gamma.map_or(*gamma, |v| v as f32),
                Omega::Cwsm => refuse("temperature.gamma", self.gamma, "cwsm", "omega = \"flsw\"")?,
            }
            for (field, given) in [
                (&mut dtd.tau0, self.tau0),
                (&mut dtd.bias, self.bias),
                (&mut dtd.tau_min, self.tau_min),
            ] {
                *field = given.map_or(*field, |v| v as f32);
            }
            Ok(dtd)
        }
    }
}
