//! Named situations of a teacher and a student.

use serde::{Deserialize, Serialize};

/// What a comparison models. Each is a change to the default [`Data`](super::Data), in which the
/// teacher learned from other rows than the student.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scenario {
    /// The default: a teacher that learned from other rows, as many as the student's, and is wrong
    /// on some of the student's.
    OtherRows,
    /// A teacher that had many labels for a student that has few: the case for distillation.
    ReliableTeacher,
    /// A teacher whose own labels were bad (30 % of them wrong), for a student with many good
    /// ones: the case for plain labels, and for revision where a teacher is given.
    NoisyTeacher,
    /// Many rows of which only 100 have a label: the teacher supervises the others alone.
    ScarceLabels,
    /// The student's own labels are bad (30 % of them wrong), the teacher's were good: the case
    /// against revising the teacher with the labels.
    NoisyLabels,
    /// A teacher that learned from many rows of another sensor, whose features are shifted and
    /// scaled by half a standard deviation.
    ShiftedTeacher,
}

impl Scenario {
    /// All scenarios and their names on the command line.
    pub const ALL: [(&'static str, Self); 6] = [
        ("other-rows", Self::OtherRows),
        ("reliable-teacher", Self::ReliableTeacher),
        ("noisy-teacher", Self::NoisyTeacher),
        ("scarce-labels", Self::ScarceLabels),
        ("noisy-labels", Self::NoisyLabels),
        ("shifted-teacher", Self::ShiftedTeacher),
    ];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// What it models, in a line.
    #[must_use]
    pub fn models(self) -> &'static str {
        match self {
            Self::OtherRows => "the teacher learned from other rows, and errs on the student's",
            Self::ReliableTeacher => "the teacher had many labels, the student has few",
            Self::NoisyTeacher => {
                "30 % of the teacher's labels were wrong; the student has many good ones"
            }
            Self::ScarceLabels => "the student has many rows, and labels for 100 of them",
            Self::NoisyLabels => "30 % of the student's labels are wrong; the teacher's were good",
            Self::ShiftedTeacher => "the teacher learned from another sensor's features",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_its_own_name() {
        for (i, (name, scenario)) in Scenario::ALL.into_iter().enumerate() {
            assert_eq!((scenario as usize, scenario.name()), (i, name));
        }
    }
}
