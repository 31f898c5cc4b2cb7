//! What is measured.

use super::shape::Shape;
use crate::cli::failure::Failure;
use crate::memory;
use crate::spec::{Format, LossSpec, Preset, RowStats, StatsLevel, Temperature};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::fmt;

/// One measurement.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) shape: Shape,
    pub(super) format: Format,
    pub(super) preset: Preset,
    pub(super) spec: LossSpec,
    pub(super) level: StatsLevel,
    pub(super) gradient: bool,
    /// How far the student is from the teacher, where it is not independent.
    pub(super) noise: Option<f32>,
}

/// [`StatsLevel`] by its name.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Stats {
    /// No records.
    None,
    /// Losses, temperatures, predictions and flags.
    Loss,
    /// All scores.
    Full,
}

impl Stats {
    pub(super) fn level(self) -> StatsLevel {
        match self {
            Self::None => StatsLevel::None,
            Self::Loss => StatsLevel::Loss,
            Self::Full => StatsLevel::Full,
        }
    }
}

impl Case {
    /// What a call has to move: logits read, gradient written, and per row a label and a record.
    pub(super) fn bytes(&self) -> usize {
        let Shape { rows, classes } = self.shape;
        let matrices = if self.gradient { 3 } else { 2 };
        let record = match self.level {
            StatsLevel::None => 0,
            _ => size_of::<RowStats>(),
        };
        rows * (matrices * classes * self.format.bytes() + size_of::<i32>() + record)
    }
}

impl Case {
    /// What the host holds of it, at least: logits, and the gradient.
    pub(super) fn bytes_in_memory(&self) -> u64 {
        let Shape { rows, classes } = self.shape;
        (2 + u64::from(self.gradient)) * (rows * classes * self.format.bytes()) as u64
    }
}

/// Refuses what does not fit the machine's memory.
pub(super) fn fits(flag: &str, given: &dyn fmt::Display, needed: u64) -> Result<(), Failure> {
    match memory::lacking(needed) {
        None => Ok(()),
        Some(available) => Err(Failure::usage(
            format_args!(
                "{flag} {given}: needs {} of memory, and there are {}",
                memory::in_words(needed),
                memory::in_words(available)
            ),
            "give smaller sizes",
        )),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (name, format) = (self.preset.name(), self.format.name());
        write!(f, "{} {format} {name}", self.shape)
    }
}

/// Reads how far the student is from the teacher.
pub(super) fn noise(given: &str) -> Result<f32, String> {
    let noise = given.parse().ok();
    // Logits stay finite in every type.
    let noise = noise.filter(|noise| (0.0..=1000.0).contains(noise));
    noise.ok_or_else(|| "must be a number from 0 to 1000, such as 0.1".to_owned())
}

/// All types.
pub(super) const FORMATS: [Format; 3] = [Format::F32, Format::F16, Format::Bf16];

/// Reads one of all by its name.
pub(super) fn one_of<T, const N: usize>(
    all: [T; N],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.map(name)).map(move |given| {
        let known = all.into_iter().find(|&one| name(one) == given);
        known.expect("one of the possible values")
    })
}

/// Refuses what one call of the row program does not compute.
pub(super) fn check(preset: Preset, spec: &LossSpec) -> Result<(), Failure> {
    match spec.temperature() {
        Temperature::Dtd(_) | Temperature::PerRow => Err(Failure::usage(
            format_args!(
                "the preset {} takes temperatures row by row, which another call computes first",
                preset.name()
            ),
            "add --set temperature=4, or measure another preset",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_have_to_move() {
        let mut case = Case {
            shape: Shape {
                rows: 2,
                classes: 3,
            },
            format: Format::Bf16,
            preset: Preset::Lr,
            spec: Preset::Lr.spec(),
            level: StatsLevel::Full,
            gradient: true,
            noise: None,
        };
        assert_eq!(case.bytes(), 2 * (18 + 4 + 64));
        case.level = StatsLevel::None;
        case.gradient = false;
        assert_eq!(case.bytes(), 2 * (12 + 4));
    }
}
