//! Numbers that sum up runs: means over seeds, paired differences, calibration.

/// A quantity over seeds.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Spread {
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds; 0 for one seed.
    pub std: f64,
    /// One value per seed.
    pub per_seed: Vec<f64>,
}

impl Spread {
    /// Sums up one value per seed.
    #[must_use]
    pub fn of(per_seed: Vec<f64>) -> Self {
        let n = per_seed.len() as f64;
        let mean = per_seed.iter().sum::<f64>() / n.max(1.0);
        let squares: f64 = per_seed.iter().map(|x| (x - mean) * (x - mean)).sum();
        let std = if n > 1.0 {
            (squares / (n - 1.0)).sqrt()
        } else {
            0.0
        };
        Self {
            mean,
            std,
            per_seed,
        }
    }
}

/// A difference between two methods, seed by seed.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Paired {
    /// Mean difference.
    pub mean: f64,
    /// The 95 % interval of the mean by Student's t; none for one seed.
    pub interval: Option<[f64; 2]>,
    /// One difference per seed.
    pub per_seed: Vec<f64>,
}

impl Paired {
    /// `a − b`, seed by seed.
    #[must_use]
    pub fn difference(a: &Spread, b: &Spread) -> Self {
        let differences = a.per_seed.iter().zip(&b.per_seed).map(|(a, b)| a - b);
        let Spread {
            mean,
            std,
            per_seed,
        } = Spread::of(differences.collect());
        let n = per_seed.len();
        let interval = (n > 1).then(|| {
            let half = t_quantile(n - 1) * std / (n as f64).sqrt();
            [mean - half, mean + half]
        });
        Self {
            mean,
            interval,
            per_seed,
        }
    }
}

/// The 97.5 % quantile of Student's t. Beyond the table the expansion in 1/degrees (Abramowitz and
/// Stegun 26.7.5) is good to 1e-4.
fn t_quantile(degrees: usize) -> f64 {
    const TABLE: [f64; 12] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
    ];
    if let Some(&t) = TABLE.get(degrees.wrapping_sub(1)) {
        return t;
    }
    let (z, n) = (1.959_964_f64, degrees as f64);
    let [z3, z5, z7] = [3, 5, 7].map(|power| z.powi(power));
    z + (z3 + z) / (4.0 * n)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * z) / (96.0 * n.powi(2))
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / (384.0 * n.powi(3))
}

/// Equal bins of confidence (Guo et al., arXiv 1706.04599).
pub(super) const BINS: usize = 15;
/// Rows of one bin, before they are divided by anything: tallies of several teachers add up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) rows: usize,
    pub(super) hits: usize,
    pub(super) confidence: f64,
}

/// Rows with a label, by the teacher's confidence.
pub(super) fn tally(logits: &[f32], labels: &[i32], classes: usize) -> [Tally; BINS] {
    let mut bins = [Tally::default(); BINS];
    for (row, top, label) in labelled(logits, labels, classes) {
        let confidence = confidence(row, top);
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.rows += 1;
        bin.hits += usize::from(top == label);
        bin.confidence += confidence;
    }
    bins
}

/// Expected calibration error over 15 equal bins of confidence (Guo et al., arXiv 1706.04599):
/// `Σ_bins |share of hits − mean confidence| · rows in bin / rows`, over rows with a label.
pub(super) fn calibration_error(logits: &[f32], labels: &[i32], classes: usize) -> f64 {
    let bins = tally(logits, labels, classes);
    let gaps = bins
        .iter()
        .map(|bin| (bin.hits as f64 - bin.confidence).abs());
    let rows: usize = bins.iter().map(|bin| bin.rows).sum();
    gaps.sum::<f64>() / rows.max(1) as f64
}

/// The share of rows with a label whose arg-max it is.
pub(super) fn accuracy(logits: &[f32], labels: &[i32], classes: usize) -> f64 {
    let hits =
        labelled(logits, labels, classes).map(|(_, top, label)| f64::from(u8::from(top == label)));
    let (sum, rows) = hits.fold((0.0, 0.0), |(sum, rows), hit| (sum + hit, rows + 1.0));
    sum / f64::max(rows, 1.0)
}

/// The probability, at τ = 1, of the class that is a row's arg-max.
pub(super) fn confidence(row: &[f32], top: usize) -> f64 {
    let max = f64::from(row[top]);
    1.0 / row.iter().map(|&z| (f64::from(z) - max).exp()).sum::<f64>()
}

/// Rows with a label: logits, arg-max, label.
fn labelled<'a>(
    logits: &'a [f32],
    labels: &'a [i32],
    classes: usize,
) -> impl Iterator<Item = (&'a [f32], usize, usize)> {
    let rows = logits.chunks_exact(classes).zip(labels);
    rows.filter_map(|(row, &label)| {
        Some((row, crate::engine::top(row), usize::try_from(label).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paired_differences_and_their_interval() {
        let (a, b) = (
            Spread::of(vec![1.0, 2.0, 4.0]),
            Spread::of(vec![0.0, 1.0, 2.0]),
        );
        let paired = Paired::difference(&a, &b);
        assert_eq!(paired.per_seed, [1.0, 1.0, 2.0]);
        // Mean 4/3, standard deviation 1/√3, t(2) = 4.303: half width 4.303/3.
        let [low, high] = paired.interval.unwrap();
        assert!(
            (low - (4.0 / 3.0 - 4.303 / 3.0)).abs() < 1e-9
                && (high - low - 2.0 * 4.303 / 3.0).abs() < 1e-9
        );
        assert_eq!(
            Paired::difference(&Spread::of(vec![1.0]), &Spread::of(vec![0.5])).interval,
            None
        );
        assert!((t_quantile(29) - 2.0452).abs() < 1e-3 && (t_quantile(13) - 2.1604).abs() < 1e-3);
    }

    #[test]
    fn calibration_by_hand() {
        // Two rows of confidence ½, one of them right: no error. Two sure rows, one right: ½.
        assert!(calibration_error(&[0.0, 0.0, 0.0, 0.0], &[0, 1], 2).abs() < 1e-12);
        let sure = calibration_error(&[100.0, 0.0, 100.0, 0.0], &[0, 1], 2);
        assert!((sure - 0.5).abs() < 1e-12);
        assert_eq!(accuracy(&[100.0, 0.0, 100.0, 0.0], &[0, 1], 2), 0.5);
    }
}
