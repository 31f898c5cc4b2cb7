//! Batches in the host's memory, as slices.

use super::builder::{Place, Upstream};
use super::builder::{feature_batch, row_batch};
use super::logits::RowLogits;
use crate::spec::{ArgumentError, RowStats};

row_batch! {
    /// A batch of logits in slices: what a call reads and writes.
    #[derive(Debug)]
    pub struct Batch['a, S, T]['a, S, T] {
        student: &'a [S] => &'a [S],
        written: &'a mut [S] => &'a mut [S],
        teacher: &'a [T] => &'a [T],
        labels: &'a [i32] => &'a [i32],
        floats: &'a [f32] => &'a [f32],
        scalar: &'a f32 => &'a f32,
        stats: &'a mut [RowStats] => &'a mut [RowStats],
        total: &'a mut f32 => &'a mut f32,
        workspace: &'a mut [u8] => &'a mut [u8],
    }
}

feature_batch! {
    /// A batch of features in slices: what a call reads and writes.
    #[derive(Debug)]
    pub struct FeatureBatch['a, S, T]['a, S, T] {
        student: &'a [S] => &'a [S],
        written: &'a mut [S] => &'a mut [S],
        target: &'a [T] => &'a [T],
        floats: &'a [f32] => &'a [f32],
        scalar: &'a f32 => &'a f32,
        distances: &'a mut [f32] => &'a mut [f32],
        total: &'a mut f32 => &'a mut f32,
        workspace: &'a mut [u8] => &'a mut [u8],
    }
}

impl Upstream<&f32> {
    pub(crate) fn value(self) -> f32 {
        match self {
            Self::Known(upstream) => upstream,
            Self::At(upstream) => *upstream,
        }
    }
}

impl<'a, S> Place<&'a [S], &'a mut [S]> {
    /// The student's rows as long as nothing has been written over them.
    pub(crate) fn read(&self) -> &[S] {
        match self {
            Self::Read(rows) => rows,
            Self::InPlace(rows) => rows,
        }
    }

    /// The rows with their gradient's room, where the batch has been checked.
    pub(crate) fn with(self, gradient: Option<&'a mut [S]>) -> RowLogits<'a, S> {
        match (self, gradient) {
            (Self::Read(rows), None) => RowLogits::Alone(rows),
            (Self::Read(rows), Some(gradient)) => RowLogits::Apart(rows, gradient),
            (Self::InPlace(rows), _) => RowLogits::InPlace(rows),
        }
    }
}

/// A call's total, which is also written where the batch has room for it.
pub(crate) fn written(total: f32, room: Option<&mut f32>) -> f32 {
    if let Some(room) = room {
        *room = total;
    }
    total
}

impl<R, W> Place<R, W> {
    /// Refuses a gradient apart where it is written over the student's rows.
    pub(crate) fn takes<G>(&self, gradient: Option<G>) -> Result<(), ArgumentError> {
        match (self, gradient) {
            (Self::InPlace(_), Some(_)) => Err(ArgumentError::Unused {
                argument: "gradient",
                why: "the batch is in place: the gradient is written over the student's rows",
            }),
            _ => Ok(()),
        }
    }
}
