//! Feature terms of a method's loss: which, how heavy, and when.

use super::recipe::{Schedule, StepIndex};
use crate::spec::{Distance, FeatureSpec, Relation, as_tidy};
use serde::{Deserialize, Serialize};

/// `± λ · dist(F, F_T)` beside the loss of the logits: `+` where a half of the student's features
/// inherits, `−` where it explores.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Term {
    /// Inheritance or exploration, and with it which half.
    #[serde(rename = "kind")]
    pub relation: Relation,
    /// How far apart two factors are.
    #[serde(default)]
    pub distance: Distance,
    /// λ ≥ 0 at its highest.
    #[serde(default = "usual_weight", serialize_with = "as_tidy")]
    pub weight: f32,
    /// How λ falls over the epochs.
    #[serde(default = "constant")]
    pub schedule: Schedule,
    /// The first epochs, over which λ rises in equal steps from 0.
    #[serde(default)]
    pub warm_up: usize,
}

fn usual_weight() -> f32 {
    50.0
}

fn constant() -> Schedule {
    Schedule::Constant
}

impl Term {
    /// L1 with a constant λ = 50. Source: Huang et al., arXiv 2107.00181; \[second-hand\]: the released
    /// file has λ = 1.
    #[must_use]
    pub fn new(relation: Relation) -> Self {
        Self {
            relation,
            distance: Distance::L1,
            weight: usual_weight(),
            schedule: constant(),
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
    pub(crate) fn lambda(&self, at: StepIndex) -> f32 {
        at.of(self.weight, self.schedule, self.warm_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_follows_its_schedule() {
        let term = Term {
            schedule: Schedule::Step,
            warm_up: 2,
            ..Term::new(Relation::Inherit)
        };
        let at = |step| {
            term.lambda(StepIndex {
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
            Term::new(Relation::Explore).lambda(StepIndex {
                step: 7,
                steps_per_epoch: 1,
                epochs: 8
            }),
            50.0
        );
    }
}
