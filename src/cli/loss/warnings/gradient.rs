//! What a gradient in f16 has lost, and the loss scale that keeps it.

use super::super::inputs::Inputs;
use super::super::logits::Logits;
use super::super::records::Records;
use super::numbers::percent;
use crate::reference::{self, Batch};
use crate::spec::{LossSpec, LossSpecBuilder, Reduction, RowFlags, Temperature};
use half::f16;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// The exact gradient is computed for so many entries at most, because it is slow.
const MOST_ENTRIES: usize = 4 << 20;
/// Beyond it f16 is infinite.
const LARGEST: f64 = 65504.0;
/// The least number of f16 is 2^−24.
const LEAST_EXPONENT: i32 = -24;
/// The usual loss scale.
const USUAL_SCALE: f64 = 65536.0;
/// What f16 takes from any gradient, relative to its length.
const ROUNDING: f64 = 1.0 / 2048.0;

/// The first rows of a batch, whose gradient can be computed anew.
pub(super) struct Sample {
    student: Vec<f16>,
    teacher: Logits,
    classes: usize,
    labels: Vec<i32>,
    weight: Option<Vec<f32>>,
    kd_weight: Option<Vec<f32>>,
    /// Whether the batch has more rows.
    cut: bool,
}

impl Sample {
    /// Where the student, and so the gradient, is f2.
    pub(super) fn new(inputs: &Inputs) -> Option<Self> {
        let Logits::Half(student) = &inputs.student else {
            return None;
        };
        let rows = inputs.labels.len().min(MOST_ENTRIES / inputs.classes);
        let entries = rows * inputs.classes;
        let of = |values: &Option<Vec<f32>>| values.as_ref().map(|values| values[..rows].to_vec());
        Some(Self {
            student: student[..entries].to_vec(),
            teacher: match &inputs.teacher {
                Logits::Half(values) => Logits::Half(values[..entries].to_vec()),
                Logits::Single(values) => Logits::Single(values[..entries].to_vec()),
                Logits::Double(values) => Logits::Double(values[..entries].to_vec()),
            },
            classes: inputs.classes,
            labels: inputs.labels[..rows].to_vec(),
            weight: of(&inputs.weight),
            kd_weight: of(&inputs.kd_weight),
            cut: rows < inputs.labels.len(),
        })
    }

    /// Entries that are 0 or infinite in f16 alone; `gradient` is that of the whole batch.
    pub(super) fn warnings(
        &self,
        spec: &LossSpec,
        upstream: f32,
        gradient: &[f16],
        records: &Records,
    ) -> Vec<String> {
        let exact = Exact {
            sample: self,
            spec: summed(spec),
            upstream,
            inverse_counts: inverse_counts(spec.reduction(), records),
            records,
        };
        let tally = (0..self.labels.len())
            .into_par_iter()
            .map(|row| exact.tally(row, &gradient[row * self.classes..][..self.classes]))
            .reduce(Tally::default, Tally::with);
        let rows = match self.cut {
            true => format!(" of the first {} rows", self.labels.len()),
            false => String::new(),
        };
        let infinite = tally.beyond_range(upstream, &rows);
        let largest = match infinite {
            Some(_) => f64::INFINITY,
            None => tally.largest.max(largest(gradient)),
        };
        let lost = tally.underflow(upstream, largest, &rows);
        infinite.into_iter().chain(lost).collect()
    }
}

/// The same loss without 1/N: rows are computed one by one.
fn summed(spec: &LossSpec) -> LossSpec {
    let builder = LossSpecBuilder::from(*spec).reduction(Reduction::Sum);
    builder.build().unwrap_or(*spec)
}

/// 1/N of right and of wrong rows.
fn inverse_counts(reduction: Reduction, records: &Records) -> [f64; 2] {
    let mut counts = [0.0_f64; 2];
    for outcome in records.outcomes() {
        if !outcome.flags.contains(RowFlags::OFF) {
            counts[usize::from(outcome.flags.contains(RowFlags::WRONG))] += 1.0;
        }
    }
    match reduction {
        Reduction::Sum => [1.0; 2],
        Reduction::Mean => [1.0 / (counts[0] + counts[1]).max(1.0); 2],
        Reduction::MeanPerGroup => counts.map(|count| 1.0 / count.max(1.0)),
    }
}

/// The largest size that an entry may have before it was rounded.
fn largest(gradient: &[f16]) -> f64 {
    let sizes = gradient.iter().map(|value| value.to_bits() & 0x7fff);
    let finite = sizes.filter(|&bits| bits < f16::INFINITY.to_bits()).max();
    match finite {
        None | Some(0) => 0.0,
        Some(bits) => f16::from_bits(bits + 1).to_f64().min(LARGEST),
    }
}

/// What computes rows in double precision.
struct Exact<'a> {
    sample: &'a Sample,
    spec: LossSpec,
    upstream: f32,
    inverse_counts: [f64; 2],
    records: &'a Records,
}

impl Exact<'_> {
    /// Holds a row of the gradient against the exact one, where it can have lost something.
    fn tally(&self, row: usize, gradient: &[f16]) -> Tally {
        let mut tally = Tally::default();
        let zero = |value: &f16| value.to_bits() & 0x7fff == 0;
        if gradient.iter().any(|value| value.is_nan()) {
            return tally;
        }
        for value in gradient.iter().filter(|value| !value.is_infinite()) {
            tally.squares += value.to_f64() * value.to_f64();
        }
        let suspect = |value: &f16| zero(value) || value.is_infinite();
        if !gradient.iter().any(suspect) {
            tally.entries = gradient.len();
            return tally;
        }
        let Some(exact) = self.row(row) else {
            return tally;
        };
        for (value, exact) in gradient.iter().zip(exact) {
            let size = exact.abs();
            if size > 0.0 && size.is_finite() {
                tally.add(size, zero(value), value.is_infinite());
            }
        }
        tally
    }

    /// The exact gradient of a row.
    fn row(&self, row: usize) -> Option<Vec<f64>> {
        let outcome = self.records.outcome(row)?;
        let classes = row * self.sample.classes..(row + 1) * self.sample.classes;
        let student = &self.sample.student[classes.clone()];
        let student: Vec<f64> = student.iter().map(|&s| s.to_f64()).collect();
        let teacher: Vec<f64> = match &self.sample.teacher {
            Logits::Half(values) => values[classes].iter().map(|&t| t.to_f64()).collect(),
            Logits::Single(values) => values[classes].iter().map(|&t| t.into()).collect(),
            Logits::Double(values) => values[classes].to_vec(),
        };
        let of = |values: &'_ Option<Vec<f32>>| values.as_ref().map(|values| [values[row]]);
        let (weight, kd_weight) = (of(&self.sample.weight), of(&self.sample.kd_weight));
        let tau = [outcome.tau as f32];
        let per_row = match self.spec.temperature() {
            Temperature::PerRow | Temperature::Dtd(_) => Some(&tau[..]),
            _ => None,
        };
        let batch = Batch {
            student: &student,
            teacher: &teacher,
            classes: self.sample.classes,
            labels: &self.sample.labels[row..=row],
            weight: weight.as_ref().map(|w| &w[..]),
            kd_weight: kd_weight.as_ref().map(|w| &w[..]),
            tau: per_row,
            upstream: self.upstream,
        };
        let mut gradient = reference::run(&self.spec, &batch).ok()?.gradient;
        let group = usize::from(outcome.flags.contains(RowFlags::WRONG));
        let inverse = self.inverse_counts[group];
        gradient.iter_mut().for_each(|value| *value *= inverse);
        Some(gradient)
    }
}

/// What some rows have lost.
#[derive(Default)]
struct Tally {
    /// Entries that are not 0 in double precision.
    entries: usize,
    infinite: usize,
    /// The entries that are 0 in f16, by the power of two below their size.
    lost: BTreeMap<i32, usize>,
    lost_squares: f64,
    squares: f64,
    /// The largest size, of rows that have lost something.
    largest: f64,
}

impl Tally {
    fn add(&mut self, size: f64, is_zero: bool, is_infinite: bool) {
        self.entries += 1;
        self.largest = self.largest.max(size);
        self.infinite += usize::from(is_infinite);
        if is_zero {
            *self.lost.entry(size.log2().floor() as i32).or_default() += 1;
            self.lost_squares += size * size;
        }
    }

    fn with(mut self, other: Self) -> Self {
        for (exponent, count) in other.lost {
            *self.lost.entry(exponent).or_default() += count;
        }
        Self {
            entries: self.entries + other.entries,
            infinite: self.infinite + other.infinite,
            lost: self.lost,
            lost_squares: self.lost_squares + other.lost_squares,
            squares: self.squares + other.squares,
            largest: self.largest.max(other.largest),
        }
    }

    /// Entries that f16 has no number for.
    fn beyond_range(&self, upstream: f32, rows: &str) -> Option<String> {
        let share = percent(self.infinite, self.entries);
        let factor = scale_below(LARGEST / self.largest);
        let smaller = upstream * factor as f32;
        (self.infinite > 0).then(|| {
            format!(
                "{share} of the gradient{rows} is beyond the range of f16 and has become infinite: \
                 run again with --upstream {smaller}"
            )
        })
    }

    /// Entries that have become 0; `largest` is the size that has to stay below [`LARGEST`].
    fn underflow(&self, upstream: f32, largest: f64, rows: &str) -> Option<String> {
        let lost = self.still_lost(0);
        let share = percent(lost, self.entries);
        let scale = self.scale(upstream.abs().into(), largest);
        let left = self.still_lost(scale);
        let negligible = self.lost_squares <= ROUNDING * ROUNDING * self.squares;
        let remedy = if left == lost {
            "f16 has no range for both its largest and its least entries, save the student as f4"
                .to_owned()
        } else {
            let factor = f64::from(scale).exp2();
            format!(
                "run again with --upstream {}, and divide it out of the gradient{}{}",
                upstream * factor as f32,
                match upstream {
                    1.0 => String::new(),
                    _ => format!(" (a factor of {factor})"),
                },
                match left {
                    0 => String::new(),
                    left => format!("; {} stays lost but in f4", percent(left, self.entries)),
                }
            )
        };
        (lost > 0 && !(negligible && left == lost)).then(|| {
            format!(
                "{share} of the gradient{rows} is lost to f16, where it is 0, but not in double \
                 precision: {remedy}"
            )
        })
    }

    /// The lost entries that stay so when the gradient is multiplied by 2^scale.
    fn still_lost(&self, scale: i32) -> usize {
        let kept = LEAST_EXPONENT - scale;
        match scale {
            0 => self.lost.values().sum(),
            _ => self.lost.range(..kept).map(|(_, count)| count).sum(),
        }
    }

    /// The power of two that saves most: as far as the usual loss scale goes, and farther only
    /// where that saves more.
    fn scale(&self, upstream: f64, largest: f64) -> i32 {
        let fits = power_below(LARGEST / largest);
        let fits = fits.min(power_below(f64::from(f32::MAX) / upstream));
        let usual = power_below(USUAL_SCALE / upstream).clamp(0, fits.max(0));
        let least = self.still_lost(fits.max(0));
        let mut farther = usual..fits;
        farther
            .find(|&scale| self.still_lost(scale) == least)
            .unwrap_or(fits.max(0))
    }
}

/// The exponent of the largest power of two that is not above this ratio.
fn power_below(ratio: f64) -> i32 {
    ratio.log2().floor().clamp(-1000.0, 1000.0) as i32
}

fn scale_below(ratio: f64) -> f64 {
    f64::from(power_below(ratio)).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(sizes: &[f64]) -> Tally {
        let mut tally = Tally::default();
        for &size in sizes {
            let rounded = f16::from_f64(size);
            tally.add(size, rounded == f16::ZERO, rounded.is_infinite());
            if rounded.is_finite() {
                tally.squares += rounded.to_f64().powi(2);
            }
        }
        tally
    }

    fn underflow(sizes: &[f64], upstream: f32) -> Option<String> {
        let tally = tally(sizes);
        tally.underflow(upstream, tally.largest, "")
    }

    #[test]
    fn the_share_is_that_of_entries_that_are_not_zero() {
        let found = underflow(&[1e-6, 1e-8, 1e-6, 1e-6], 1.0).unwrap();
        assert_eq!(
            found,
            "25 % of the gradient is lost to f16, where it is 0, but not in double precision: run \
             again with --upstream 65536, and divide it out of the gradient"
        );
        assert_eq!(underflow(&[1e-6, 1e-7], 1.0), None, "subnormal, not lost");
    }

    #[test]
    fn the_scale_keeps_the_largest_entry_finite() {
        let found = underflow(&[10.0, 1e-8], 1.0).unwrap();
        assert!(found.contains("--upstream 4096,"), "{found}");
        let found = underflow(&[10.0, 1e-8], 0.5).unwrap();
        assert!(
            found.contains("--upstream 2048,") && found.contains("of 4096)"),
            "{found}"
        );
    }

    #[test]
    fn the_scale_goes_beyond_the_usual_one_where_that_saves_more() {
        let found = underflow(&[1e-6, 1e-13], 1.0).unwrap();
        assert!(found.contains("--upstream 1048576,"), "{found}");
        let found = underflow(&[10.0, 1e-8, 1e-20], -1.0).unwrap();
        assert!(found.contains("--upstream -4096,"), "{found}");
        assert!(found.contains("33 % stays lost but in f4"), "{found}");
    }

    #[test]
    fn what_no_scale_saves_is_said_where_it_matters() {
        let mut sizes = vec![1e-8; 1_000_000];
        sizes.push(40_000.0);
        assert_eq!(
            underflow(&sizes, 1.0),
            None,
            "less than what is rounded off"
        );
        let found = tally(&[1e-8, 1e-8])
            .underflow(1.0, f64::INFINITY, "")
            .unwrap();
        assert!(found.contains("save the student as f4"), "{found}");
    }

    #[test]
    fn entries_beyond_the_range_want_a_smaller_scale() {
        let found = tally(&[1e5, 1.0, 1.0, 3e5]).beyond_range(1024.0, " of the first 2 rows");
        assert_eq!(
            found.unwrap(),
            "50 % of the gradient of the first 2 rows is beyond the range of f16 and has become \
             infinite: run again with --upstream 128"
        );
        assert_eq!(tally(&[65504.0, 1.0]).beyond_range(1.0, ""), None);
    }

    #[test]
    fn a_gradient_is_at_most_one_step_above_what_it_was_rounded_to() {
        let of = |values: &[f32]| {
            let values: Vec<f16> = values.iter().map(|&v| f16::from_f32(v)).collect();
            largest(&values)
        };
        assert_eq!(of(&[0.0, -0.0]), 0.0);
        assert_eq!(
            of(&[1.0, -2.0, f32::INFINITY, f32::NAN]),
            2.0 + 2.0_f64.powi(-9)
        );
        assert_eq!(of(&[65504.0]), LARGEST);
    }
}
