//! Values of a configuration file that have a range: what is outside of it is refused where it
//! stands, so that the error knows its place.

use crate::data::Source;
use crate::train::TrainSize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

/// More rows than this do not make a step; an activation of so many rows still fits a machine.
pub(crate) const LARGEST_BATCH: usize = 1 << 16;
/// The most units of a hidden layer.
pub(crate) const LARGEST_LAYER: usize = 1 << 16;
/// The most hidden layers.
pub(crate) const MOST_LAYERS: usize = 16;

const EPOCHS: RangeInclusive<i64> = 1..=1_000_000;

/// A whole number within a range.
struct Whole(RangeInclusive<i64>);

impl Visitor<'_> for Whole {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "a whole number from {} to {}",
            self.0.start(),
            self.0.end()
        )
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i64, E> {
        match self.0.contains(&value) {
            true => Ok(value),
            false => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }
}

/// Any number of 64 bits.
struct Seed;

impl Visitor<'_> for Seed {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a whole number from 0 to {}", u64::MAX)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<u64, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(value), &self);
        u64::try_from(value).map_err(wrong)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }
}

/// A number for which something holds, once it is an `f32`.
struct Real {
    expected: &'static str,
    holds: fn(f32) -> bool,
}

impl Visitor<'_> for Real {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<f64, E> {
        match (self.holds)(value as f32) {
            true => Ok(value),
            false => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<f64, E> {
        match (self.holds)(value as f32) {
            true => Ok(value as f64),
            false => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }
}

/// Sizes of hidden layers.
struct Layers;

impl<'de> Visitor<'de> for Layers {
    type Value = Vec<usize>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "at most {MOST_LAYERS} sizes of hidden layers, such as [64, 32]"
        )
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(
        self,
        mut sequence: A,
    ) -> Result<Vec<usize>, A::Error> {
        let mut sizes = Vec::new();
        while let Some(Size(size)) = sequence.next_element()? {
            sizes.push(size);
            if sizes.len() > MOST_LAYERS {
                return Err(A::Error::invalid_length(sizes.len(), &self));
            }
        }
        Ok(sizes)
    }
}

struct Size(usize);

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole(deserializer, 1..=LARGEST_LAYER as i64).map(Self)
    }
}

/// A number of rows, or one of the words that stand for one.
struct RowsOr<T> {
    words: &'static [&'static str],
    value: PhantomData<T>,
}

/// What a number of rows can be written as.
trait Rows: Sized {
    const WORDS: &'static [&'static str];

    fn from_number(rows: usize) -> Self;

    fn from_word(word: &str) -> Option<Self>;
}

impl Rows for TrainSize {
    const WORDS: &'static [&'static str] = &["few", "all"];

    fn from_number(rows: usize) -> Self {
        Self::Rows(rows)
    }

    fn from_word(word: &str) -> Option<Self> {
        match word {
            "few" => Some(Self::Few),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// All where there is no number.
impl Rows for Option<usize> {
    const WORDS: &'static [&'static str] = &["all"];

    fn from_number(rows: usize) -> Self {
        Some(rows)
    }

    fn from_word(word: &str) -> Option<Self> {
        (word == "all").then_some(None)
    }
}

impl<T: Rows> Visitor<'_> for RowsOr<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number of rows from 1 on")?;
        self.words
            .iter()
            .try_for_each(|word| write!(f, ", or \"{word}\""))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        match usize::try_from(value) {
            Ok(rows) if rows > 0 => Ok(T::from_number(rows)),
            _ => Err(E::invalid_value(Unexpected::Signed(value), &self)),
        }
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        T::from_word(word).ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }
}

fn whole<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: RangeInclusive<i64>,
) -> Result<usize, D::Error> {
    let value = deserializer.deserialize_i64(Whole(range))?;
    // No range starts below 0.
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

fn real<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    holds: fn(f32) -> bool,
) -> Result<f64, D::Error> {
    deserializer.deserialize_f64(Real { expected, holds })
}

fn rows<'de, D: Deserializer<'de>, T: Rows>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(RowsOr {
        words: T::WORDS,
        value: PhantomData,
    })
}

pub(super) fn seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_u64(Seed)
}

pub(super) fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

pub(super) fn write_source<S: Serializer>(source: &Source, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(source)
}

pub(super) fn train_size<'de, D: Deserializer<'de>>(from: D) -> Result<TrainSize, D::Error> {
    rows(from)
}

pub(super) fn write_train_size<S: Serializer>(size: &TrainSize, to: S) -> Result<S::Ok, S::Error> {
    match *size {
        TrainSize::Few => to.serialize_str("few"),
        TrainSize::All => to.serialize_str("all"),
        TrainSize::Rows(rows) => to.serialize_u64(rows as u64),
    }
}

pub(super) fn labelled<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    rows(from)
}

pub(super) fn write_labelled<S: Serializer>(
    labelled: &Option<usize>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match *labelled {
        None => to.serialize_str("all"),
        Some(rows) => to.serialize_u64(rows as u64),
    }
}

pub(super) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    real(deserializer, "a share between 0 and 1", |share| {
        (0.0..=1.0).contains(&share)
    })
}

pub(super) fn sensor_shift<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let holds = |strength: f32| strength >= 0.0 && strength.is_finite();
    real(deserializer, "a finite number that is not negative", holds)
}

pub(super) fn lambda<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let holds = |weight: f32| weight >= 0.0 && weight.is_finite();
    real(deserializer, "a finite number that is not negative", holds).map(Some)
}

/// The width of a factor.
pub(super) fn layer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    whole(from, 1..=LARGEST_LAYER as i64).map(Some)
}

pub(super) fn hidden<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<usize>>, D::Error> {
    from.deserialize_seq(Layers).map(Some)
}

pub(super) fn epochs<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    whole(from, EPOCHS).map(Some)
}

/// Epochs of which there may be none.
pub(super) fn warm_up<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    whole(from, 0..=*EPOCHS.end()).map(Some)
}

/// Likewise, where there is always a number.
pub(super) fn some_epochs<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    whole(from, 0..=*EPOCHS.end())
}

pub(super) fn batch<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    some_batch(from).map(Some)
}

/// Likewise, where there is always a number.
pub(super) fn some_batch<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    whole(from, 1..=LARGEST_BATCH as i64)
}

pub(super) fn learning_rate<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    some_rate(from).map(Some)
}

/// Likewise, where there is always a number.
pub(super) fn some_rate<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let holds = |rate: f32| rate > 0.0 && rate.is_finite();
    real(from, "a finite number greater than 0", holds)
}

pub(super) fn momentum<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let holds = |momentum: f32| (0.0..1.0).contains(&momentum);
    real(from, "a number from 0 to below 1", holds).map(Some)
}

pub(super) fn decay<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let holds = |decay: f32| decay >= 0.0 && decay.is_finite();
    real(from, "a finite number that is not negative", holds).map(Some)
}
