//! How scores become a choice.

use super::score::Score;
use std::cmp::Ordering;
use std::fmt;

/// Which samples the teacher supervises; the others learn from the ground truth alone.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Policy {
    /// What samples are judged by.
    pub score: Score,
    /// Which end of the score is kept.
    pub keep: Keep,
    /// The share of samples that is kept, 0..=1.
    #[serde(serialize_with = "crate::spec::as_tidy")]
    pub fraction: f32,
    /// Whether the share is kept of every class on its own.
    pub per_class: bool,
    /// Epochs after which the choice is made anew; 0 makes it once.
    #[serde(rename = "every")]
    pub recompute_every: usize,
    /// Epochs before the first choice; the teacher supervises all samples in them.
    pub warm_up: usize,
}

/// Which end of a score is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Keep {
    /// The samples with the highest scores.
    Highest,
    /// The samples with the lowest scores.
    Lowest,
    /// The samples in the middle: as many are left out below as above.
    Between,
}

const KEEPS: [(&str, Keep); 3] = [
    ("highest", Keep::Highest),
    ("lowest", Keep::Lowest),
    ("between", Keep::Between),
];

impl Default for Policy {
    /// Influence on the validation split, the highest 80 % of every class, anew every 5 epochs
    /// after 5; all of it our choice.
    fn default() -> Self {
        Self {
            score: Score::Influence,
            keep: Keep::Highest,
            fraction: 0.8,
            per_class: true,
            recompute_every: 5,
            warm_up: 5,
        }
    }
}

impl Policy {
    /// Whether the choice is made before this epoch (from 0).
    #[must_use]
    pub fn is_due(&self, epoch: usize) -> bool {
        match epoch.checked_sub(self.warm_up) {
            None => false,
            Some(0) => true,
            Some(since) => self.recompute_every > 0 && since % self.recompute_every == 0,
        }
    }
}

/// `score=influence,keep=highest,fraction=0.8,per-class,every=5,warm-up=5`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let keep = KEEPS[self.keep as usize].0;
        write!(
            f,
            "score={},keep={keep},fraction={}",
            self.score.name(),
            self.fraction
        )?;
        if self.per_class {
            f.write_str(",per-class")?;
        }
        write!(
            f,
            ",every={},warm-up={}",
            self.recompute_every, self.warm_up
        )
    }
}

/// Which samples are kept: `fraction` of them (of every class, with `per_class`), rounded to the
/// nearest number. Equal scores fall to the lower index; a NaN is worse than any number, whichever
/// end is kept.
///
/// Shapes: `scores[N]`, `labels[N]`, result `[N]`.
#[must_use]
pub fn select(policy: &Policy, scores: &[f32], labels: &[i32]) -> Vec<bool> {
    let mut kept = vec![false; scores.len()];
    let mut order: Vec<usize> = (0..scores.len().min(labels.len())).collect();
    let class = |i: usize| if policy.per_class { labels[i] } else { 0 };
    // The sort is stable, so that equal scores stay in the order of their indices.
    order.sort_by(|&a, &b| {
        class(a)
            .cmp(&class(b))
            .then_with(|| better(policy.keep, scores[a], scores[b]))
    });
    for group in order.chunk_by(|&a, &b| class(a) == class(b)) {
        let n = (f64::from(policy.fraction) * group.len() as f64).round() as usize;
        let numbers = group.iter().filter(|&&i| !scores[i].is_nan()).count();
        let skipped = match policy.keep {
            Keep::Between => numbers.saturating_sub(n) / 2,
            _ => 0,
        };
        for &i in group.iter().skip(skipped).take(n) {
            kept[i] = true;
        }
    }
    kept
}

/// `Less` where `a` comes before `b`.
fn better(keep: Keep, a: f32, b: f32) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) if keep == Keep::Highest => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => a.cmp(&b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(fraction: f32, keep: Keep, scores: &[f32], labels: &[i32]) -> Vec<usize> {
        of_policy(fraction, keep, false, scores, labels)
    }

    fn of_policy(
        fraction: f32,
        keep: Keep,
        per_class: bool,
        scores: &[f32],
        labels: &[i32],
    ) -> Vec<usize> {
        let policy = Policy {
            fraction,
            keep,
            per_class,
            ..Policy::default()
        };
        let kept = select(&policy, scores, labels);
        (0..kept.len()).filter(|&i| kept[i]).collect()
    }

    #[test]
    fn either_end_or_the_middle() {
        let scores = [3.0, -1.0, 2.0, 5.0, 0.0];
        let zero = [0; 5];
        assert_eq!(indices(0.4, Keep::Highest, &scores, &zero), [0, 3]);
        assert_eq!(indices(0.4, Keep::Lowest, &scores, &zero), [1, 4]);
        assert_eq!(indices(0.2, Keep::Between, &scores, &zero), [2]);
        assert_eq!(indices(0.6, Keep::Between, &scores, &zero), [0, 2, 4]);
        assert_eq!(indices(0.0, Keep::Highest, &scores, &zero), [0; 0]);
        assert_eq!(indices(1.0, Keep::Lowest, &scores, &zero), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn equal_scores_fall_to_the_lower_index_and_nan_to_the_end() {
        assert_eq!(indices(0.5, Keep::Highest, &[1.0; 4], &[0; 4]), [0, 1]);
        assert_eq!(
            indices(0.5, Keep::Lowest, &[-0.0, 0.0, 0.0, -0.0], &[0; 4]),
            [0, 1]
        );
        let nan = f32::NAN;
        for keep in [Keep::Highest, Keep::Lowest, Keep::Between] {
            assert_eq!(
                indices(0.5, keep, &[nan, 1.0, nan, 2.0], &[0; 4]),
                [1, 3],
                "{keep:?}"
            );
        }
    }

    #[test]
    fn every_class_keeps_its_share() {
        let scores = [9.0, 8.0, 7.0, 6.0, 1.0, 2.0, 3.0, 4.0, 0.0];
        let labels = [0, 0, 0, 0, 1, 1, 1, 1, -100];
        assert_eq!(
            indices(0.5, Keep::Highest, &scores, &labels),
            [0, 1, 2, 3, 7]
        );
        assert_eq!(
            of_policy(0.5, Keep::Highest, true, &scores, &labels),
            [0, 1, 6, 7, 8]
        );
    }

    #[test]
    fn choices_are_due_after_the_warm_up_and_then_regularly() {
        let due = |warm_up, recompute_every| {
            let policy = Policy {
                warm_up,
                recompute_every,
                ..Policy::default()
            };
            (0..12)
                .filter(|&epoch| policy.is_due(epoch))
                .collect::<Vec<_>>()
        };
        assert_eq!(due(2, 4), [2, 6, 10]);
        assert_eq!(due(2, 0), [2]);
        assert_eq!(due(0, 5), [0, 5, 10]);
    }
}
