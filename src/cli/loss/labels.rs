//! Labels: one class per row of the logits.

use super::per_row;
use crate::cli::failure::failed;
use crate::data::{Array, ArrayPath, Kind};
use miette::Report;

/// Opens labels, whose shape is that of the logits without the classes.
pub(super) fn open(path: &ArrayPath, logits: &Array) -> Result<Array, Report> {
    let array = path.open()?;
    if array.shape() == logits.shape() {
        let remedy = "labels are the numbers of classes: if they are one-hot, save .argmax(-1)";
        return Err(per_row::disagreement(logits, &array, remedy));
    }
    per_row::fitting(array, logits)
}

/// Numbers of classes: 1 and 0 for true and false.
pub(super) fn read(array: Array) -> Result<Vec<i32>, Report> {
    match array.kind() {
        (Kind::Bool, _) => Ok(array.booleans()?.into_iter().map(i32::from).collect()),
        (Kind::Int | Kind::Uint, _) => {
            let path = array.path().clone();
            let label = |(row, value): (usize, i64)| {
                value.try_into().map_err(|_| {
                    failed(
                        format_args!("`{path}`, row {row}: {value} is no class"),
                        "labels are 0..V, and −100 for a row without one",
                    )
                })
            };
            array
                .integers()?
                .into_iter()
                .enumerate()
                .map(label)
                .collect()
        }
        _ => Err(array
            .wrong_type("integers", "save labels as .astype('i4')")
            .into()),
    }
}
