//! Logit standardisation: `z = (x − μ)/(σ + 1e-7)` over the unmasked classes.

use super::softmax::top;
use super::sum::sum;

/// What keeps the division finite where all logits are equal.
const GUARD: f64 = 1e-7;

/// A standardised row. Source: Sun et al., arXiv 2403.01427.
pub(super) struct Standardised {
    /// z; −∞ at masked classes, 0 everywhere else if fewer than two classes are unmasked.
    pub(super) z: Vec<f64>,
    /// σ, unbiased.
    sigma: f64,
    /// n, the number of unmasked classes.
    unmasked: f64,
}

impl Standardised {
    /// The maximum is subtracted before the mean, and σ² is the variance around that mean.
    pub(super) fn new(row: &[f64]) -> Self {
        let max = row[top(row)];
        let finite = || row.iter().map(|x| x - max).filter(|x| x.is_finite());
        let unmasked = finite().count() as f64;
        let mean = sum(finite()) / unmasked;
        let sigma = if unmasked < 2.0 {
            0.0
        } else {
            (sum(finite().map(|x| (x - mean) * (x - mean))) / (unmasked - 1.0)).sqrt()
        };
        // −∞ stays −∞. One class alone is its own mean: z = 0.
        let z = row
            .iter()
            .map(|x| (x - max - mean) / (sigma + GUARD))
            .collect();
        Self { z, sigma, unmasked }
    }

    /// What the chain rule multiplies by: `1/(σ + 1e-7)`.
    pub(super) fn steepness(&self) -> f64 {
        1.0 / (self.sigma + GUARD)
    }

    /// `∂D/∂x` from `G = ∂D/∂z`:
    /// `[G_c − mean G − z_c (Σ_k G_k z_k)(σ + 1e-7)/((n−1)σ)]/(σ + 1e-7)`, sums over the unmasked
    /// classes. The last term is 0 if σ = 0; all is 0 at masked classes and if n < 2.
    pub(super) fn pull_back(&self, slope: &[f64]) -> Vec<f64> {
        if self.unmasked < 2.0 {
            return vec![0.0; slope.len()];
        }
        let both = || slope.iter().zip(&self.z).filter(|(_, z)| z.is_finite());
        let mean = sum(both().map(|(g, _)| *g)) / self.unmasked;
        let along = if self.sigma == 0.0 {
            0.0
        } else {
            let projection = sum(both().map(|(g, z)| g * z));
            projection * (self.sigma + GUARD) / ((self.unmasked - 1.0) * self.sigma)
        };
        let pulled = |(g, &z): (&f64, &f64)| {
            if z.is_finite() {
                (g - mean - z * along) * self.steepness()
            } else {
                0.0
            }
        };
        slope.iter().zip(&self.z).map(pulled).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_classes_by_hand() {
        let row = Standardised::new(&[3.0, f64::NEG_INFINITY, 1.0]);
        let z = 1.0 / (2f64.sqrt() + GUARD);
        assert_eq!((row.sigma, row.unmasked), (2f64.sqrt(), 2.0));
        assert!((row.z[0] - z).abs() < 1e-15 && (row.z[2] + z).abs() < 1e-15);
        assert_eq!(row.z[1], f64::NEG_INFINITY);
        // Two standardised logits do not move, but for the guard.
        for g in row.pull_back(&[0.7, 5.0, -0.3]) {
            assert!(g.abs() < 1e-6);
        }
    }

    #[test]
    fn rows_without_spread() {
        let equal = Standardised::new(&[2.0, 2.0, 2.0]);
        assert_eq!(equal.z, [0.0; 3]);
        let g = equal.pull_back(&[1.0, 0.0, -1.0]);
        assert!((g[0] / 1e7 - 1.0).abs() < 1e-12 && g[1] == 0.0);
        let one = Standardised::new(&[f64::NEG_INFINITY, 5.0]);
        assert_eq!(one.z[1], 0.0);
        assert_eq!(one.pull_back(&[1.0, 1.0]), [0.0; 2]);
    }
}
