//! What is measured: batches, and the bytes that had to move for each.

use crate::spec::{Format, Preset, RowStats};
use std::str::FromStr;

/// Rows × classes, written `64x100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) classes: usize,
}

/// Small rows, image classifiers, and the vocabularies of language models.
pub(super) const SHAPES: [Shape; 6] = [
    Shape::new(256, 10),
    Shape::new(1024, 100),
    Shape::new(1024, 1000),
    Shape::new(128, 32_000),
    Shape::new(32, 128_256),
    Shape::new(8, 151_936),
];

/// Logits in one batch at most: beyond them memory runs out before patience does.
const MOST_LOGITS: usize = 1 << 30;

impl Shape {
    const fn new(rows: usize, classes: usize) -> Self {
        Self { rows, classes }
    }

    pub(super) fn logits(self) -> usize {
        self.rows * self.classes
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once(['x', '×']);
        let parts = parts.and_then(|(b, v)| Some((b.parse().ok()?, v.parse().ok()?)));
        match parts {
            Some((rows @ 1.., classes @ 1..)) => match usize::checked_mul(rows, classes) {
                Some(..=MOST_LOGITS) => Ok(Self { rows, classes }),
                _ => Err(format!("more than {MOST_LOGITS} logits in a batch")),
            },
            _ => Err("rows and classes are written as in 64x100, both at least 1".to_owned()),
        }
    }
}

/// One batch under one loss, with full records and a gradient apart from the logits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) shape: Shape,
    /// Of student, teacher and gradient.
    pub(super) format: Format,
    pub(super) preset: Preset,
}

impl Case {
    /// Student and teacher read, the gradient and the records written, labels read: each once.
    pub(super) fn bytes(&self) -> usize {
        let per_row = size_of::<RowStats>() + size_of::<i32>();
        3 * self.shape.logits() * self.format.bytes() + self.shape.rows * per_row
    }
}

/// What an engine made of a case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Seconds of a call; the median.
    pub(super) median: f64,
    /// Bytes per second, read and written, of a copy with a working set of the case's size.
    pub(super) copy: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_wrong_ones_refused() {
        assert_eq!("64x100".parse(), Ok(Shape::new(64, 100)));
        assert_eq!("1×2".parse(), Ok(Shape::new(1, 2)));
        let huge = format!("{0}x{0}", usize::MAX);
        for wrong in ["", "64", "0x10", "10x0", "x", "-1x5", "65536x65536", &huge] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_are_those_that_had_to_move() {
        let case = Case {
            shape: Shape::new(10, 100),
            format: Format::Bf16,
            preset: Preset::Lr,
        };
        assert_eq!(case.bytes(), 3 * 10 * 100 * 2 + 10 * (64 + 4));
    }
}
