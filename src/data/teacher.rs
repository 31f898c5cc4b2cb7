//! A teacher trained elsewhere: its logits, or probabilities, for the rows of a data set.

use super::array::{ArrayError, ArrayPath};
use super::dataset::Dataset;
use super::error::DataError;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

/// The file for the rows of a data file, and the one for the rows of its test file:
/// `TRAIN[:KEY][,TEST[:KEY]]`, each npy, npz or safetensors.
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct TeacherFiles {
    train: ArrayPath,
    test: Option<ArrayPath>,
}

impl TeacherFiles {
    /// The files that are read.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> + use<'_> {
        let arrays = std::iter::once(&self.train).chain(&self.test);
        arrays.map(ArrayPath::file)
    }
}

impl FromStr for TeacherFiles {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let wrong = |problem: &str| DataError::Teacher {
            file: text.to_owned(),
            problem: format!("{problem}: write FILE[:KEY], or FILE[:KEY],TEST[:KEY]"),
        };
        let mut paths = Vec::new();
        for part in text.split(',') {
            match part.parse::<ArrayPath>() {
                Ok(path) if !part.is_empty() => paths.push(path),
                _ => return Err(wrong("a path is missing")),
            }
        }
        let mut paths = paths.into_iter();
        match (paths.next(), paths.next(), paths.next()) {
            (Some(train), test, None) => Ok(Self { train, test }),
            _ => Err(wrong("more than 2 paths")),
        }
    }
}

impl fmt::Display for TeacherFiles {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.train)?;
        match &self.test {
            None => Ok(()),
            Some(test) => write!(f, ",{test}"),
        }
    }
}

impl TryFrom<String> for TeacherFiles {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl From<TeacherFiles> for String {
    fn from(files: TeacherFiles) -> Self {
        files.to_string()
    }
}

/// Values for rows of a data set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PerRow {
    values: Vec<f32>,
    width: usize,
    /// Where the values of each row of the data are among those of all; none of a row without.
    places: Vec<Option<u32>>,
}

impl PerRow {
    /// Values of a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The values that were given, one row after the other.
    fn given(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// The values of each row of the data, if it has some.
    pub(crate) fn by_row(&self) -> impl Iterator<Item = Option<&[f32]>> {
        self.places.iter().map(|&place| self.at(place?))
    }

    fn at(&self, place: u32) -> Option<&[f32]> {
        let start = place as usize * self.width;
        self.values.get(start..start + self.width)
    }

    /// The values of these rows of the data, one after the other; none if one of them has none.
    pub(crate) fn of(&self, rows: &[u32]) -> Option<Vec<f32>> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            let place = *self.places.get(row as usize)?;
            values.extend_from_slice(self.at(place?)?);
        }
        Some(values)
    }
}

/// The values of one file.
struct OfFile {
    values: Vec<f32>,
    width: usize,
    /// The row of the file for each row of its part of the data.
    places: Vec<u32>,
}

impl TeacherFiles {
    /// Reads a row of values for each row of the data set, or of its training part where there is
    /// one file alone; `ids` tells for which.
    fn read(&self, dataset: &Dataset, ids: Option<&Self>) -> Result<PerRow, DataError> {
        let in_train = dataset.test_from().unwrap_or(dataset.len());
        let ids_of_train = ids.map(|ids| &ids.train);
        let train = read(&self.train, ids_of_train, dataset, 0..in_train, "training")?;
        let OfFile {
            mut values,
            width,
            places,
        } = train;
        let mut places: Vec<Option<u32>> = places.into_iter().map(Some).collect();
        match (&self.test, dataset.test_from()) {
            (None, _) => places.resize(dataset.len(), None),
            (Some(test), None) => {
                let problem = "a file for test rows, but the data have no test file of their own: \
                               one file holds all rows";
                return Err(refuse(test, problem));
            }
            (Some(test), Some(from)) => {
                let ids_of_test = match ids.map(|ids| (&ids.test, ids)) {
                    None => None,
                    Some((Some(ids), _)) => Some(ids),
                    Some((None, ids)) => {
                        return Err(refuse(
                            ids,
                            "no ids for the rows of the teacher's test file",
                        ));
                    }
                };
                let more = read(test, ids_of_test, dataset, from..dataset.len(), "test")?;
                if more.width != width {
                    let problem =
                        format!("{} columns, but `{}` has {width}", more.width, self.train);
                    return Err(refuse(test, problem));
                }
                let before = (values.len() / width) as u32;
                places.extend(more.places.iter().map(|place| Some(before + place)));
                values.extend(more.values);
            }
        }
        Ok(PerRow {
            values,
            width,
            places,
        })
    }

    /// Likewise features.
    pub(crate) fn features(
        &self,
        dataset: &Dataset,
        ids: Option<&Self>,
    ) -> Result<PerRow, DataError> {
        let features = self.read(dataset, ids)?;
        self.first(
            &features,
            |x| !x.is_finite(),
            "a feature is a finite number",
        )?;
        Ok(features)
    }

    /// Likewise logits: −∞ masks a class, any other number is finite.
    pub(crate) fn logits(
        &self,
        dataset: &Dataset,
        ids: Option<&Self>,
    ) -> Result<PerRow, DataError> {
        let logits = self.read(dataset, ids)?;
        self.of_classes(&logits, dataset)?;
        let is_wrong = |z: &f32| z.is_nan() || *z == f32::INFINITY;
        self.first(
            &logits,
            is_wrong,
            "a logit is a number, or −∞ for a class that cannot be",
        )?;
        let masked = |row: &[f32]| row.iter().all(|&z| z == f32::NEG_INFINITY);
        let row = logits.given().position(masked);
        match row {
            None => Ok(logits),
            Some(row) => Err(refuse(
                self,
                format!("row {row} is −∞ throughout: at least one class must be possible"),
            )),
        }
    }

    /// Logits of probabilities: `ln max(p, floor)`.
    pub(crate) fn probabilities(
        &self,
        dataset: &Dataset,
        ids: Option<&Self>,
        floor: f32,
    ) -> Result<PerRow, DataError> {
        let mut given = self.read(dataset, ids)?;
        self.of_classes(&given, dataset)?;
        let is_wrong = |p: &f32| !(0.0..=1.0).contains(p);
        self.first(
            &given,
            is_wrong,
            "a probability is between 0 and 1; logits are given by teacher-logits",
        )?;
        if let Some((row, sum)) = given.odd_sum() {
            let problem = format!("row {row} sums to {sum}: the probabilities of a row sum to 1");
            return Err(refuse(self, problem));
        }
        given.values.iter_mut().for_each(|p| *p = p.max(floor).ln());
        Ok(given)
    }

    fn of_classes(&self, given: &PerRow, dataset: &Dataset) -> Result<(), DataError> {
        match (given.width, dataset.classes()) {
            (width, classes) if width == classes => Ok(()),
            (width, classes) => Err(refuse(
                self,
                format!(
                    "{width} columns, but the data have {classes} classes: give one column for each"
                ),
            )),
        }
    }

    /// Refuses the first value that is wrong.
    fn first(
        &self,
        given: &PerRow,
        wrong: impl Fn(&f32) -> bool,
        expected: &str,
    ) -> Result<(), DataError> {
        match given.values.iter().position(wrong) {
            None => Ok(()),
            Some(i) => {
                let (row, column, value) = (i / given.width, i % given.width, given.values[i]);
                Err(refuse(
                    self,
                    format!("row {row}, column {column} is {value}: {expected}"),
                ))
            }
        }
    }
}

impl PerRow {
    /// The first row that does not sum to 1, with its sum; rounding to f16 may cost half a thousandth.
    fn odd_sum(&self) -> Option<(usize, f64)> {
        let sums = self
            .given()
            .map(|row| row.iter().map(|&p| f64::from(p)).sum::<f64>());
        sums.enumerate().find(|(_, sum)| (sum - 1.0).abs() > 1e-3)
    }

    /// Whether each row could be the probabilities of its classes.
    pub(crate) fn look_like_probabilities(&self) -> bool {
        self.width > 1
            && self.values.iter().all(|p| (0.0..=1.0).contains(p))
            && self.odd_sum().is_none()
    }
}

/// One file: a row for each row of its part of the data, in the same order, or those that `ids` name.
fn read(
    path: &ArrayPath,
    ids: Option<&ArrayPath>,
    dataset: &Dataset,
    part: Range<usize>,
    name: &str,
) -> Result<OfFile, DataError> {
    let wrong = |problem: String| refuse(path, problem);
    let unread = |error: ArrayError| refuse(path, format!("{}; {}", error.problem, error.remedy));
    let array = path.open().map_err(unread)?;
    let rows = part.len();
    let (given, width) = match *array.shape() {
        [given, width] if width > 0 && (given == rows || ids.is_some()) => (given, width),
        [given, width] => {
            return Err(wrong(format!(
                "{given} rows of {width} columns, but the data have {rows} {name} rows: give one row for \
                 each, in the same order, or match them with --teacher-ids"
            )));
        }
        ref shape => {
            return Err(wrong(format!(
                "{} axes: two are needed, rows and columns",
                shape.len()
            )));
        }
    };
    let places = match ids {
        None => (0..rows as u32).collect(),
        Some(ids) => places(ids, given, path, dataset, part)?,
    };
    let values = array.floats().map_err(unread)?;
    Ok(OfFile {
        values,
        width,
        places,
    })
}

/// For each row of the data the row of the teacher's file with its id.
fn places(
    path: &ArrayPath,
    given: usize,
    of: &ArrayPath,
    dataset: &Dataset,
    part: Range<usize>,
) -> Result<Vec<u32>, DataError> {
    let unread = |error: ArrayError| refuse(path, format!("{}; {}", error.problem, error.remedy));
    let array = path.open().map_err(unread)?;
    if !matches!(*array.shape(), [rows] | [rows, 1] if rows == given) {
        let problem = format!(
            "shape {:?}, but `{of}` has {given} rows: give one id for each",
            array.shape()
        );
        return Err(refuse(path, problem));
    }
    let ids = array.integers().map_err(unread)?;
    let mut place_of = HashMap::with_capacity(ids.len());
    for (place, id) in ids.into_iter().enumerate() {
        if place_of.insert(id, place as u32).is_some() {
            return Err(refuse(path, format!("id {id} occurs twice")));
        }
    }
    let begin = part.start;
    let place = |row: usize| {
        let id = match dataset.ids() {
            Some(ids) => ids[row],
            None => (row - begin) as i64,
        };
        let lacks = || {
            let what = match dataset.ids() {
                Some(_) => "id",
                None => "number",
            };
            refuse(path, format!("no row for the data row with {what} {id}"))
        };
        place_of.get(&id).copied().ok_or_else(lacks)
    };
    part.map(place).collect()
}

fn refuse(file: &impl fmt::Display, problem: impl Into<String>) -> DataError {
    DataError::Teacher {
        file: file.to_string(),
        problem: problem.into(),
    }
}
