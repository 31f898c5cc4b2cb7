//! Logits, or a gradient, in the type of a file.

use crate::data::{Array, ArrayError, Kind, npy};
use half::f16;
use std::io;
use std::path::Path;

/// Logits, or a gradient, in the type of a file; bf16 is widened to f4.
pub(super) enum Logits {
    Half(Vec<f16>),
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Logits {
    pub(super) fn read(array: Array) -> Result<Self, ArrayError> {
        match array.kind() {
            (Kind::Float, 2) => array.read().map(Self::Half),
            (Kind::Float, 8) => array.read().map(Self::Double),
            _ => array.floats().map(Self::Single),
        }
    }

    /// Writes the array with this shape.
    pub(super) fn write(&self, path: &Path, shape: &[usize]) -> io::Result<()> {
        match self {
            Self::Half(values) => npy::write(path, shape, values.iter().copied()),
            Self::Single(values) => npy::write(path, shape, values.iter().copied()),
            Self::Double(values) => npy::write(path, shape, values.iter().copied()),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Half(_) => "f2",
            Self::Single(_) => "f4",
            Self::Double(_) => "f8",
        }
    }

    /// The values in double precision, exactly.
    pub(super) fn into_double(self) -> Vec<f64> {
        match self {
            Self::Half(values) => values.into_iter().map(f64::from).collect(),
            Self::Single(values) => values.into_iter().map(f64::from).collect(),
            Self::Double(values) => values,
        }
    }
}
