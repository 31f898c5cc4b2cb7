//! Short forms in configuration files: `revision = "label-revision"` for `{ kind = … }`,
//! `temperature = 4` for `{ kind = "fixed", tau = 4 }`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A table that may be written shorter.
pub(super) trait Short: Sized {
    /// What may be written, for the message when something else is.
    const EXPECTED: &'static str;

    /// The table that only names its kind.
    fn from_kind(kind: &str) -> Self;

    /// The table that a bare number stands for, if it stands for one.
    fn from_number(_: f64) -> Option<Self> {
        None
    }
}

/// A `T` read from its table or from its short form.
pub(super) struct Shortened<T>(pub(super) T);

impl<'de, T: Deserialize<'de> + Short> Deserialize<'de> for Shortened<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Short> Visitor<'de> for Either<T> {
            type Value = Shortened<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }

            fn visit_str<E: Error>(self, kind: &str) -> Result<Self::Value, E> {
                Ok(Shortened(T::from_kind(kind)))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
                T::from_number(value)
                    .map(Shortened)
                    .ok_or_else(|| E::invalid_type(serde::de::Unexpected::Float(value), &self))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
                self.visit_f64(value as f64)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
                self.visit_f64(value as f64)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Shortened)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}
