//! Features that a network can learn from.

use super::dataset::Dataset;
use super::error::DataError;

/// By what features are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScalingRule {
    /// `Common` for pictures, for drawn data and for tables whose columns share a range as those of
    /// pixels do: 16 columns or more, all of whole numbers from 0 to 255 or all of numbers from 0 to 1.
    /// `Column` for other tables, whose columns have units of their own. The rule is ours.
    #[default]
    Auto,
    /// Each column by its own standard deviation.
    Column,
    /// All columns by one.
    Common,
    /// Nothing is subtracted either: features stay as they are.
    None,
}

impl ScalingRule {
    /// What is meant for this data set: never `Auto`.
    #[must_use]
    pub fn of(self, dataset: &Dataset) -> Self {
        match (self, dataset.layout()) {
            (Self::Auto, Some(_)) if !dataset.shares_a_range() => Self::Column,
            (Self::Auto, _) => Self::Common,
            (rule, _) => rule,
        }
    }
}

/// Centres every feature and divides it by a deviation: its own, or one for all.
///
/// x′ᵢⱼ = (xᵢⱼ − μⱼ) / σⱼ with μⱼ the mean of feature j and, for a scaling by column, σⱼ² the mean of
/// (xᵢⱼ − μⱼ)²; otherwise σ² is the mean of that over all features, both over the rows that were
/// fitted.
///
/// One σ for all features of pictures is our choice: they share a unit, and a σ of its own for each
/// would blow up the pixels near the border that hardly ever vary. A feature that is constant over the
/// fitted rows becomes 0 there, and its own σ is 1; when all of them are, the common one is 1. A
/// feature that is missing (NaN) counts in neither, and becomes 0, as its mean does.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scaling {
    /// Measures `rows` of `dataset`: the training rows, so that the others stay unseen.
    ///
    /// # Errors
    ///
    /// [`DataError::Argument`] when `rows` is empty or names a row that does not exist, or when
    /// features are missing and `rule` leaves them as they are.
    pub fn fit(dataset: &Dataset, rows: &[u32], rule: ScalingRule) -> Result<Self, DataError> {
        let rows = select(dataset, rows)?;
        let (rule, dim) = (rule.of(dataset), dataset.dim());
        if rule == ScalingRule::None {
            if dataset.missing() > 0 {
                let problem = "features are missing, which take the place of a mean: use another";
                return Err(DataError::argument("scaling", "none", problem));
            }
            return Ok(Self::from_parts(vec![0.0; dim], vec![1.0; dim]));
        }
        let mean = match dataset.missing() {
            0 => means(&rows, dim),
            _ => means_of_present(&rows, dim),
        };
        let deviation = match rule {
            ScalingRule::Column => of_columns(&rows, &mean),
            _ => vec![common(&rows, &mean); dim],
        };
        Ok(Self { mean, deviation })
    }

    /// A scaling that was fitted before: finite means, and deviations greater than 0, as many.
    pub(crate) fn from_parts(mean: Vec<f64>, deviation: Vec<f64>) -> Self {
        Self { mean, deviation }
    }

    /// μⱼ, one for each feature.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// σⱼ, one for each feature.
    #[must_use]
    pub fn deviation(&self) -> &[f64] {
        &self.deviation
    }

    /// All rows of `dataset` scaled, `[len, dim]` row-major and without unit; finite, because what
    /// `f32` cannot hold becomes its largest value.
    ///
    /// # Errors
    ///
    /// [`DataError::Argument`] when `dataset` has another number of features than was fitted.
    pub fn apply(&self, dataset: &Dataset) -> Result<Vec<f32>, DataError> {
        if dataset.dim() != self.mean.len() {
            return Err(DataError::argument(
                "dataset",
                format!("{} features wide", dataset.dim()),
                format!("the scaling was fitted to {}", self.mean.len()),
            ));
        }
        let mut features = dataset.features().to_vec();
        features
            .chunks_exact_mut(self.mean.len())
            .for_each(|row| self.apply_row(row));
        Ok(features)
    }

    /// One row scaled in place; it has as many features as were fitted.
    pub(crate) fn apply_row(&self, row: &mut [f32]) {
        let largest = f64::from(f32::MAX);
        for (value, (mean, deviation)) in row.iter_mut().zip(self.mean.iter().zip(&self.deviation))
        {
            let scaled = (f64::from(*value) - mean) / deviation;
            *value = match scaled.is_nan() {
                true => 0.0,
                false => scaled.clamp(-largest, largest) as f32,
            };
        }
    }
}

fn means(rows: &[&[f32]], dim: usize) -> Vec<f64> {
    let mut mean = vec![0.0; dim];
    for row in rows {
        for (sum, &value) in mean.iter_mut().zip(*row) {
            *sum += f64::from(value);
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
    mean
}

/// Of the values that are there; 0 of a column without any.
fn means_of_present(rows: &[&[f32]], dim: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0f64); dim];
    for row in rows {
        let present = sums.iter_mut().zip(*row).filter(|(_, x)| !x.is_nan());
        for ((sum, count), &value) in present {
            *sum += f64::from(value);
            *count += 1.0;
        }
    }
    let mean = |(sum, count): (f64, f64)| sum / count.max(1.0);
    sums.into_iter().map(mean).collect()
}

/// The standard deviation of all values of all columns that are there; 1 where that is 0.
fn common(rows: &[&[f32]], mean: &[f64]) -> f64 {
    let mut missing = 0;
    let squares: f64 = rows
        .iter()
        .flat_map(|row| row.iter().zip(mean))
        .map(|(&value, mean)| match value.is_nan() {
            true => {
                missing += 1;
                0.0
            }
            false => (f64::from(value) - mean).powi(2),
        })
        .sum();
    let count = (rows.len() * mean.len() - missing) as f64;
    let deviation = match missing {
        0 => (squares / rows.len() as f64 / mean.len() as f64).sqrt(),
        _ => (squares / count.max(1.0)).sqrt(),
    };
    if deviation > 0.0 { deviation } else { 1.0 }
}

/// Each column's own; 1 for one whose values are all the same, whatever rounding makes of their mean.
fn of_columns(rows: &[&[f32]], mean: &[f64]) -> Vec<f64> {
    struct Column {
        squares: f64,
        count: f64,
        smallest: f32,
        largest: f32,
    }
    let new = |_| Column {
        squares: 0.0,
        count: 0.0,
        smallest: f32::INFINITY,
        largest: f32::NEG_INFINITY,
    };
    let mut columns: Vec<Column> = mean.iter().map(new).collect();
    for row in rows {
        let cells = row.iter().zip(mean).zip(&mut columns);
        for ((&value, mean), column) in cells.filter(|((value, _), _)| !value.is_nan()) {
            column.squares += (f64::from(value) - mean).powi(2);
            column.count += 1.0;
            column.smallest = column.smallest.min(value);
            column.largest = column.largest.max(value);
        }
    }
    let deviation = |column: &Column| match column.smallest < column.largest {
        true => (column.squares / column.count).sqrt(),
        false => 1.0,
    };
    columns.iter().map(deviation).collect()
}

fn select<'a>(dataset: &'a Dataset, rows: &[u32]) -> Result<Vec<&'a [f32]>, DataError> {
    if rows.is_empty() {
        return Err(DataError::argument("rows", "empty", "give a row at least"));
    }
    let row = |&index: &u32| {
        dataset.row(index as usize).ok_or_else(|| {
            let expected = format!("`{}` has {} rows", dataset.name(), dataset.len());
            DataError::argument("row", index, expected)
        })
    };
    rows.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(features: &[f32], dim: usize) -> Dataset {
        let labels = vec![0; features.len() / dim];
        Dataset::new("some", features.to_vec(), dim, labels, 1).unwrap()
    }

    #[test]
    fn the_fitted_rows_alone_decide() {
        // Feature 0 is 1 or 3 (mean 2), feature 1 is 5 throughout: σ² = (1 + 1 + 0 + 0) / 4.
        let dataset = dataset(&[1.0, 5.0, 3.0, 5.0, 9.0, 7.0], 2);
        let scaling = Scaling::fit(&dataset, &[0, 1], ScalingRule::Common).unwrap();
        let scaled = scaling.apply(&dataset).unwrap();
        let root = 2f32.sqrt();
        assert_eq!(scaled, [-root, 0.0, root, 0.0, 7.0 * root, 2.0 * root]);
    }

    #[test]
    fn each_column_by_its_own_deviation() {
        // Column 0: mean 2, deviation 1; column 1: mean 30, deviation 10; column 2 is constant, with a
        // mean that rounds.
        let dataset = dataset(&[1.0, 20.0, 0.1, 3.0, 40.0, 0.1, 4.0, 10.0, 0.3], 3);
        let scaling = Scaling::fit(&dataset, &[0, 1], ScalingRule::Column).unwrap();
        let scaled = scaling.apply(&dataset).unwrap();
        assert_eq!(scaled[..6], [-1.0, -1.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(scaled[6..8], [2.0, -2.0]);
        assert!((scaled[8] - 0.2).abs() < 1e-6);
        let none = Scaling::fit(&dataset, &[0, 1], ScalingRule::None).unwrap();
        assert_eq!(none.apply(&dataset).unwrap(), dataset.features());
    }

    #[test]
    fn what_is_missing_becomes_the_mean() {
        let nan = f32::NAN;
        let features = vec![1.0, nan, 3.0, nan, nan, nan];
        let dataset = Dataset::read("some", features, 2, vec![0; 3], 1, 4).unwrap();
        for rule in [ScalingRule::Column, ScalingRule::Common] {
            let scaling = Scaling::fit(&dataset, &[0, 1, 2], rule).unwrap();
            assert_eq!(
                (scaling.mean(), scaling.deviation()[0]),
                (&[2.0, 0.0][..], 1.0)
            );
            assert_eq!(
                scaling.apply(&dataset).unwrap(),
                [-1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
            );
        }
        let error = Scaling::fit(&dataset, &[0], ScalingRule::None).unwrap_err();
        assert!(
            error.to_string().contains("features are missing"),
            "{error}"
        );
    }

    #[test]
    fn constant_and_extreme_features_stay_finite() {
        let constant = dataset(&[5.0, 5.0], 1);
        let scaling = Scaling::fit(&constant, &[0, 1], ScalingRule::Column).unwrap();
        assert_eq!(scaling.apply(&constant).unwrap(), [0.0, 0.0]);
        let extreme = dataset(&[0.0, 1e-30, f32::MAX, f32::MIN], 1);
        let rows = [&[0, 1][..], &[2, 3], &[0, 1, 2, 3]];
        let rules = [ScalingRule::Common, ScalingRule::Column];
        for (rows, rule) in rows
            .into_iter()
            .flat_map(|rows| rules.map(|rule| (rows, rule)))
        {
            let scaling = Scaling::fit(&extreme, rows, rule).unwrap();
            let scaled = scaling.apply(&extreme).unwrap();
            assert!(scaled.iter().all(|value| value.is_finite()), "{scaled:?}");
        }
    }

    #[test]
    fn arguments_are_checked() {
        let one = dataset(&[1.0, 2.0], 1);
        let two = dataset(&[1.0, 2.0], 2);
        let fitted = Scaling::fit(&one, &[0], ScalingRule::Auto).unwrap();
        let cases = [
            (
                Scaling::fit(&one, &[], ScalingRule::Auto).unwrap_err(),
                "rows is empty",
            ),
            (
                Scaling::fit(&one, &[0, 2], ScalingRule::Auto).unwrap_err(),
                "row is 2: `some` has 2 rows",
            ),
            (fitted.apply(&two).unwrap_err(), "2 features wide"),
        ];
        for (error, expected) in cases {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
