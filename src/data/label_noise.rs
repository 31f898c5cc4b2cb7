//! Wrong labels on purpose.

use super::error::DataError;
use crate::random::{Philox, stream};
use crate::spec::IGNORE;

/// Replaces each label, with probability `rate`, by one of the other classes, all equally likely.
///
/// Symmetric label noise; −100, which is no label, stays. The labels and the seed decide everything: what is corrupted at one rate
/// is corrupted in the same way at every higher one.
///
/// # Errors
///
/// [`DataError::Argument`], and no label is changed, when `rate` is not in `0..=1`, when a label is
/// neither in `0..classes` nor −100, or when there is no other class and `rate` is above 0.
pub fn corrupt_labels(
    labels: &mut [i32],
    classes: usize,
    rate: f32,
    seed: u64,
) -> Result<(), DataError> {
    let others = check(labels, classes, rate)?;
    let mut random = Philox::new(seed, stream::LABEL_NOISE);
    for label in labels {
        // Both numbers are drawn always, so that the rate does not move the later draws.
        let (chance, step) = (random.uniform(), random.below(others));
        if chance < rate && *label != IGNORE {
            // The other classes in order, with the label's own left out.
            let other = step as i32;
            *label = other + i32::from(other >= *label);
        }
    }
    Ok(())
}

/// The number of classes that a wrong label can choose from.
fn check(labels: &[i32], classes: usize, rate: f32) -> Result<u32, DataError> {
    if !(0.0..=1.0).contains(&rate) {
        let expected = "a probability is between 0 and 1";
        return Err(DataError::argument("rate", rate, expected));
    }
    let count = i32::try_from(classes).unwrap_or(0);
    if count < 1 || (count == 1 && rate > 0.0) {
        let expected = "a wrong label needs between 2 and 2147483647 classes";
        return Err(DataError::argument("classes", classes, expected));
    }
    let is_wrong = |label: &&i32| **label != IGNORE && !(0..count).contains(*label);
    match labels.iter().find(is_wrong) {
        Some(label) => Err(DataError::argument(
            "a label",
            label,
            format!("labels run from 0 to {}", count - 1),
        )),
        None => Ok(count as u32 - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corrupted(rate: f32, seed: u64) -> Vec<i32> {
        let mut labels: Vec<i32> = (0..10_000).map(|row| row % 10).collect();
        corrupt_labels(&mut labels, 10, rate, seed).unwrap();
        labels
    }

    #[test]
    fn the_rate_is_met_and_every_other_class_is_chosen_alike() {
        let clean = corrupted(0.0, 1);
        let wrong = |noisy: &[i32]| clean.iter().zip(noisy).filter(|(a, b)| a != b).count();
        assert_eq!(wrong(&clean), 0);
        assert_eq!(wrong(&corrupted(1.0, 1)), 10_000);
        // Six standard deviations: 6 · √(10,000 · 0.3 · 0.7).
        assert!(wrong(&corrupted(0.3, 1)).abs_diff(3_000) < 275);
        let mut steps = [0usize; 10];
        for (clean, noisy) in clean.iter().zip(corrupted(1.0, 1)) {
            steps[(noisy - clean).rem_euclid(10) as usize] += 1;
        }
        assert_eq!(steps[0], 0);
        // Six standard deviations: 6 · √(10,000 · 1/9 · 8/9).
        assert!(steps[1..].iter().all(|count| count.abs_diff(1_111) < 189));
    }

    #[test]
    fn the_seed_decides_and_rates_are_nested() {
        assert_eq!(corrupted(0.3, 1), corrupted(0.3, 1));
        assert_ne!(corrupted(0.3, 1), corrupted(0.3, 2));
        let [clean, low, high] = [0.0, 0.2, 0.4].map(|rate| corrupted(rate, 1));
        for ((clean, low), high) in clean.into_iter().zip(low).zip(high) {
            assert!(low == clean || low == high);
        }
    }

    #[test]
    fn what_is_no_label_stays() {
        let mut labels = [0, IGNORE, 1, IGNORE];
        corrupt_labels(&mut labels, 2, 1.0, 5).unwrap();
        assert_eq!(labels, [1, IGNORE, 0, IGNORE]);
    }

    #[test]
    fn bad_arguments_change_nothing() {
        for (classes, rate, expected) in [
            (3, -0.1, "rate is -0.1"),
            (3, 1.1, "rate is 1.1"),
            (3, f32::NAN, "rate is NaN"),
            (2, 0.5, "a label is 2: labels run from 0 to 1"),
            (1, 0.5, "classes is 1"),
            (0, 0.0, "classes is 0"),
            (usize::MAX, 0.5, "classes is 18446744073709551615"),
        ] {
            let mut labels = [0, 1, 2];
            let error = corrupt_labels(&mut labels, classes, rate, 0).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(labels, [0, 1, 2]);
        }
        assert!(corrupt_labels(&mut [0, 0], 1, 0.0, 0).is_ok());
        assert!(corrupt_labels(&mut [], 2, 1.0, 0).is_ok());
    }
}
