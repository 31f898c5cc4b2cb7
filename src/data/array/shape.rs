//! Shapes of arrays.

use super::dtype::DType;
use super::error::Problem;
use std::fmt;

/// Axes that an array may have, as many as in numpy.
const MOST_AXES: usize = 64;

/// A shape as numpy prints it: `(3, 4)`, `(3,)`.
pub(crate) struct Shape<'a, T>(pub(crate) &'a [T]);

impl<T: fmt::Display> fmt::Display for Shape<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            [axis] => write!(f, "({axis},)"),
            axes => {
                let axes: Vec<String> = axes.iter().map(T::to_string).collect();
                write!(f, "({})", axes.join(", "))
            }
        }
    }
}

pub(super) fn product(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1, |n: usize, &axis| n.checked_mul(axis))
}

/// The bytes that a file has for an array.
#[derive(Clone, Copy)]
pub(super) enum Available {
    /// So many, which lie there.
    Stored(u64),
    /// So many, if an archive is to be believed, once it has been unpacked.
    Unpacked(u64),
    /// An unknown number, of which no more than these are read.
    AtMost(u64),
}

impl Available {
    /// What is left behind so many bytes.
    pub(super) fn behind(self, bytes: u64) -> Self {
        match self {
            Self::Stored(all) => Self::Stored(all.saturating_sub(bytes)),
            Self::Unpacked(all) => Self::Unpacked(all.saturating_sub(bytes)),
            Self::AtMost(all) => Self::AtMost(all.saturating_sub(bytes)),
        }
    }

    fn holds(self, claimed: u64) -> bool {
        match self {
            Self::Stored(given) | Self::Unpacked(given) => claimed == given,
            Self::AtMost(limit) => claimed <= limit,
        }
    }
}

/// The shape, if so many bytes can hold it.
pub(super) fn fitting(
    shape: &[u64],
    dtype: &DType,
    available: Available,
) -> Result<Vec<usize>, Problem> {
    if shape.len() > MOST_AXES {
        let axes = shape.len();
        return Err(Problem::new(
            format_args!("its header promises {axes} axes, more than {MOST_AXES}"),
            "reshape the array before saving it",
        ));
    }
    let axes: Option<Vec<usize>> = shape.iter().map(|&axis| axis.try_into().ok()).collect();
    let claimed = axes
        .as_deref()
        .and_then(|axes| product(axes)?.checked_mul(dtype.size));
    if let (Some(axes), Some(claimed)) = (axes, claimed)
        && available.holds(claimed as u64)
    {
        return Ok(axes);
    }
    let claimed = match claimed {
        Some(claimed) => claimed.to_string(),
        None => "more than any file's number of".to_owned(),
    };
    let shape = Shape(shape);
    let promised =
        format!("its header promises shape {shape} of {dtype}, which is {claimed} bytes");
    Err(match available {
        Available::Stored(given) | Available::Unpacked(given) => {
            Problem::damaged(format_args!("{promised}, but {given} follow"))
        }
        Available::AtMost(limit) => Problem::new(
            format_args!("{promised}, but a file of its length may unpack to {limit} at most"),
            "unpack the file, or write it again if it is damaged",
        ),
    })
}

/// Where a value stands: its row, and its column where rows have several.
pub(super) fn place(shape: &[usize], index: usize) -> String {
    match shape {
        [.., columns] if shape.len() > 1 && *columns > 0 => {
            format!("row {}, column {}", index / columns, index % columns)
        }
        _ => format!("row {index}"),
    }
}
