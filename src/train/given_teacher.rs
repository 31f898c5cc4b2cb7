//! A teacher that was trained elsewhere, and how far it can be believed to belong to the data.

use super::TrainError;
use super::setting::{Data, SettingError};
use crate::data::{Dataset, PerRow};
use crate::engine::top;

/// What another program's teacher makes of the rows of a data set.
pub(super) struct GivenTeacher {
    pub(super) logits: PerRow,
    /// What feature terms hold the student against.
    pub(super) features: Option<PerRow>,
    /// What is legal and yet probably not meant.
    pub(super) warnings: Vec<String>,
}

impl GivenTeacher {
    /// The teacher that the keys name, if they name one; `features` says whether there are feature
    /// terms, which need its features too.
    pub(super) fn read(
        data: &Data,
        dataset: &Dataset,
        features: bool,
    ) -> Result<Option<Self>, TrainError> {
        let (name, logits) = match (&data.teacher_logits, &data.teacher_probabilities) {
            (None, None) => return Ok(None),
            (Some(files), _) => (files, files.logits(dataset)?),
            (None, Some(files)) => (files, files.probabilities(dataset, data.probability_floor)?),
        };
        let of_terms = match (&data.teacher_features, features) {
            (Some(files), true) => Some(files.read(dataset)?),
            (None, true) => {
                return Err(TrainError::Setting(SettingError::new(
                    "data.teacher-features",
                    "feature terms need the given teacher's features: give a file of them, or leave \
                     out the methods with feature terms",
                )));
            }
            (_, false) => None,
        };
        let mut warnings = Vec::new();
        if data.teacher_logits.is_some() && logits.look_like_probabilities() {
            warnings.push(format!(
                "`{name}` looks like probabilities, not logits: use --teacher-probabilities"
            ));
        }
        warnings.extend(Agreement::of(&logits, dataset).warning(&name.to_string()));
        Ok(Some(Self {
            logits,
            features: of_terms,
            warnings,
        }))
    }
}

/// How often each class is given each answer.
struct Agreement {
    /// `[label, answer]`.
    counts: Vec<u32>,
    classes: usize,
    rows: usize,
}

impl Agreement {
    /// More classes than this are not held against each other.
    const MOST_CLASSES: usize = 1 << 12;

    fn of(logits: &PerRow, dataset: &Dataset) -> Self {
        let (rows, classes) = (logits.rows(), logits.width());
        let counted = classes.min(Self::MOST_CLASSES);
        let mut counts = vec![0; counted * counted];
        for (row, &label) in (0..rows as u32).zip(dataset.labels()) {
            let answer = logits.of(&[row]).map_or(0, |row| top(&row));
            if let Some(count) = counts.get_mut(label as usize * counted + answer) {
                *count += 1;
            }
        }
        Self {
            counts,
            classes: counted,
            rows,
        }
    }

    fn hits(&self) -> u32 {
        self.counts.iter().step_by(self.classes + 1).sum()
    }

    /// What a teacher is warned of whose answers have little to do with the labels.
    fn warning(&self, file: &str) -> Option<String> {
        let (rows, classes) = (self.rows as f64, self.classes as f64);
        let share = f64::from(self.hits()) / rows;
        let swapped = self.swapped();
        if !swapped.is_empty() {
            let pairs: Vec<String> = swapped
                .iter()
                .take(5)
                .map(|(label, answer)| format!("column {answer} stands for class {label}"))
                .collect();
            return Some(format!(
                "`{file}` agrees with the labels in {:.1} % of the rows; it looks as if its classes \
                 were in another order: {}{}",
                100.0 * share,
                pairs.join(", "),
                if swapped.len() > 5 { ", …" } else { "" }
            ));
        }
        // Three standard errors above chance.
        let chance = self.chance();
        let bound = chance + 3.0 * (chance * (1.0 - chance) / rows).sqrt();
        (classes > 1.0 && rows >= 20.0 && share <= bound).then(|| {
            format!(
                "`{file}` agrees with the labels in {:.1} % of the rows, and chance would in {:.1} %: \
                 are its rows in the order of the data file, and its classes those of the labels?",
                100.0 * share,
                100.0 * chance
            )
        })
    }

    /// The agreement of answers that know nothing of the labels, but how common each is.
    fn chance(&self) -> f64 {
        let rows = self.rows as f64;
        let of_class = |class: usize| {
            let labels: u32 = self.counts[class * self.classes..][..self.classes]
                .iter()
                .sum();
            let answers: u32 = self.counts[class..].iter().step_by(self.classes).sum();
            f64::from(labels) / rows * f64::from(answers) / rows
        };
        (0..self.classes).map(of_class).sum()
    }

    /// Classes whose rows are mostly given another class's answer, which in turn is mostly given for
    /// them: label and answer. Confusion alone does not do that to an answer and a label at once.
    fn swapped(&self) -> Vec<(usize, usize)> {
        let count = |label: usize, answer: usize| self.counts[label * self.classes + answer];
        let found = (0..self.classes).filter_map(|label| {
            let answer = (0..self.classes).max_by_key(|&answer| count(label, answer))?;
            let labels: u32 = (0..self.classes).map(|answer| count(label, answer)).sum();
            let answers: u32 = (0..self.classes).map(|label| count(label, answer)).sum();
            let most = |of: u32| of >= 5 && 2 * count(label, answer) > of;
            (answer != label && most(labels) && most(answers)).then_some((label, answer))
        });
        let found: Vec<(usize, usize)> = found.collect();
        // Columns in another order come at least in twos.
        if found.len() > 1 { found } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 rows of 5 classes; the answer to a label by this rule.
    fn agreement(answer: impl Fn(usize, usize) -> usize) -> Agreement {
        let (rows, classes) = (100, 5);
        let mut counts = vec![0; classes * classes];
        for row in 0..rows {
            counts[row % classes * classes + answer(row, row % classes)] += 1;
        }
        Agreement {
            counts,
            classes,
            rows,
        }
    }

    #[test]
    fn answers_that_have_nothing_to_do_with_the_labels_are_said() {
        let good = agreement(|row, label| if row < 20 { (label + 1) % 5 } else { label });
        assert_eq!(good.warning("t"), None);
        let shuffled = agreement(|row, _| row / 5 % 5).warning("t").unwrap();
        assert!(
            shuffled.contains("20.0 % of the rows, and chance"),
            "{shuffled}"
        );
        let swapped = agreement(|_, label| [1, 0, 2, 3, 4][label])
            .warning("t")
            .unwrap();
        assert!(swapped.contains("60.0 %") && swapped.contains("column 1 stands for class 0"));
        let rolled = agreement(|_, label| (label + 1) % 5).warning("t").unwrap();
        assert!(rolled.contains("column 1 stands for class 0"), "{rolled}");
        // A teacher that never knows one class is only weak.
        let blind = agreement(|_, label| if label == 4 { 3 } else { label });
        assert_eq!(blind.warning("t"), None);
        // One that answers the same to everything knows nothing.
        assert!(agreement(|_, _| 2).warning("t").is_some());
    }
}
