//! Which rows train, which choose and which judge.

use super::{DataError, Dataset};
use crate::random::{Philox, stream};

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
    /// of the n rows before it ⌊n/10⌋ are `validation`.
    ///
    /// # Errors
    ///
    /// [`DataError::Dataset`] when there are fewer than 10 rows to split.
    pub fn new(dataset: &Dataset, seed: u64) -> Result<Self, DataError> {
        let own_test = dataset.test_from();
        let rows = own_test.unwrap_or(dataset.len());
        let tenth = rows / 10;
        if tenth == 0 {
            return Err(DataError::Dataset {
                name: dataset.name().to_owned(),
                problem: format!("{rows} rows to split: at least 10 are needed"),
            });
        }
        // A data set has fewer than 2³¹ rows.
        let mut train: Vec<u32> = (0..rows as u32).collect();
        Philox::new(seed, stream::SPLIT).shuffle(&mut train);
        let test = match own_test {
            Some(from) => (from as u32..dataset.len() as u32).collect(),
            None => train.split_off(rows - tenth.max(500.min(3 * rows / 10))),
        };
        let validation = train.split_off(train.len() - tenth);
        Ok(Self {
            train,
            validation,
            test,
        })
    }
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
