//! The same rows as another sensor would see them.

use super::error::DataError;
use crate::random::{Philox, stream};

/// A factor's standard deviation at strength 1.
const GAIN: f64 = 0.25;
/// No factor is smaller: a sensor neither loses a feature nor turns it round.
const SMALLEST_FACTOR: f64 = 0.1;

/// Gives every feature a factor and an offset of its own, the same for all rows.
///
/// x′ᵢⱼ = max(1 + 0.25·s·gⱼ, 0.1)·xᵢⱼ + s·oⱼ with gⱼ, oⱼ ~ N(0, 1) and s = `strength`, in the unit of
/// features that are scaled already ([`Scaling`](super::Scaling)). `features` is `[rows, dim]`
/// row-major. Our model of a covariate shift: what a label means stays, what the rows look like does
/// not, as for a teacher that learned from the data of another sensor.
///
/// The seed is the sensor: more rows are seen through the same one, a greater strength moves them
/// farther in the same direction, and strength 0 changes no bit. Finite features stay finite,
/// because what `f32` cannot hold becomes its largest value.
///
/// # Errors
///
/// [`DataError::Argument`], and no feature is changed, when `strength` is negative or not finite, or
/// when `features` are not whole rows of `dim` features, at least one.
pub fn sensor_shift(
    features: &mut [f32],
    dim: usize,
    strength: f32,
    seed: u64,
) -> Result<(), DataError> {
    if !(strength >= 0.0 && strength.is_finite()) {
        let expected = "a strength is finite and at least 0";
        return Err(DataError::argument("strength", strength, expected));
    }
    if dim == 0 || !features.len().is_multiple_of(dim) {
        let expected = format!("{} feature values must be whole rows", features.len());
        return Err(DataError::argument("dim", dim, expected));
    }
    if strength == 0.0 {
        return Ok(());
    }
    let strength = f64::from(strength);
    let mut random = Philox::new(seed, stream::SENSOR);
    let mut normal = || f64::from(random.normal());
    let sensor: Vec<(f64, f64)> = (0..dim)
        .map(|_| {
            let factor = (1.0 + GAIN * strength * normal()).max(SMALLEST_FACTOR);
            (factor, strength * normal())
        })
        .collect();
    let largest = f64::from(f32::MAX);
    for row in features.chunks_exact_mut(dim) {
        for (value, (factor, offset)) in row.iter_mut().zip(&sensor) {
            let seen = factor * f64::from(*value) + offset;
            *value = seen.clamp(-largest, largest) as f32;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Factors and offsets: what becomes of rows of ones and of zeros.
    fn sensor(dim: usize, strength: f32, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut features = [vec![0.0; dim], vec![1.0; dim]].concat();
        sensor_shift(&mut features, dim, strength, seed).unwrap();
        let (offsets, ones) = features.split_at(dim);
        let offsets: Vec<f64> = offsets.iter().copied().map(f64::from).collect();
        let factors = ones
            .iter()
            .zip(&offsets)
            .map(|(&one, o)| f64::from(one) - o);
        (factors.collect(), offsets)
    }

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, (squares / values.len() as f64).sqrt())
    }

    #[test]
    fn factors_and_offsets_have_the_stated_moments() {
        let (factors, offsets) = sensor(10_000, 0.5, 3);
        // Six standard errors of a mean, 6/√10⁴, and of a standard deviation, 6/√(2·10⁴).
        let (mean, deviation) = moments(&offsets);
        assert!(mean.abs() < 0.5 * 0.06 && (deviation - 0.5).abs() < 0.5 * 0.043);
        let (mean, deviation) = moments(&factors);
        assert!((mean - 1.0).abs() < 0.125 * 0.06 && (deviation - 0.125).abs() < 0.125 * 0.043);
    }

    #[test]
    fn the_seed_is_the_sensor() {
        let (factors, offsets) = sensor(8, 0.5, 3);
        let (stronger, farther) = sensor(8, 1.0, 3);
        for index in 0..8 {
            assert!((2.0 * offsets[index] - farther[index]).abs() < 1e-6);
            assert!((2.0 * (factors[index] - 1.0) - (stronger[index] - 1.0)).abs() < 1e-6);
        }
        assert_ne!(offsets, sensor(8, 0.5, 4).1);
        // Pinned: another sensor under an old seed would break comparisons with earlier reports.
        let mut features = [1.0, -2.0, 1.0, -2.0];
        sensor_shift(&mut features, 2, 1.0, 42).unwrap();
        assert_eq!(features[..2], features[2..]);
        let expected = [1.2248324, -1.8333948];
        let close = |(value, expected): (&f32, f32)| (value - expected).abs() < 1e-5;
        assert!(features.iter().zip(expected).all(close), "{features:?}");
    }

    #[test]
    fn extremes() {
        let unchanged = [-0.0, f32::MAX, 1e-40, -3.0];
        let mut features = unchanged;
        sensor_shift(&mut features, 2, 0.0, 3).unwrap();
        assert_eq!(features.map(f32::to_bits), unchanged.map(f32::to_bits));
        for strength in [10.0, f32::MAX] {
            let mut features = [f32::MAX, f32::MIN, 0.0, 1.0].repeat(100);
            sensor_shift(&mut features, 200, strength, 3).unwrap();
            assert!(features.iter().all(|value| value.is_finite()));
        }
        let (factors, _) = sensor(1_000, 8.0, 3);
        assert!(factors.iter().all(|&factor| factor > 0.0999));
        assert!(sensor_shift(&mut [], 3, 1.0, 0).is_ok());
    }

    #[test]
    fn bad_arguments_change_nothing() {
        for (dim, strength, expected) in [
            (
                2,
                -0.1,
                "strength is -0.1: a strength is finite and at least 0",
            ),
            (2, f32::NAN, "strength is NaN"),
            (2, f32::INFINITY, "strength is inf"),
            (0, 1.0, "dim is 0: 4 feature values must be whole rows"),
            (3, 1.0, "dim is 3"),
            (usize::MAX, 1.0, "dim is 18446744073709551615"),
        ] {
            let mut features = [1.0, 2.0, 3.0, 4.0];
            let error = sensor_shift(&mut features, dim, strength, 0).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(features, [1.0, 2.0, 3.0, 4.0]);
        }
    }
}
