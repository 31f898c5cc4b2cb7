//! The size of a batch.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Rows × classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) classes: usize,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.classes)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|&n: &usize| n > 0);
        let shape = given.split_once('x').and_then(|(rows, classes)| {
            let (rows, classes) = (number(rows)?, number(classes)?);
            // What is allocated stays below 2^40 bytes.
            (rows.checked_mul(classes)? <= 1 << 36).then_some(Self { rows, classes })
        });
        shape.ok_or_else(|| {
            "must be rows x classes, such as 1024x1000, at least 1 each and at most 2^36 logits, or the \
             name of a list, such as language"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read() {
        let shape = |rows, classes| Ok(Shape { rows, classes });
        assert_eq!("1024x1000".parse(), shape(1024, 1000));
        for wrong in [
            "",
            "x",
            "10",
            "0x10",
            "10x0",
            "-1x10",
            "10x10x10",
            "68719476737x1",
        ] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }
}
