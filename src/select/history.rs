//! What the records of several epochs add up to.

use super::score::Score;
use crate::spec::RowStats;

/// Margins and forgetting events of the training samples, epoch by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    epochs: u32,
    margins: Vec<f32>,
    forgotten: Vec<f32>,
    right: Vec<bool>,
}

impl History {
    /// Adds one epoch's records, in the order of the samples. A sample is right where the student's
    /// top is its label.
    pub fn add(&mut self, stats: &[RowStats], labels: &[i32]) {
        self.margins.resize(stats.len(), 0.0);
        self.forgotten.resize(stats.len(), 0.0);
        self.right.resize(stats.len(), false);
        self.epochs += 1;
        for (i, (stats, &label)) in stats.iter().zip(labels).enumerate() {
            let right = i64::from(stats.student_top) == i64::from(label);
            self.margins[i] += stats.student_logit_margin;
            self.forgotten[i] += f32::from(u8::from(self.right[i] && !right));
            self.right[i] = right;
        }
    }

    /// AUM (the mean of the margins) or the count of forgetting events; `None` for other scores and
    /// before the first epoch.
    #[must_use]
    pub fn score(&self, score: Score) -> Option<Vec<f32>> {
        let mean = |sum: &f32| sum / self.epochs as f32;
        match score {
            _ if self.epochs == 0 => None,
            Score::Aum => Some(self.margins.iter().map(mean).collect()),
            Score::Forgetting => Some(self.forgotten.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_are_averaged_and_transitions_counted() {
        let mut history = History::default();
        assert_eq!(history.score(Score::Aum), None);
        // Sample 0 is learned, forgotten, learned and forgotten; sample 1 is never right.
        for (margin, top) in [(1.0, 3), (-2.0, 1), (4.0, 3), (-1.0, 0)] {
            let record = |student_logit_margin, student_top| RowStats {
                student_logit_margin,
                student_top,
                ..RowStats::default()
            };
            history.add(&[record(margin, top), record(-1.0, 0)], &[3, 2]);
        }
        assert_eq!(history.score(Score::Aum), Some(vec![0.5, -1.0]));
        assert_eq!(history.score(Score::Forgetting), Some(vec![2.0, 0.0]));
        assert_eq!(history.score(Score::El2n), None);
    }
}
