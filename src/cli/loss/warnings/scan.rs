//! Logits that look like something else: masks, probabilities, no numbers.

use super::super::logits::Logits;
use super::numbers::counted;
use std::fmt::Display;

/// −1e4, the usual mask of half precision, is −9984 after bf16.
const MASK: f64 = 9984.0;
/// How far from 1 the sum of a row of probabilities may be.
const TOLERANCE: f64 = 1e-3;
/// What f16 takes from a probability below its normal range, at most.
const HALF_STEP: f64 = 1.0 / (1_u64 << 25) as f64;
/// So many rows are named.
pub(super) const NAMED: usize = 5;

/// Why a row of logits has no softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoilt {
    Nan,
    Infinite,
    NoFiniteClass,
}

impl Spoilt {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Nan => "has NaN",
            Self::Infinite => "has +inf",
            Self::NoFiniteClass => "has no finite class",
        }
    }
}

/// What one sweep over a matrix of logits has found.
#[derive(Default)]
pub(super) struct Scan {
    low: Large,
    high: Large,
    /// Rows without NaN, +∞ or −∞ throughout, and those among them that look like probabilities.
    sound: usize,
    distributions: usize,
    /// The first rows that spoil their loss; those of weight 0 do not.
    spoilt: Vec<(usize, Spoilt)>,
}

/// Finite logits of a size that trained ones do not have.
#[derive(Default)]
struct Large {
    rows: usize,
    /// Which classes have one; empty as long as there is none.
    classes: Vec<bool>,
    /// The first one.
    example: f64,
}

impl Scan {
    /// Sweeps over logits with rows of `classes`, of these weights.
    pub(super) fn new(logits: &Logits, classes: usize, weight: Option<&[f32]>) -> Self {
        match logits {
            Logits::Half(values) => {
                let tolerance = TOLERANCE + HALF_STEP * classes as f64;
                Self::sweep(values, classes, tolerance, weight)
            }
            Logits::Single(values) => Self::sweep(values, classes, TOLERANCE, weight),
            Logits::Double(values) => Self::sweep(values, classes, TOLERANCE, weight),
        }
    }

    fn sweep<T: Copy + Into<f64>>(
        values: &[T],
        classes: usize,
        tolerance: f64,
        weight: Option<&[f32]>,
    ) -> Self {
        let mut scan = Self::default();
        for (b, row) in values.chunks_exact(classes.max(1)).enumerate() {
            let range = Range::of(row);
            if range.is_unusual() {
                let off = weight.and_then(|w| w.get(b)) == Some(&0.0);
                scan.look_closely(b, row, off);
            } else {
                scan.sound += 1;
                let distribution = range.is_distribution(tolerance);
                scan.distributions += usize::from(distribution && classes > 1);
            }
        }
        scan
    }

    /// A row with a logit that is large, masked or no number.
    fn look_closely<T: Copy + Into<f64>>(&mut self, b: usize, row: &[T], off: bool) {
        let [mut nan, mut infinite, mut finite] = [false; 3];
        let (mut low, mut high) = (self.low.in_row(), self.high.in_row());
        for (class, &value) in row.iter().enumerate() {
            let value: f64 = value.into();
            nan |= value.is_nan();
            infinite |= value == f64::INFINITY;
            if value.is_finite() {
                finite = true;
                low.see(value <= -MASK, class, value, row.len());
                high.see(value >= MASK, class, value, row.len());
            }
        }
        low.end();
        high.end();
        let spoilt = match (nan, infinite, finite) {
            (true, ..) => Some(Spoilt::Nan),
            (_, true, _) => Some(Spoilt::Infinite),
            (.., false) => Some(Spoilt::NoFiniteClass),
            _ => None,
        };
        self.sound += usize::from(spoilt.is_none());
        if self.spoilt.len() < NAMED && !off {
            self.spoilt.extend(spoilt.map(|why| (b, why)));
        }
    }

    /// Why this row is spoilt, if it is one of the first.
    pub(super) fn spoilt(&self, row: usize) -> Option<Spoilt> {
        let found = self.spoilt.iter().find(|(b, _)| *b == row);
        found.map(|&(_, why)| why)
    }

    /// Finite masks.
    pub(super) fn masks(&self, file: &dyn Display) -> Option<String> {
        let logits = self.low.describe()?;
        Some(format!(
            "`{file}`: {logits}, which looks like a mask: a finite logit counts as a class, −inf \
             masks it exactly"
        ))
    }

    /// Finite logits that are too large.
    pub(super) fn giants(&self, file: &dyn Display) -> Option<String> {
        let logits = self.high.describe()?;
        Some(format!(
            "`{file}`: {logits}, which hardly is a logit: check what the file holds (−inf, not a \
             finite number, masks a class)"
        ))
    }

    /// Rows that are probabilities already.
    pub(super) fn probabilities(&self, file: &dyn Display) -> Option<String> {
        (self.sound > 0 && self.distributions == self.sound).then(|| {
            format!(
                "`{file}` looks like probabilities, for its rows are within 0 and 1 and sum to 1: \
                 logits are wanted, so save the logarithm"
            )
        })
    }
}

impl Large {
    fn in_row(&mut self) -> InRow<'_> {
        InRow {
            of: self,
            any: false,
        }
    }

    /// `3 classes in 2 rows have a logit such as −65504`.
    fn describe(&self) -> Option<String> {
        let classes = self.classes.iter().filter(|large| **large).count();
        let have = if classes == 1 { "has" } else { "have" };
        (self.rows > 0).then(|| {
            format!(
                "{} in {} {have} a logit such as {}",
                counted(classes, "class", "classes"),
                counted(self.rows, "row", "rows"),
                short(self.example)
            )
        })
    }
}

/// The large logits of one row.
struct InRow<'a> {
    of: &'a mut Large,
    any: bool,
}

impl InRow<'_> {
    fn see(&mut self, is_large: bool, class: usize, value: f64, classes: usize) {
        if !is_large {
            return;
        }
        if self.of.classes.is_empty() {
            self.of.classes = vec![false; classes];
            self.of.example = value;
        }
        self.of.classes[class] = true;
        self.any = true;
    }

    fn end(self) {
        self.of.rows += usize::from(self.any);
    }
}

/// As it was written, where f4 holds it.
fn short(value: f64) -> String {
    let single = value as f32;
    match value.abs() < 1e6 {
        true => single.to_string(),
        false if single.is_finite() => format!("{single:e}"),
        false => format!("{value:e}"),
    }
}

/// A row in eight lanes, so that the compiler makes vectors of them.
struct Range {
    lowest: f64,
    highest: f64,
    sum: f64,
}

const LANES: usize = 8;

impl Range {
    fn of<T: Copy + Into<f64>>(row: &[T]) -> Self {
        let mut lowest = [f64::INFINITY; LANES];
        let mut highest = [f64::NEG_INFINITY; LANES];
        let mut sum = [0.0; LANES];
        let mut see = |group: &[T]| {
            for (lane, &value) in group.iter().enumerate() {
                let value: f64 = value.into();
                lowest[lane] = if value < lowest[lane] {
                    value
                } else {
                    lowest[lane]
                };
                highest[lane] = if value > highest[lane] {
                    value
                } else {
                    highest[lane]
                };
                sum[lane] += value;
            }
        };
        let (groups, rest) = row.as_chunks::<LANES>();
        groups.iter().for_each(|group| see(group));
        see(rest);
        Self {
            lowest: lowest.into_iter().fold(f64::INFINITY, f64::min),
            highest: highest.into_iter().fold(f64::NEG_INFINITY, f64::max),
            sum: sum.into_iter().sum(),
        }
    }

    /// NaN is in the sum alone, for it is neither lower nor higher.
    fn is_unusual(&self) -> bool {
        self.sum.is_nan() || self.lowest <= -MASK || self.highest >= MASK
    }

    fn is_distribution(&self, tolerance: f64) -> bool {
        self.lowest >= 0.0 && self.highest <= 1.0 && (self.sum - 1.0).abs() <= tolerance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    fn scan(rows: &[f32], classes: usize) -> Scan {
        Scan::new(&Logits::Single(rows.to_vec()), classes, None)
    }

    #[test]
    fn finite_masks_are_counted_by_classes_and_rows() {
        let found = scan(&[0.5, -1e4, -1e9, 0.1, 0.2, 0.3, 1.0, -1e4, 2.0], 3).masks(&"s.npy");
        let found = found.unwrap();
        assert!(found.starts_with("`s.npy`: 2 classes in 2 rows have a logit such as -10000,"));
        assert!(found.contains("−inf masks it exactly"), "{found}");
        for mask in [-9984.0, -65504.0, f32::MIN] {
            assert!(scan(&[0.5, mask], 2).masks(&"s.npy").is_some(), "{mask}");
        }
        let half = Logits::Half([0.5, -65504.0].map(f16::from_f32).to_vec());
        assert!(
            Scan::new(&half, 2, None)
                .masks(&"s.npy")
                .unwrap()
                .contains("-65504")
        );
    }

    #[test]
    fn masks_that_are_exact_and_logits_of_a_usual_size_are_fine() {
        for fine in [f32::NEG_INFINITY, f32::NAN, -9000.0] {
            let found = scan(&[0.5, fine], 2);
            assert!(found.masks(&"s.npy").is_none() && found.giants(&"s.npy").is_none());
        }
        let found = scan(&[0.5, 1e9], 2);
        assert!(found.masks(&"s.npy").is_none());
        assert!(found.giants(&"s.npy").unwrap().contains("such as 1e9"));
    }

    #[test]
    fn probabilities_are_told_from_logits() {
        let is = |rows: &[f32], classes| scan(rows, classes).probabilities(&"t.npy").is_some();
        assert!(is(&[0.5, 0.25, 0.25, 0.0, 1.0, 0.0], 3));
        assert!(
            is(&[f32::NAN, 0.25, 0.25, 0.0, 1.0, 0.0], 3),
            "the sound row"
        );
        assert!(
            !is(&[0.5, 0.25, 0.25, 0.5, 0.25, 0.26], 3),
            "one row's sum is 1.01"
        );
        assert!(!is(&[1.5, -0.5], 2), "beyond 1");
        assert!(!is(&[-0.7, -0.7], 2), "log-probabilities");
        assert!(!is(&[1.0, 1.0], 1), "one class");
        assert!(!is(&[], 3), "no row");
    }

    #[test]
    fn probabilities_may_have_been_rounded_to_f16() {
        let classes: u16 = 60_000;
        let rounded = f16::from_f64(1.0 / f64::from(classes) + 1e-8);
        let row = Logits::Half(vec![rounded; usize::from(classes)]);
        let found = Scan::new(&row, usize::from(classes), None);
        assert!(found.probabilities(&"t.npy").is_some());
    }

    #[test]
    fn rows_without_a_softmax_say_why() {
        let infinity = f32::INFINITY;
        let rows = [
            f32::NAN,
            infinity,
            infinity,
            0.0,
            -infinity,
            -infinity,
            -infinity,
            0.0,
        ];
        let found = scan(&rows, 2);
        assert_eq!(found.spoilt(0), Some(Spoilt::Nan));
        assert_eq!(found.spoilt(1), Some(Spoilt::Infinite));
        assert_eq!(found.spoilt(2), Some(Spoilt::NoFiniteClass));
        assert_eq!(found.spoilt(3), None);
        let off = Scan::new(&Logits::Single(vec![f32::NAN]), 1, Some(&[0.0]));
        assert_eq!(off.spoilt(0), None, "a weight of 0");
    }
}
