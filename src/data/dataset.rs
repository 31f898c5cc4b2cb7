//! Labelled rows in memory.

use super::mixture::Mixture;
use super::{BayesAccuracy, DataError};

/// Labelled rows of numbers, as they were read.
///
/// It holds at all times: at least one row and one feature; every feature finite; as many labels as
/// rows; every label in `0..classes`; a test part, if there is one, that leaves rows to train on; a
/// picture's height × width equal to the number of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    features: Vec<f32>,
    dim: usize,
    labels: Vec<i32>,
    classes: usize,
    test_from: Option<usize>,
    image: Option<(usize, usize)>,
    /// What the rows were drawn from, where that is known.
    mixture: Option<Mixture>,
}

impl Dataset {
    /// A data set of `labels.len()` rows of `dim` features each, row-major.
    ///
    /// # Errors
    ///
    /// [`DataError::Dataset`] when there is no row, no feature or no class, when there are more than
    /// 2³¹ − 1 rows or classes, when `features` does not hold `dim` numbers for each label, when a
    /// feature is not finite or a label not in `0..classes`.
    pub fn new(
        name: impl Into<String>,
        features: Vec<f32>,
        dim: usize,
        labels: Vec<i32>,
        classes: usize,
    ) -> Result<Self, DataError> {
        let dataset = Self {
            name: name.into(),
            features,
            dim,
            labels,
            classes,
            test_from: None,
            image: None,
            mixture: None,
        };
        match dataset.contradiction() {
            Some(problem) => Err(dataset.error(problem)),
            None => Ok(dataset),
        }
    }

    fn contradiction(&self) -> Option<String> {
        let (rows, dim, classes) = (self.len(), self.dim, self.classes);
        if rows == 0 || dim == 0 || classes == 0 {
            return Some(format!(
                "{rows} rows, {dim} features and {classes} classes: at least one of each is needed"
            ));
        }
        // Rows are numbered by u32 and labels are i32: the smaller bound serves both.
        if i32::try_from(rows.max(classes)).is_err() {
            return Some(format!(
                "{rows} rows and {classes} classes: at most {} of each",
                i32::MAX
            ));
        }
        if rows.checked_mul(dim) != Some(self.features.len()) {
            return Some(format!(
                "{} feature values for {rows} labels of {dim} features each",
                self.features.len()
            ));
        }
        if let Some(index) = self.features.iter().position(|value| !value.is_finite()) {
            return Some(format!(
                "feature {} of row {} is {}: every feature must be finite",
                index % dim,
                index / dim,
                self.features[index]
            ));
        }
        let is_valid = |&label: &i32| usize::try_from(label).is_ok_and(|label| label < classes);
        let row = self.labels.iter().position(|label| !is_valid(label))?;
        Some(format!(
            "the label of row {row} is {}: labels run from 0 to {}",
            self.labels[row],
            classes - 1
        ))
    }

    /// Declares the rows from `row` on to be a test set that the source itself defines.
    ///
    /// # Errors
    ///
    /// [`DataError::Dataset`] unless 0 < `row` < [`len`](Self::len).
    pub fn with_test_from(mut self, row: usize) -> Result<Self, DataError> {
        if row == 0 || row >= self.len() {
            return Err(self.error(format!(
                "a test set from row {row} on, of {} rows: both parts need a row",
                self.len()
            )));
        }
        self.test_from = Some(row);
        Ok(self)
    }

    /// Declares every row to be a picture of one channel, row-major.
    ///
    /// # Errors
    ///
    /// [`DataError::Dataset`] unless `height` × `width` = [`dim`](Self::dim).
    pub fn with_image(mut self, height: usize, width: usize) -> Result<Self, DataError> {
        if height.checked_mul(width) != Some(self.dim) {
            return Err(self.error(format!(
                "pictures of {height}×{width} from rows of {} features",
                self.dim
            )));
        }
        self.image = Some((height, width));
        Ok(self)
    }

    /// Declares the rows to have been drawn from `mixture`.
    pub(super) fn with_mixture(mut self, mixture: Mixture) -> Self {
        self.mixture = Some(mixture);
        self
    }

    fn error(&self, problem: String) -> DataError {
        DataError::Dataset {
            name: self.name.clone(),
            problem,
        }
    }

    /// A short name for reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows; never so for a data set that could be built.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of classes: labels are in `0..classes`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// All features, `[len, dim]` row-major, in the units of the source.
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// The labels, one for each row.
    pub fn labels(&self) -> &[i32] {
        &self.labels
    }

    /// The features of row `index`, or `None` when there is no such row.
    pub fn row(&self, index: usize) -> Option<&[f32]> {
        self.features.chunks_exact(self.dim).nth(index)
    }

    /// The first row of the test set that the source itself defines.
    pub fn test_from(&self) -> Option<usize> {
        self.test_from
    }

    /// Height and width, when rows are pictures.
    pub fn image(&self) -> Option<(usize, usize)> {
        self.image
    }

    /// The best accuracy that any classifier can have on fresh rows, where it is known: for
    /// [`Synthetic`](super::Synthetic) data.
    ///
    /// Estimated anew, with the same result, by each call: milliseconds to seconds, by the size of
    /// the problem.
    pub fn bayes_accuracy(&self) -> Option<BayesAccuracy> {
        self.mixture.as_ref().map(Mixture::bayes_accuracy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_rows() -> Dataset {
        Dataset::new("two", vec![1.0, 2.0, 3.0, 4.0], 2, vec![0, 1], 2).unwrap()
    }

    #[test]
    fn rows_are_slices_of_the_features() {
        let dataset = two_rows();
        assert_eq!(dataset.row(1), Some(&[3.0, 4.0][..]));
        assert_eq!(dataset.row(2), None);
        assert_eq!(dataset.row(usize::MAX), None);
        assert_eq!((dataset.len(), dataset.dim(), dataset.classes()), (2, 2, 2));
    }

    #[test]
    fn contradictions_are_named() {
        let new = |features: &[f32], dim, labels: &[i32], classes| {
            Dataset::new("bad", features.to_vec(), dim, labels.to_vec(), classes)
        };
        let cases = [
            (new(&[], 1, &[], 1), "0 rows, 1 features and 1 classes"),
            (new(&[], 0, &[0], 1), "1 rows, 0 features"),
            (new(&[0.0], 1, &[0], 0), "0 classes"),
            (new(&[0.0], 1, &[0], usize::MAX), "at most 2147483647"),
            (new(&[0.0; 3], 2, &[0, 0], 1), "3 feature values for 2"),
            (new(&[0.0; 3], usize::MAX, &[0, 0], 1), "3 feature values"),
            (
                new(&[0.0, 1.0, f32::NAN], 1, &[0; 3], 1),
                "feature 0 of row 2 is NaN",
            ),
            (new(&[0.0], 1, &[1], 1), "label of row 0 is 1"),
            (new(&[0.0], 1, &[-1], 1), "label of row 0 is -1"),
            (two_rows().with_test_from(0), "from row 0 on, of 2 rows"),
            (two_rows().with_test_from(2), "from row 2 on, of 2 rows"),
            (two_rows().with_image(2, 2), "2×2 from rows of 2"),
            (two_rows().with_image(usize::MAX, 2), "from rows of 2"),
        ];
        for (result, expected) in cases {
            let message = result.expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
