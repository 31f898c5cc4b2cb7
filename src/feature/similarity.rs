//! How alike two sets of features are.

/// Features of rows, less the mean of each.
pub(crate) struct Centred {
    /// `[rows, width]`.
    values: Vec<f64>,
    width: usize,
    /// `‖XᵀX‖_F`.
    norm: f64,
}

impl Centred {
    /// Of rows of `width` features.
    pub(crate) fn of(features: &[f32], width: usize) -> Self {
        let rows = features.len() / width.max(1);
        let mut values: Vec<f64> = features.iter().copied().map(f64::from).collect();
        for column in 0..width {
            let of_column = || (column..rows * width).step_by(width);
            let mean = of_column().map(|i| values[i]).sum::<f64>() / rows as f64;
            of_column().for_each(|i| values[i] -= mean);
        }
        let mut centred = Self {
            values,
            width,
            norm: 0.0,
        };
        centred.norm = centred.product(&centred).sqrt();
        centred
    }

    /// Of these channels of rows of `width` features.
    pub(crate) fn of_channels(features: &[f32], width: usize, channels: &[i32]) -> Self {
        let rows = features.chunks_exact(width);
        let chosen: Vec<f32> = rows
            .flat_map(|row| channels.iter().map(|&c| row[c as usize]))
            .collect();
        Self::of(&chosen, channels.len())
    }

    /// Linear centred kernel alignment, in 0..=1: `‖YᵀX‖²_F / (‖XᵀX‖_F ‖YᵀY‖_F)` over the same rows; 1
    /// for features that are the same up to rotation and scale, 0 where one of them is constant.
    /// Source: Kornblith et al., arXiv 1905.00414, section 3.
    pub(crate) fn cka(&self, other: &Self) -> f64 {
        match self.norm * other.norm {
            0.0 => 0.0,
            norms => self.product(other) / norms,
        }
    }

    /// `‖YᵀX‖²_F`.
    fn product(&self, other: &Self) -> f64 {
        let mut sums = vec![0.0; self.width * other.width];
        let rows = self.values.chunks_exact(self.width.max(1));
        for (x, y) in rows.zip(other.values.chunks_exact(other.width.max(1))) {
            for (x, sums) in x.iter().zip(sums.chunks_exact_mut(other.width)) {
                sums.iter_mut().zip(y).for_each(|(sum, y)| *sum += x * y);
            }
        }
        sums.iter().map(|sum| sum * sum).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: [f32; 8] = [1.0, 2.0, -1.0, 0.5, 3.0, -2.0, 0.0, 1.0];

    #[test]
    fn rotation_scale_and_offset_change_nothing() {
        let x = Centred::of(&X, 2);
        // (a, b) → 2 (b, −a) + (7, −3), and a constant beside it.
        let turned: Vec<f32> = X
            .chunks_exact(2)
            .flat_map(|row| [2.0 * row[1] + 7.0, -2.0 * row[0] - 3.0, 5.0])
            .collect();
        assert!((x.cka(&Centred::of(&turned, 3)) - 1.0).abs() < 1e-12);
        assert!((x.cka(&x) - 1.0).abs() < 1e-12);
        let first = Centred::of_channels(&turned, 3, &[0, 1]);
        assert!((x.cka(&first) - 1.0).abs() < 1e-12);
    }

    /// One feature each: the squared correlation.
    #[test]
    fn of_single_features_it_is_the_squared_correlation() {
        let (a, b) = (
            Centred::of(&[1.0, 2.0, 3.0], 1),
            Centred::of(&[1.0, 3.0, 2.0], 1),
        );
        assert!((a.cka(&b) - 0.25).abs() < 1e-12);
        let constant = Centred::of(&[4.0; 3], 1);
        assert_eq!((a.cka(&constant), constant.cka(&constant)), (0.0, 0.0));
    }
}
