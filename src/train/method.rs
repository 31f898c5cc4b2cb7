//! A method of a comparison: a loss, and perhaps a selection, feature terms, a second student.

use super::term::Term;
use crate::select::Policy;
use crate::spec::{LossSpec, Preset, SpecError, Temperature};
use std::fmt;
use std::str::FromStr;

/// A preset, on all samples or on those that a selection chooses, alone or with feature terms; under
/// the teacher, or of two students under each other.
///
/// As text it is its name.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Method {
    /// The name in tables and on the command line.
    pub name: String,
    /// The published loss that it starts from.
    pub preset: Preset,
    /// The loss of the logits.
    pub spec: LossSpec,
    /// Which samples the teacher supervises; all where there is no policy. The others are trained
    /// on their ground truth alone, with the weight 1 (our choice; Lan et al., arXiv 2404.03693,
    /// train all samples on the ground truth).
    pub policy: Option<Policy>,
    /// Feature terms beside the loss of the logits.
    pub terms: Vec<Term>,
    /// Whether two students learn from each other instead of from the teacher: the loss is then
    /// `CE + KL(p‖q)` at τ = 1 with the other student's p, and feature terms are held against its last
    /// hidden layer (Zhang et al., arXiv 1706.00384; the factor is ours).
    pub mutual: bool,
}

/// Methods with a selection: `ds` is `kd`, `lr-ds` is `lr` on the selected samples.
const SELECTED: [(&str, Preset); 2] = [("ds", Preset::Kd), ("lr-ds", Preset::Lr)];

/// What stands before the name of a method that has feature terms besides.
const WITH_TERMS: &str = "ie+";

impl Method {
    /// The names of all methods of one student without feature terms: presets, and those with a
    /// selection.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let presets = Preset::ALL.into_iter().map(Preset::name);
        presets.chain(SELECTED.map(|(name, _)| name)).collect()
    }

    /// These methods, with their default policy: what is compared unless methods are named.
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

    /// Names, formulas and sources of the methods with feature terms or a second student.
    #[must_use]
    pub fn of_features() -> [[&'static str; 3]; 4] {
        [
            [
                "ie-kd",
                "CE + 50 dist(F_inh, F_T) − 50 dist(F_exp, F_T), dist = mean |x/‖x‖ − y/‖y‖|, F_T of an \
                 auto-encoder, F_inh and F_exp of the halves of the student's features",
                "Huang et al., arXiv 2107.00181 (50 is second-hand, the released file has 1; the \
                 factor's width is ours)",
            ],
            [
                "ie+PRESET",
                "the same with any preset, ds or lr-ds in place of CE, such as ie+lr",
                "Huang et al., arXiv 2107.00181, with the preset's",
            ],
            [
                "dml",
                "CE + KL(p‖q), τ = 1, p that of a second student; trained in turns",
                "Zhang et al., arXiv 1706.00384",
            ],
            [
                "ie-dml",
                "dml + 50 dist(F_inh, h) − 50 dist(F_exp, h), h the other student's last hidden layer",
                "Huang et al., arXiv 2107.00181 (the factor is ours: the other's features as they are)",
            ],
        ]
    }
}

/// `CE + KL(p‖q)` at τ = 1.
fn mutual() -> LossSpec {
    LossSpec::builder()
        .weights(1.0, 1.0)
        .temperature(Temperature::Fixed(1.0))
        .build()
        .expect("the parts are in range and fit together")
}

impl From<Preset> for Method {
    fn from(preset: Preset) -> Self {
        Self {
            name: preset.name().to_owned(),
            preset,
            spec: preset.spec(),
            policy: None,
            terms: Vec::new(),
            mutual: false,
        }
    }
}

impl FromStr for Method {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        let named = |method: Self| Self {
            name: name.to_owned(),
            ..method
        };
        let plain = name.strip_prefix(WITH_TERMS).unwrap_or(name);
        let mut method = match name {
            "ie-kd" => Preset::Ce.into(),
            "dml" | "ie-dml" => Self {
                mutual: true,
                spec: mutual(),
                ..Preset::Kd.into()
            },
            _ => Self::of_logits(plain).ok_or_else(|| SpecError::UnknownName {
                key: "method",
                given: name.to_owned(),
                expected: format!(
                    "{}, ie-kd, {WITH_TERMS}NAME (such as ie+lr), dml, ie-dml",
                    Self::names().join(", ")
                ),
            })?,
        };
        if plain != name || name.starts_with("ie-") {
            method.terms = Term::both();
        }
        Ok(named(method))
    }
}

impl TryFrom<String> for Method {
    type Error = SpecError;

    fn try_from(name: String) -> Result<Self, SpecError> {
        name.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.name
    }
}

impl Method {
    /// The method of one of [`Method::names`].
    fn of_logits(name: &str) -> Option<Self> {
        if let Some((_, preset)) = SELECTED.into_iter().find(|(known, _)| *known == name) {
            return Some(Self {
                policy: Some(Policy::default()),
                ..preset.into()
            });
        }
        Preset::from_name(name).ok().map(Self::from)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Method {
        let method: Method = name.parse().unwrap();
        assert_eq!(method.to_string(), name);
        method
    }

    #[test]
    fn names_are_made_of_their_parts() {
        let plain = method("lr");
        assert!(plain.terms.is_empty() && !plain.mutual && plain.policy.is_none());
        let with_terms = method("ie+lr");
        assert_eq!(
            (with_terms.spec, with_terms.terms),
            (plain.spec, Term::both())
        );
        assert_eq!(method("ie-kd").spec, Preset::Ce.spec());
        assert_eq!(method("ie-kd").terms.len(), 2);
        let all = method("ie+lr-ds");
        assert!(all.policy.is_some() && all.terms.len() == 2 && all.preset == Preset::Lr);
        let (dml, ie_dml) = (method("dml"), method("ie-dml"));
        assert!(dml.mutual && dml.terms.is_empty() && ie_dml.mutual && ie_dml.terms.len() == 2);
        let (side, tau) = (dml.spec.right(), dml.spec.temperature());
        assert_eq!((side.lambda_kd, side.lambda_ce), (1.0, 1.0));
        assert_eq!(tau, Temperature::Fixed(1.0));
        for wrong in ["ie+", "ie+ie-kd", "ie+dml", "ie-lr", "kdd"] {
            let error = wrong.parse::<Method>().unwrap_err().to_string();
            assert!(error.contains("lr-ds, ie-kd, ie+"), "{error}");
        }
        assert_eq!(Method::all().len(), 13);
    }
}
