//! Arrays in files: npy, plain or gzip, one of an npz, one of a safetensors file.
//!
//! Files are read with distrust: nothing is allocated before a header's claims have been held against
//! the length of the file, and what unpacks is bounded.

mod dtype;
mod error;
mod format;
mod found;
pub(crate) mod npy;
mod npz;
mod order;
mod path;
mod safetensors;
mod shape;
mod source;
#[cfg(test)]
mod tests;
mod value;
mod zip;

pub(crate) use dtype::Kind;
pub(crate) use error::ArrayError;
pub(crate) use path::ArrayPath;
pub(crate) use shape::Shape;
pub(crate) use value::Value;

use error::Problem;
use found::Found;
use half::{bf16, f16};
use std::fmt::Display;

/// An array whose header fits its file; its values have not been read yet.
pub(crate) struct Array {
    path: ArrayPath,
    found: Found,
}

impl ArrayPath {
    /// Opens the file and reads the array's header.
    pub(crate) fn open(&self) -> Result<Array, ArrayError> {
        let (file, key) = self.parts();
        match format::open(&file, key) {
            Ok(found) => Ok(Array {
                path: self.clone(),
                found,
            }),
            Err(problem) => Err(problem.at(self)),
        }
    }
}

impl Array {
    pub(crate) fn path(&self) -> &ArrayPath {
        &self.path
    }

    /// The length of each axis; their product fits `usize`.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.found.shape
    }

    /// The kind of values and their size in bytes.
    pub(crate) fn kind(&self) -> (Kind, usize) {
        (self.found.dtype.kind, self.found.dtype.size)
    }

    /// The type without its byte order, such as `f4`.
    pub(crate) fn type_name(&self) -> String {
        self.found.dtype.name().to_owned()
    }

    /// An error about the type of the values.
    pub(crate) fn wrong_type(&self, expected: &str, remedy: &str) -> ArrayError {
        let problem = format!("it holds {}, not {expected}", self.found.dtype);
        Problem::new(problem, remedy).at(&self.path)
    }

    /// The values, the last index running fastest. `T` is what [`kind`](Self::kind) says.
    pub(crate) fn read<T: Value>(self) -> Result<Vec<T>, ArrayError> {
        let Self { path, found } = self;
        found.read().map_err(|error| Problem::from(error).at(&path))
    }

    /// The values of an array of floats, in single precision: f8 is rounded, the others are exact.
    pub(crate) fn floats(self) -> Result<Vec<f32>, ArrayError> {
        match self.kind() {
            (Kind::Float, 2) => Ok(self.read::<f16>()?.into_iter().map(f32::from).collect()),
            (Kind::Bfloat, 2) => Ok(self.read::<bf16>()?.into_iter().map(f32::from).collect()),
            (Kind::Float, 4) => self.read(),
            (Kind::Float, 8) => self.rounded(),
            _ => Err(self.not_floats()),
        }
    }

    /// The values of an array of booleans.
    pub(crate) fn booleans(self) -> Result<Vec<bool>, ArrayError> {
        let (path, shape) = (self.path.clone(), self.shape().to_vec());
        let boolean = |(i, byte): (usize, u8)| match byte {
            0 | 1 => Ok(byte == 1),
            _ => {
                let place = shape::place(&shape, i);
                let problem = format!("{place}: the byte {byte} is no boolean");
                Err(Problem::damaged(problem).at(&path))
            }
        };
        match self.kind() {
            (Kind::Bool, 1) => {
                let bytes = self.read::<u8>()?;
                bytes.into_iter().enumerate().map(boolean).collect()
            }
            _ => Err(self.wrong_type("booleans", "save it as .astype(bool)")),
        }
    }

    /// The values of an array of integers of any size.
    pub(crate) fn integers(self) -> Result<Vec<i64>, ArrayError> {
        match self.kind() {
            (Kind::Int, 1) => self.widened::<i8>(),
            (Kind::Int, 2) => self.widened::<i16>(),
            (Kind::Int, 4) => self.widened::<i32>(),
            (Kind::Int, 8) => self.read(),
            (Kind::Uint, 1) => self.widened::<u8>(),
            (Kind::Uint, 2) => self.widened::<u16>(),
            (Kind::Uint, 4) => self.widened::<u32>(),
            (Kind::Uint, 8) => self.widened::<u64>(),
            _ => Err(self.wrong_type("integers", "save it as .astype('i4')")),
        }
    }

    fn widened<T: Value + TryInto<i64> + Display>(self) -> Result<Vec<i64>, ArrayError> {
        let (path, shape) = (self.path.clone(), self.shape().to_vec());
        let wide = |(i, value): (usize, T)| {
            value.try_into().map_err(|_| {
                let problem = format!(
                    "{}: {value} is beyond the range of i8",
                    shape::place(&shape, i)
                );
                Problem::new(problem, "smaller numbers").at(&path)
            })
        };
        self.read::<T>()?
            .into_iter()
            .enumerate()
            .map(wide)
            .collect()
    }

    /// The error of an array that was to hold floats.
    pub(crate) fn not_floats(&self) -> ArrayError {
        let remedy = match self.kind() {
            // That is how ml_dtypes stores bfloat16.
            (Kind::Raw, 2) => "npy files have no bf16: save it as .astype('f4'), which is exact",
            _ => "save it as .astype('f4')",
        };
        self.wrong_type("floats of 2, 4 or 8 bytes", remedy)
    }

    fn rounded(self) -> Result<Vec<f32>, ArrayError> {
        let (path, shape) = (self.path.clone(), self.shape().to_vec());
        let single = |(i, value): (usize, f64)| match value as f32 {
            // A finite value that became infinite would mask a class, or spoil a row.
            infinite if infinite.is_infinite() && value.is_finite() => {
                let place = shape::place(&shape, i);
                let problem = format!("{place}: {value:e} is beyond the range of f4");
                Err(Problem::new(problem, "scale the values before saving them").at(&path))
            }
            single => Ok(single),
        };
        let values = self.read::<f64>()?;
        values.into_iter().enumerate().map(single).collect()
    }
}
