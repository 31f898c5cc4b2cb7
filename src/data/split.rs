//! Which rows train, which choose and which judge.

use super::dataset::Dataset;
use super::error::DataError;
use crate::random::{Philox, stream};
use crate::spec::IGNORE;

/// Rows of a [`Dataset`] in three disjoint parts.
///
/// A function of the data set's size, of its test set and of the seed alone: every method that is
/// compared under one seed sees the same rows, and a smaller training part is the start of a larger
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Rows to train on, in an order drawn by the seed.
    pub train: Vec<u32>,
    /// Rows to choose settings by.
    pub validation: Vec<u32>,
    /// Rows to report on.
    pub test: Vec<u32>,
}

impl Split {
    /// Splits by a random permutation of the rows.
    ///
    /// A data set without a test set of its own gives a tenth of its rows to `test`, or 500 where a
    /// tenth is less, but never more than three tenths: 1,000 of 10,000, 500 of the 1,797 digits,
    /// because an accuracy over fewer rows moves by too much with each of them. A tenth of all rows
    /// is `validation`, the rest `train`. Otherwise that test set is `test`, in its own order, and
    /// of the n rows before it ⌊n/10⌋ are `validation`. Rows without a label count in none of these
    /// numbers, and are in `train`, unless they are in a test set of the data set's own.
    ///
    /// # Errors
    ///
    /// [`DataError::Dataset`] when there are fewer than 10 rows with a label to split.
    pub fn new(dataset: &Dataset, seed: u64) -> Result<Self, DataError> {
        let own_test = dataset.test_from();
        let rows = own_test.unwrap_or(dataset.len());
        let is_labelled = |row: &u32| dataset.labels()[*row as usize] != IGNORE;
        // A data set has fewer than 2³¹ rows.
        let labelled = (0..rows as u32).filter(is_labelled).count();
        let tenth = labelled / 10;
        if tenth == 0 {
            let with_a_label = if labelled == rows {
                ""
            } else {
                " with a label"
            };
            return Err(DataError::Dataset {
                name: dataset.name().to_owned(),
                problem: format!("{labelled} rows{with_a_label} to split: at least 10 are needed"),
            });
        }
        let mut train: Vec<u32> = (0..rows as u32).collect();
        Philox::new(seed, stream::SPLIT).shuffle(&mut train);
        let mut split_off = |count: usize| split_off(&mut train, count, is_labelled);
        let test = match own_test {
            Some(from) => (from as u32..dataset.len() as u32).collect(),
            None => split_off(tenth.max(500.min(3 * labelled / 10))),
        };
        let validation = split_off(tenth);
        Ok(Self {
            train,
            validation,
            test,
        })
    }
}

/// Takes the last `count` rows that are labelled away, in their order.
fn split_off(rows: &mut Vec<u32>, count: usize, is_labelled: impl Fn(&u32) -> bool) -> Vec<u32> {
    let mut off = Vec::with_capacity(count);
    let mut kept = Vec::new();
    while off.len() < count
        && let Some(row) = rows.pop()
    {
        match is_labelled(&row) {
            true => off.push(row),
            false => kept.push(row),
        }
    }
    rows.extend(kept.into_iter().rev());
    off.reverse();
    off
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(rows: usize) -> Dataset {
        Dataset::new("rows", vec![0.0; rows], 1, vec![0; rows], 1).unwrap()
    }

    fn sizes(split: &Split) -> (usize, usize, usize) {
        (split.train.len(), split.validation.len(), split.test.len())
    }

    fn sorted(parts: &[&[u32]]) -> Vec<u32> {
        let mut rows = parts.concat();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn parts_are_disjoint_and_together_everything() {
        for (rows, expected) in [
            (10, (6, 1, 3)),
            (1_797, (1_118, 179, 500)),
            (10_000, (8_000, 1_000, 1_000)),
        ] {
            let split = Split::new(&dataset(rows), 3).unwrap();
            assert_eq!(sizes(&split), expected);
            let all = sorted(&[&split.train, &split.validation, &split.test]);
            assert!(all.into_iter().eq(0..rows as u32));
        }
    }

    #[test]
    fn a_test_set_of_its_own_stays_whole_and_in_order() {
        let dataset = dataset(120).with_test_from(100).unwrap();
        let split = Split::new(&dataset, 3).unwrap();
        assert_eq!(sizes(&split), (90, 10, 20));
        assert!(split.test.iter().copied().eq(100..120));
        let rest = sorted(&[&split.train, &split.validation]);
        assert!(rest.into_iter().eq(0..100));
    }

    #[test]
    fn the_seed_decides() {
        let dataset = dataset(1_000);
        let full = Split::new(&dataset, 7).unwrap();
        assert_eq!(full, Split::new(&dataset, 7).unwrap());
        assert_ne!(full, Split::new(&dataset, 8).unwrap());
    }

    #[test]
    fn rows_without_a_label_train() {
        let labels: Vec<i32> = (0..200)
            .map(|row| if row % 4 == 0 { 0 } else { IGNORE })
            .collect();
        let dataset = Dataset::new("some", vec![0.0; 200], 1, labels, 1).unwrap();
        let split = Split::new(&dataset, 3).unwrap();
        assert_eq!(sizes(&split), (180, 5, 15));
        let all = sorted(&[&split.train, &split.validation, &split.test]);
        assert!(all.into_iter().eq(0..200));
        assert!(
            split
                .validation
                .iter()
                .chain(&split.test)
                .all(|row| row % 4 == 0)
        );
        // In an order drawn by the seed, all the same.
        let head = &split.train[..40];
        assert!((1..40).contains(&head.iter().filter(|&row| row % 4 == 0).count()));
    }

    #[test]
    fn too_few_rows_are_named() {
        for dataset in [dataset(9), dataset(100).with_test_from(9).unwrap()] {
            let message = Split::new(&dataset, 0).unwrap_err().to_string();
            assert!(
                message.contains("9 rows to split: at least 10"),
                "{message}"
            );
        }
    }
}
