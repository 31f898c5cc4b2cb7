//! A mixture of Gaussians, and how well its classes can be told apart.

use crate::random::{Philox, stream};

/// Rows that the Bayes accuracy is estimated from, unless they cost too much.
const BAYES_ROWS: u64 = 50_000;
/// Multiplications that the estimate may cost: a second or two.
const BAYES_WORK: u64 = 1 << 32;
/// A normal random number costs about as much as so many of them.
const NORMAL_WORK: u64 = 32;
/// Independent sums, so that the compiler can use vector instructions.
const LANES: usize = 8;

/// The share of fresh rows that the best of all classifiers gets right.
///
/// No classifier that does not know a row's label can exceed it other than by luck: with equally
/// likely classes and Gaussians of one width in all directions, the best decides for the nearest
/// class centre (Bishop, "Pattern Recognition and Machine Learning", 2006, sections 1.5.1 and 4.2.1).
///
/// On n rows the accuracy p of that classifier itself has a standard error √(p(1 − p)/n).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct BayesAccuracy {
    /// The share, in 0..=1.
    pub accuracy: f64,
    /// The standard error of `accuracy`: it was estimated from a random sample.
    pub standard_error: f64,
}

/// Equally likely classes, each a Gaussian around its centre, of one width in all directions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mixture {
    /// `[classes, dim]` row-major.
    pub(super) centres: Vec<f32>,
    pub(super) dim: usize,
    /// σ, greater than 0.
    pub(super) spread: f32,
    /// Of the rows that the Bayes accuracy is estimated from.
    pub(super) seed: u64,
}

impl Mixture {
    fn centre(&self, class: usize) -> &[f32] {
        &self.centres[class * self.dim..][..self.dim]
    }

    /// A fresh row of `class`.
    pub(super) fn row(&self, class: usize, random: &mut Philox) -> impl Iterator<Item = f32> {
        let centre = self.centre(class).iter();
        centre.map(|value| value + self.spread * random.normal())
    }

    /// The mean, over fresh rows of random classes, of the largest posterior probability.
    ///
    /// The nearest centre is right with that probability: this has the same mean as counting its
    /// hits, and a smaller error.
    pub(super) fn bayes_accuracy(&self) -> BayesAccuracy {
        let classes = self.centres.len() / self.dim;
        let cost = (classes as u64 + NORMAL_WORK) * self.dim as u64;
        let rows = (BAYES_WORK / cost).clamp(2, BAYES_ROWS);
        let mut random = Philox::new(self.seed, stream::BAYES_ROWS);
        let mut noise = vec![0.0; self.dim];
        let posteriors: Vec<f64> = (0..rows)
            .map(|_| {
                let class = random.below(classes as u32) as usize;
                noise.fill_with(|| random.normal());
                self.largest_posterior(class, &noise)
            })
            .collect();
        let rows = rows as f64;
        let mean = posteriors.iter().sum::<f64>() / rows;
        let squares: f64 = posteriors.iter().map(|value| (value - mean).powi(2)).sum();
        BayesAccuracy {
            accuracy: mean,
            standard_error: (squares / (rows - 1.0) / rows).sqrt(),
        }
    }

    /// maxₖ P(k | x) of the row x = c_y + σz.
    ///
    /// ln P(k|x)/P(y|x) = (‖x − c_y‖² − ‖x − cₖ‖²)/2σ² = z·δ/σ − ‖δ‖²/2σ² with δ = cₖ − c_y: unlike
    /// the difference of distances, this cancels nothing.
    fn largest_posterior(&self, class: usize, noise: &[f32]) -> f64 {
        let own = self.centre(class);
        let spread = f64::from(self.spread);
        let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
        for other in self.centres.chunks_exact(self.dim) {
            let (along, square) = offset(noise, own, other);
            let log_odds = (along - square / (2.0 * spread)) / spread;
            if log_odds > largest {
                sum *= (largest - log_odds).exp();
                largest = log_odds;
            }
            sum += (log_odds - largest).exp();
        }
        1.0 / sum
    }
}

/// z·δ and ‖δ‖² with δ = `to` − `from`.
fn offset(noise: &[f32], from: &[f32], to: &[f32]) -> (f64, f64) {
    let (mut along, mut square) = ([0.0; LANES], [0.0; LANES]);
    let chunks = noise
        .chunks(LANES)
        .zip(from.chunks(LANES))
        .zip(to.chunks(LANES));
    for ((noise, from), to) in chunks {
        let lanes = along.iter_mut().zip(&mut square);
        for ((along, square), ((noise, from), to)) in lanes.zip(noise.iter().zip(from).zip(to)) {
            let delta = to - from;
            *along += noise * delta;
            *square += delta * delta;
        }
    }
    let total = |lanes: [f32; LANES]| lanes.into_iter().map(f64::from).sum();
    (total(along), total(square))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ(x) = ½ + ∫₀ˣ e^(−t²/2) dt / √(2π), by Simpson's rule.
    fn normal_cdf(x: f64) -> f64 {
        let steps = 1_000;
        let weight = |step| match step {
            0 | 1_000 => 1.0,
            step if step % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let at = |step| -> f64 { x * f64::from(step) / f64::from(steps) };
        let sum: f64 = (0..=steps)
            .map(|step| weight(step) * (-0.5 * at(step).powi(2)).exp())
            .sum();
        0.5 + sum * x / f64::from(steps) / 3.0 / std::f64::consts::TAU.sqrt()
    }

    #[track_caller]
    fn assert_accuracy(mixture: &Mixture, expected: f64) {
        let bayes = mixture.bayes_accuracy();
        let error = (bayes.accuracy - expected).abs();
        assert!(error <= 5.0 * bayes.standard_error, "{bayes:?} {expected}");
        assert!(bayes.standard_error < 0.0025, "{bayes:?}");
    }

    #[test]
    fn two_classes_have_a_closed_form() {
        assert!((normal_cdf(1.0) - 0.841_344_746_068_543).abs() < 1e-12);
        for (half, dim, spread) in [
            (0.01, 1, 1.0),
            (0.5, 3, 1.0),
            (1.0, 64, 10.0),
            (2.0, 13, 0.5),
        ] {
            // Far from the origin, and apart by 2 · half · σ along a diagonal.
            let step = 2.0 * half * spread / (dim as f32).sqrt();
            let centres = [vec![50.0; dim], vec![50.0 + step; dim]].concat();
            let mixture = Mixture {
                centres,
                dim,
                spread,
                seed: 7,
            };
            assert_accuracy(&mixture, normal_cdf(half.into()));
        }
    }

    #[test]
    fn a_square_of_four_classes_is_two_times_two() {
        let centres = vec![-1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0];
        let mixture = Mixture {
            centres,
            dim: 2,
            spread: 1.0,
            seed: 7,
        };
        assert_accuracy(&mixture, normal_cdf(1.0).powi(2));
    }

    #[test]
    fn extremes() {
        let certain = BayesAccuracy {
            accuracy: 1.0,
            standard_error: 0.0,
        };
        let one = Mixture {
            centres: vec![3.0],
            dim: 1,
            spread: 1.0,
            seed: 7,
        };
        assert_eq!(one.bayes_accuracy(), certain);
        let apart = Mixture {
            centres: vec![1.0, 2.0],
            dim: 1,
            spread: f32::MIN_POSITIVE,
            seed: 7,
        };
        assert_eq!(apart.bayes_accuracy(), certain);
        let alike = Mixture {
            centres: vec![1.0; 4],
            dim: 1,
            spread: 1.0,
            seed: 7,
        };
        let chance = BayesAccuracy {
            accuracy: 0.25,
            standard_error: 0.0,
        };
        assert_eq!(alike.bayes_accuracy(), chance);
    }
}
