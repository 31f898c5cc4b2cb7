//! Feature terms of a method's loss: which, how heavy, and when.

use super::recipe::{Pace, Schedule};
use crate::spec::{Distance, FeatureSpec, Relation, SpecError};
use serde::Serialize;
use std::str::FromStr;

/// `± λ · dist(F, F_T)` beside the loss of the logits: `+` where a half of the student's features
/// inherits, `−` where it explores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Term {
    /// Inheritance or exploration, and with it which half.
    pub relation: Relation,
    /// How far apart two factors are.
    pub distance: Distance,
    /// λ ≥ 0 at its highest.
    pub weight: f32,
    /// How λ falls over the epochs.
    pub schedule: Schedule,
    /// The first epochs, over which λ rises in equal steps from 0.
    pub warm_up: usize,
}

impl Term {
    /// L1 with a constant λ = 50. Source: Huang et al., arXiv 2107.00181; \[second-hand\]: the released
    /// file has λ = 1.
    #[must_use]
    pub fn new(relation: Relation) -> Self {
        Self {
            relation,
            distance: Distance::L1,
            weight: 50.0,
            schedule: Schedule::Constant,
            warm_up: 0,
        }
    }

    /// Both terms of inheritance and exploration.
    #[must_use]
    pub fn both() -> Vec<Self> {
        vec![Self::new(Relation::Inherit), Self::new(Relation::Explore)]
    }

    pub(crate) fn spec(&self) -> FeatureSpec {
        FeatureSpec {
            distance: self.distance,
            relation: self.relation,
        }
    }

    /// λ at a step.
    pub(crate) fn lambda(&self, pace: Pace) -> f32 {
        pace.of(self.weight, self.schedule, self.warm_up)
    }
}

/// The feature terms of a comparison's methods, as one text:
/// `inherit=50,explore=50,distance=l1,schedule=constant,warm-up=0`; what is left out keeps its
/// default, and a term of weight 0 is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms(pub Vec<Term>);

impl FromStr for Terms {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut terms = Term::both();
        let parts = text.split(',').map(str::trim);
        for part in parts.filter(|part| !part.is_empty()) {
            set(&mut terms, part)?;
        }
        terms.retain(|term| term.weight > 0.0);
        Ok(Self(terms))
    }
}

fn set(terms: &mut [Term], part: &str) -> Result<(), SpecError> {
    let wrong = |expected: &str| SpecError::Syntax {
        message: format!("`{part}` in feature terms: {expected}"),
    };
    let (key, value) = part.split_once('=').unwrap_or((part, ""));
    match key {
        "inherit" | "explore" => {
            let weight = value.parse().ok();
            let weight = weight.filter(|w: &f32| *w >= 0.0 && w.is_finite());
            let weight = weight.ok_or_else(|| wrong("write a weight that is not negative"))?;
            let of_key = terms.iter_mut().filter(|term| term.relation.name() == key);
            of_key.for_each(|term| term.weight = weight);
        }
        "distance" => {
            let distance = Distance::from_name(value)?;
            terms.iter_mut().for_each(|term| term.distance = distance);
        }
        "schedule" => {
            let known = Schedule::ALL.iter().find(|(name, _)| *name == value);
            let names = Schedule::ALL.map(|(name, _)| name).join(", ");
            let schedule = known
                .ok_or_else(|| wrong(&format!("it must be one of {names}")))?
                .1;
            terms.iter_mut().for_each(|term| term.schedule = schedule);
        }
        "warm-up" => {
            let warm_up = value
                .parse()
                .map_err(|_| wrong("write a number of epochs"))?;
            terms.iter_mut().for_each(|term| term.warm_up = warm_up);
        }
        _ => {
            return Err(wrong(
                "the parts are inherit=, explore=, distance=, schedule=, warm-up=",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read() {
        let Terms(both) = "".parse().unwrap();
        assert_eq!(both, Term::both());
        let text = "inherit=0, explore=2.5,distance=cosine,schedule=step,warm-up=3";
        let Terms(one) = text.parse().unwrap();
        let expected = Term {
            relation: Relation::Explore,
            distance: Distance::Cosine,
            weight: 2.5,
            schedule: Schedule::Step,
            warm_up: 3,
        };
        assert_eq!(one, [expected]);
        for (text, words) in [
            ("inherit=-1", "not negative"),
            ("inherit=inf", "not negative"),
            ("explore=much", "not negative"),
            ("distance=l3", "squared-l2"),
            ("schedule=up", "cosine"),
            ("warm-up=-1", "number of epochs"),
            ("imitate=1", "inherit="),
        ] {
            let error = text.parse::<Terms>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn lambda_follows_its_schedule() {
        let term = Term {
            schedule: Schedule::Step,
            warm_up: 2,
            ..Term::new(Relation::Inherit)
        };
        let at = |step| {
            term.lambda(Pace {
                step,
                steps_per_epoch: 5,
                epochs: 12,
            })
        };
        // Ten steps up; of the fifty after them sixty percent at the top.
        assert_eq!(
            [0, 4, 9, 10, 39, 41].map(at),
            [5.0, 25.0, 50.0, 50.0, 50.0, 5.0]
        );
        assert_eq!(
            Term::new(Relation::Explore).lambda(Pace {
                step: 7,
                steps_per_epoch: 1,
                epochs: 8
            }),
            50.0
        );
    }
}
