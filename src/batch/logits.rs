//! The student's logits and where the gradient goes: nowhere, apart, or over the logits.

/// Logits, and room for the gradient, of all rows.
#[derive(Debug)]
pub(crate) enum RowLogits<'a, S> {
    Alone(&'a [S]),
    Apart(&'a [S], &'a mut [S]),
    InPlace(&'a mut [S]),
}
