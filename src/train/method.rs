//! A method of a comparison: a loss, and perhaps a selection.

use crate::select::Policy;
use crate::spec::{Preset, SpecError};
use std::fmt;
use std::str::FromStr;

/// A preset, on all samples or on those that a selection chooses.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Method {
    /// The name in tables and on the command line.
    pub name: String,
    /// The loss.
    pub preset: Preset,
    /// Which samples the teacher supervises; all where there is no policy. The others are trained
    /// on their ground truth alone, with the weight 1 (our choice; Lan et al., arXiv 2404.03693,
    /// train all samples on the ground truth).
    pub policy: Option<Policy>,
}

/// Methods with a selection: `ds` is `kd`, `lr-ds` is `lr` on the selected samples.
const SELECTED: [(&str, Preset); 2] = [("ds", Preset::Kd), ("lr-ds", Preset::Lr)];

impl Method {
    /// The names of all methods: presets, and those with a selection.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let presets = Preset::ALL.into_iter().map(Preset::name);
        presets.chain(SELECTED.map(|(name, _)| name)).collect()
    }

    /// All methods with their default policy.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::names()
            .into_iter()
            .filter_map(|name| name.parse().ok())
            .collect()
    }

    /// What the method's preset and policy are, for `fused-kd presets`.
    #[must_use]
    pub fn selected() -> [(&'static str, Preset); 2] {
        SELECTED
    }
}

impl From<Preset> for Method {
    fn from(preset: Preset) -> Self {
        Self {
            name: preset.name().to_owned(),
            preset,
            policy: None,
        }
    }
}

impl FromStr for Method {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        if let Some((name, preset)) = SELECTED.into_iter().find(|(known, _)| *known == name) {
            return Ok(Self {
                name: name.to_owned(),
                preset,
                policy: Some(Policy::default()),
            });
        }
        match Preset::from_name(name) {
            Ok(preset) => Ok(preset.into()),
            Err(_) => Err(SpecError::UnknownName {
                key: "method",
                given: name.to_owned(),
                expected: Self::names().join(", "),
            }),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.name)
    }
}
