//! Features that a network can learn from.

use super::{DataError, Dataset};

/// Centres every feature and divides all of them by one number.
///
/// x′ᵢⱼ = (xᵢⱼ − μⱼ) / σ with μⱼ the mean of feature j and σ² the mean of (xᵢⱼ − μⱼ)² over all
/// features j, both over the rows that were fitted.
///
/// One σ for all features is our choice: features of pictures share a unit, and a σ of its own for
/// each would blow up the pixels near the border that hardly ever vary. A feature that is constant
/// over the fitted rows becomes 0 there; when all of them are, σ is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Scaling {
    mean: Vec<f64>,
    deviation: f64,
}

impl Scaling {
    /// Measures `rows` of `dataset`: the training rows, so that the others stay unseen.
    ///
    /// # Errors
    ///
    /// [`DataError::Argument`] when `rows` is empty or names a row that does not exist.
    pub fn fit(dataset: &Dataset, rows: &[u32]) -> Result<Self, DataError> {
        let rows = select(dataset, rows)?;
        let count = rows.len() as f64;
        let mut mean = vec![0.0; dataset.dim()];
        for row in &rows {
            for (sum, &value) in mean.iter_mut().zip(*row) {
                *sum += f64::from(value);
            }
        }
        mean.iter_mut().for_each(|sum| *sum /= count);
        let squares: f64 = rows
            .iter()
            .flat_map(|row| row.iter().zip(&mean))
            .map(|(&value, mean)| (f64::from(value) - mean).powi(2))
            .sum();
        let deviation = (squares / count / mean.len() as f64).sqrt();
        Ok(Self {
            mean,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
        })
    }

    /// A scaling that was fitted before: finite means, and a deviation greater than 0.
    pub(crate) fn from_parts(mean: Vec<f64>, deviation: f64) -> Self {
        Self { mean, deviation }
    }

    /// μⱼ, one for each feature.
    #[must_use]
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// σ.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        self.deviation
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
        for (value, mean) in row.iter_mut().zip(&self.mean) {
            let scaled = (f64::from(*value) - mean) / self.deviation;
            *value = scaled.clamp(-largest, largest) as f32;
        }
    }
}

fn select<'a>(dataset: &'a Dataset, rows: &[u32]) -> Result<Vec<&'a [f32]>, DataError> {
    if rows.is_empty() {
        return Err(DataError::argument("rows", "empty", "give a row at least"));
    }
    let row = |&index: &u32| {
        dataset.row(index as usize).ok_or_else(|| {
            let expected = format!("`{}` has {} rows", dataset.name(), dataset.len());
            DataError::argument("rows", format!("not all there ({index})"), expected)
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
        let scaling = Scaling::fit(&dataset, &[0, 1]).unwrap();
        let scaled = scaling.apply(&dataset).unwrap();
        let root = 2f32.sqrt();
        assert_eq!(scaled, [-root, 0.0, root, 0.0, 7.0 * root, 2.0 * root]);
    }

    #[test]
    fn constant_and_extreme_features_stay_finite() {
        let constant = dataset(&[5.0, 5.0], 1);
        let scaling = Scaling::fit(&constant, &[0, 1]).unwrap();
        assert_eq!(scaling.apply(&constant).unwrap(), [0.0, 0.0]);
        let extreme = dataset(&[0.0, 1e-30, f32::MAX, f32::MIN], 1);
        for rows in [&[0, 1][..], &[2, 3], &[0, 1, 2, 3]] {
            let scaling = Scaling::fit(&extreme, rows).unwrap();
            let scaled = scaling.apply(&extreme).unwrap();
            assert!(scaled.iter().all(|value| value.is_finite()), "{scaled:?}");
        }
    }

    #[test]
    fn arguments_are_checked() {
        let one = dataset(&[1.0, 2.0], 1);
        let two = dataset(&[1.0, 2.0], 2);
        let fitted = Scaling::fit(&one, &[0]).unwrap();
        let cases = [
            (Scaling::fit(&one, &[]).unwrap_err(), "rows is empty"),
            (
                Scaling::fit(&one, &[0, 2]).unwrap_err(),
                "(2): `some` has 2",
            ),
            (fitted.apply(&two).unwrap_err(), "2 features wide"),
        ];
        for (error, expected) in cases {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
