//! Labelled rows in memory.

use super::error::DataError;
use super::layout::Layout;
use super::mixture::BayesAccuracy;
use super::mixture::Mixture;
use crate::spec::IGNORE;

/// Labelled rows of numbers, as they were read.
///
/// It holds at all times: at least one row and one feature; every feature finite, but for those that
/// a table lacks where that was allowed, which are NaN; as many labels as rows; every label in
/// `0..classes`, or −100 for none; a test part, if there is one, that leaves rows to train on; a
/// picture's height × width equal to the number of features.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    name: String,
    features: Vec<f32>,
    dim: usize,
    labels: Vec<i32>,
    classes: usize,
    /// What a file calls the classes, where that is not 0, 1, …
    class_names: Option<Vec<String>>,
    /// The columns of the table that it was read from.
    layout: Option<Layout>,
    /// How a file was read, for people.
    read_as: String,
    /// Whole numbers that tell rows apart.
    ids: Option<Vec<i64>>,
    /// Features that are missing: NaN.
    missing: usize,
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
    /// feature is not finite or a label neither in `0..classes` nor −100.
    pub fn new(
        name: impl Into<String>,
        features: Vec<f32>,
        dim: usize,
        labels: Vec<i32>,
        classes: usize,
    ) -> Result<Self, DataError> {
        Self::read(name, features, dim, labels, classes, 0)
    }

    /// Likewise, of which so many features are NaN because a file lacks them.
    pub(super) fn read(
        name: impl Into<String>,
        features: Vec<f32>,
        dim: usize,
        labels: Vec<i32>,
        classes: usize,
        missing: usize,
    ) -> Result<Self, DataError> {
        let dataset = Self {
            name: name.into(),
            features,
            dim,
            labels,
            classes,
            class_names: None,
            layout: None,
            read_as: String::new(),
            ids: None,
            missing,
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
        let is_missing = |x: &f32| self.missing > 0 && x.is_nan();
        let is_wrong = |x: &f32| !x.is_finite() && !is_missing(x);
        if let Some(index) = self.features.iter().position(is_wrong) {
            return Some(format!(
                "feature {} of row {} is {}: every feature must be finite",
                index % dim,
                index / dim,
                self.features[index]
            ));
        }
        let is_class = |label: i32| usize::try_from(label).is_ok_and(|label| label < classes);
        let is_valid = |&label: &i32| label == IGNORE || is_class(label);
        let row = self.labels.iter().position(|label| !is_valid(label))?;
        Some(format!(
            "the label of row {row} is {}: labels run from 0 to {}, or are {IGNORE} for none",
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

    /// Tells what columns and classes are called, and how that was found out.
    pub(super) fn with_columns(
        mut self,
        layout: Option<Layout>,
        class_names: Option<Vec<String>>,
        read_as: String,
    ) -> Self {
        let is_number = |(i, name): (usize, &String)| *name == i.to_string();
        self.class_names = class_names.filter(|names| !names.iter().enumerate().all(is_number));
        self.layout = layout;
        self.read_as = read_as;
        self
    }

    /// Tells rows apart by numbers, of which there are as many as rows.
    pub(super) fn with_ids(mut self, ids: Vec<i64>) -> Self {
        self.ids = (ids.len() == self.len()).then_some(ids);
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

    /// What a class is called: its number, unless the file has names for classes or other numbers.
    pub fn class_name(&self, class: usize) -> String {
        let name = self.class_names().and_then(|names| names.get(class));
        name.cloned().unwrap_or_else(|| class.to_string())
    }

    /// What all classes are called, where that is not 0, 1, …
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// What the features are called, where a heading tells them apart.
    pub fn feature_names(&self) -> Option<&[String]> {
        self.layout.as_ref()?.names.as_deref()
    }

    /// Rows that have a label.
    pub fn labelled(&self) -> usize {
        self.labels.iter().filter(|&&label| label != IGNORE).count()
    }

    /// Features that are missing, and NaN: none, unless a table was read with `missing=mean`.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The columns of the table that it was read from.
    pub(crate) fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// How the file was read, for people; empty for what is no table.
    pub(crate) fn read_as(&self) -> &str {
        &self.read_as
    }

    /// Numbers that tell rows apart, where a column has them.
    pub(crate) fn ids(&self) -> Option<&[i64]> {
        self.ids.as_deref()
    }

    /// Whether all values could be those of pixels, of which there are 16 at least: whole numbers from
    /// 0 to 255, or numbers from 0 to 1.
    pub(super) fn shares_a_range(&self) -> bool {
        let all = |fits: fn(f32) -> bool| self.features.iter().all(|&x| fits(x));
        self.dim >= 16
            && (all(|x| (0.0..=1.0).contains(&x))
                || all(|x| (0.0..=255.0).contains(&x) && x.fract() == 0.0))
    }

    /// A checksum of the first rows' features and of the names of their labels' classes, by which the
    /// same rows are known under another name.
    pub(crate) fn checksum(&self, rows: usize) -> u32 {
        let names: Vec<String> = (0..self.classes)
            .map(|class| self.class_name(class))
            .collect();
        let name = |&label: &i32| usize::try_from(label).map_or("", |label| &names[label][..]);
        let mut checksum = flate2::Crc::new();
        let features = &self.features[..(rows * self.dim).min(self.features.len())];
        for some in features.chunks(1 << 12) {
            let bytes: Vec<u8> = some.iter().flat_map(|x| x.to_le_bytes()).collect();
            checksum.update(&bytes);
        }
        for name in self.labels.iter().take(rows).map(name) {
            checksum.update(name.as_bytes());
            checksum.update(&[0]);
        }
        checksum.sum()
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
            (new(&[0.0], 1, &[-99], 1), "or are -100 for none"),
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
