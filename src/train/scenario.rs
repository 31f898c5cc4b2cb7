//! Named situations of a teacher and a student.

use super::setting::{Setting, TrainSize};

/// What a comparison models. Each is a change to [`Setting::default`], in which the teacher learned
/// from other rows than the student.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

    /// Changes a setting's data; networks, methods and seeds stay.
    pub fn apply(self, setting: &mut Setting) {
        let default = Setting::default();
        setting.train_size = default.train_size;
        setting.teacher_train_size = default.teacher_train_size;
        setting.labelled = default.labelled;
        setting.label_noise = default.label_noise;
        setting.teacher_label_noise = default.teacher_label_noise;
        setting.sensor_shift = default.sensor_shift;
        setting.scenario = Some(self);
        match self {
            Self::OtherRows => {}
            Self::ReliableTeacher => setting.teacher_train_size = TrainSize::All,
            Self::NoisyTeacher => {
                setting.train_size = TrainSize::All;
                setting.teacher_train_size = TrainSize::All;
                setting.teacher_label_noise = 0.3;
            }
            Self::ScarceLabels => {
                setting.train_size = TrainSize::All;
                setting.labelled = Some(100);
            }
            Self::NoisyLabels => {
                setting.train_size = TrainSize::All;
                setting.teacher_train_size = TrainSize::Few;
                setting.label_noise = 0.3;
            }
            Self::ShiftedTeacher => {
                setting.teacher_train_size = TrainSize::All;
                setting.sensor_shift = 0.5;
            }
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
