//! Arrays with one number per row of the logits.

use crate::cli::failure::failed;
use crate::data::{Array, ArrayError, ArrayPath, Kind, Shape, Value};
use miette::Report;

/// Opens an array with one number per row.
pub(super) fn open(path: &ArrayPath, logits: &Array) -> Result<Array, Report> {
    fitting(path.open()?, logits)
}

/// The array, if its shape is that of the logits without the classes; an axis of length 1 may stand
/// in their place.
pub(super) fn fitting(array: Array, logits: &Array) -> Result<Array, Report> {
    let rows = match logits.shape() {
        [rows @ .., _] => rows,
        [] => &[],
    };
    match array.shape() {
        shape if shape == rows => Ok(array),
        [shape @ .., 1] if shape == rows => Ok(array),
        _ => {
            let rows = Shape(rows);
            let remedy = format!("give one value per row of the logits, shape {rows}");
            Err(disagreement(logits, &array, &remedy))
        }
    }
}

/// The error of a shape that does not go with the logits'.
pub(super) fn disagreement(logits: &Array, other: &Array, remedy: &str) -> Report {
    let wrong = format!(
        "`{}` has shape {}, but `{}` has shape {}",
        logits.path(),
        Shape(logits.shape()),
        other.path(),
        Shape(other.shape())
    );
    failed(wrong, remedy)
}

/// Numbers of any type, in single precision: 1 and 0 for true and false.
pub(super) fn read(array: Array) -> Result<Vec<f32>, ArrayError> {
    match array.kind() {
        (Kind::Bool, _) => Ok(array.booleans()?.into_iter().map(f32::from).collect()),
        (Kind::Int, 1) => rounded::<i8>(array, f32::from),
        (Kind::Int, 2) => rounded::<i16>(array, f32::from),
        (Kind::Int, 4) => rounded::<i32>(array, |value| value as f32),
        (Kind::Int, 8) => rounded::<i64>(array, |value| value as f32),
        (Kind::Uint, 1) => rounded::<u8>(array, f32::from),
        (Kind::Uint, 2) => rounded::<u16>(array, f32::from),
        (Kind::Uint, 4) => rounded::<u32>(array, |value| value as f32),
        (Kind::Uint, 8) => rounded::<u64>(array, |value| value as f32),
        _ => array.floats(),
    }
}

fn rounded<T: Value>(array: Array, round: fn(T) -> f32) -> Result<Vec<f32>, ArrayError> {
    Ok(array.read::<T>()?.into_iter().map(round).collect())
}
