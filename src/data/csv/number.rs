//! Numbers as tables write them.

use super::options::{Decimal, Separator};
use crate::data::labels::is_missing;

/// How the numbers of one table are written, as far as it is known.
pub(super) struct Numbers {
    decimal: Option<Decimal>,
    /// Whether a comma may stand in a cell by itself.
    commas: bool,
}

impl Numbers {
    pub(super) fn new(separator: Separator, decimal: Option<Decimal>) -> Self {
        Self {
            decimal,
            commas: separator != Separator::Comma,
        }
    }

    /// A finite number with a decimal point, where nothing else may be meant: almost every cell.
    #[inline]
    pub(super) fn usual(&self, cell: &[u8]) -> Option<f32> {
        let is_plain = !self.commas && self.decimal != Some(Decimal::Comma);
        plain(cell).filter(|value| is_plain && value.is_finite())
    }

    /// A finite number, or none where it is missing. A table has decimal points or decimal commas, and
    /// not both: one of them would stand between thousands.
    pub(super) fn parse(&mut self, cell: &[u8]) -> Result<Option<f32>, String> {
        if is_missing(cell) {
            return Ok(None);
        }
        let written = match (cell.contains(&b'.'), cell.contains(&b',')) {
            (true, true) => return Err(THOUSANDS.to_owned()),
            (true, false) => Some(Decimal::Point),
            (false, true) => Some(Decimal::Comma),
            (false, false) => None,
        };
        if let Some(written) = written {
            let known = *self.decimal.get_or_insert(match self.commas {
                true => written,
                false => Decimal::Point,
            });
            if known != written && number_with(cell, written).is_some() {
                return Err(other_decimal(known).to_owned());
            }
        }
        match number_with(cell, written.unwrap_or(Decimal::Point)) {
            Some(value) => finite(value, cell),
            None => Err("is not a number (a heading needs `header=yes`)".to_owned()),
        }
    }
}

const THOUSANDS: &str = "is not a number: remove the thousands separators";

fn other_decimal(known: Decimal) -> &'static str {
    match known {
        Decimal::Point => {
            "has a decimal comma, but this table is read with decimal points: add decimal=comma if commas are \
             right"
        }
        Decimal::Comma => {
            "has a decimal point, but this table is read with decimal commas: add decimal=point if points are \
             right"
        }
    }
}

fn finite(value: f32, cell: &[u8]) -> Result<Option<f32>, String> {
    match value.is_finite() {
        true => Ok(Some(value)),
        false if is_missing(cell) => Ok(None),
        false => Err("is not finite, or beyond ±3.4e38".to_owned()),
    }
}

fn plain(cell: &[u8]) -> Option<f32> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

fn number_with(cell: &[u8], decimal: Decimal) -> Option<f32> {
    match decimal {
        Decimal::Point => plain(cell),
        Decimal::Comma => {
            let point = |&byte: &u8| if byte == b',' { b'.' } else { byte };
            plain(&cell.iter().map(point).collect::<Vec<u8>>())
        }
    }
}

/// Whether a cell is a number, however it is written.
pub(super) fn is_number(cell: &[u8]) -> bool {
    number_with(cell, Decimal::Comma).is_some_and(|value| !value.is_nan())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_points_or_commas_and_not_both() {
        let parse = |cells: &[&str], separator, decimal| {
            let mut numbers = Numbers::new(separator, decimal);
            let mut parse = |cell: &&str| match numbers.usual(cell.as_bytes()) {
                Some(value) => Ok(Some(value)),
                None => numbers.parse(cell.as_bytes()),
            };
            cells.iter().map(&mut parse).collect::<Result<Vec<_>, _>>()
        };
        let all = |values: &[f32]| Ok(values.iter().copied().map(Some).collect::<Vec<_>>());
        let semicolon = Separator::Semicolon;
        assert_eq!(
            parse(&["1,5", "-2,25e1", "3"], semicolon, None),
            all(&[1.5, -22.5, 3.0])
        );
        assert_eq!(
            parse(&["1.5", "-2.25e1", "3"], semicolon, None),
            all(&[1.5, -22.5, 3.0])
        );
        assert_eq!(
            parse(&["1,5", "2"], Separator::Comma, Some(Decimal::Comma)),
            all(&[1.5, 2.0])
        );
        assert_eq!(
            parse(&["", "NA", "nan", "?"], semicolon, None),
            Ok(vec![None; 4])
        );
        for (cells, separator, decimal, expected) in [
            (
                &["1,5", "1.5"][..],
                semicolon,
                None,
                "this table is read with decimal commas",
            ),
            (
                &["1.5", "1,5"],
                semicolon,
                None,
                "this table is read with decimal points",
            ),
            (
                &["1,5"],
                Separator::Comma,
                None,
                "this table is read with decimal points",
            ),
            (
                &["1.5"],
                Separator::Comma,
                Some(Decimal::Comma),
                "read with decimal commas",
            ),
            (&["1.234,5"], semicolon, None, "thousands separators"),
            (&["1,234,567"], semicolon, None, "is not a number"),
            (&["-inf"], semicolon, None, "is not finite"),
            (&["1e39"], Separator::Comma, None, "is not finite"),
            (
                &["one"],
                Separator::Comma,
                None,
                "is not a number (a heading",
            ),
        ] {
            let error = parse(cells, separator, decimal).unwrap_err();
            assert!(error.contains(expected), "{cells:?}: {error}");
        }
    }
}
