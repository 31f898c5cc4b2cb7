//! The type of an array's values, such as `<f4`.

use std::fmt;
use std::str::FromStr;

/// What a value is, as numpy's array protocol names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `f`
    Float,
    /// bfloat16, which only safetensors have.
    Bfloat,
    /// `i`
    Int,
    /// `u`
    Uint,
    /// `b`, a byte each: 0 or 1.
    Bool,
    /// `V`: bytes of no type.
    Raw,
    /// Complex numbers, dates and text: arrays that this program has no use for.
    Other,
}

/// What stands before a type in npy files; `|` is for types that have no order.
const BYTE_ORDERS: [char; 4] = ['<', '>', '|', '='];

/// A plain type: its text, and what the text says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DType {
    text: String,
    pub(super) kind: Kind,
    /// Bytes of a value.
    pub(super) size: usize,
    pub(super) big_endian: bool,
}

impl DType {
    /// A type of safetensors, whose bytes have one order.
    pub(super) fn of_tensor(kind: Kind, name: &str, size: usize) -> Self {
        Self {
            text: name.to_owned(),
            kind,
            size,
            big_endian: false,
        }
    }

    /// The text without its byte order, such as `f4`.
    pub(super) fn name(&self) -> &str {
        self.text.trim_start_matches(BYTE_ORDERS)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for DType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const UNKNOWN: &str = "it is not a byte order, a letter and a size, such as <f4";
        // It is printed in errors, so that it holds nothing long and nothing that moves a cursor.
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let rest = text.strip_prefix(BYTE_ORDERS);
        let rest = rest.filter(|rest| rest.len() < 24 && printable(rest));
        let rest = rest.ok_or(UNKNOWN)?;
        let letter = rest.chars().next().ok_or(UNKNOWN)?;
        let kind = match letter {
            'f' => Kind::Float,
            'i' => Kind::Int,
            'u' => Kind::Uint,
            'V' => Kind::Raw,
            'O' => return Err("it is made of Python objects"),
            'b' if rest == "b1" => Kind::Bool,
            'b' | 'c' | 'm' | 'M' | 'S' | 'a' | 'U' => Kind::Other,
            _ => return Err(UNKNOWN),
        };
        let digits = &rest[1..];
        // Dates have their unit behind the size.
        let digits = match (letter, digits.split_once('[')) {
            ('m' | 'M', Some((digits, _))) => digits,
            _ => digits,
        };
        if digits.contains('+') {
            return Err(UNKNOWN);
        }
        let size: usize = digits.parse().map_err(|_| UNKNOWN)?;
        // Text has four bytes a character.
        let bytes = size.checked_mul(if letter == 'U' { 4 } else { 1 });
        let dtype = Self {
            text: text.to_owned(),
            kind,
            size: bytes.ok_or(UNKNOWN)?,
            big_endian: text.starts_with('>')
                || text.starts_with('=') && cfg!(target_endian = "big"),
        };
        let is_number = matches!(kind, Kind::Float | Kind::Int | Kind::Uint);
        if is_number && size > 1 && text.starts_with('|') {
            return Err("numbers of several bytes need a byte order, < or >");
        }
        Ok(dtype)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_as_numpy_writes_them() {
        for (text, kind, size, big_endian) in [
            ("<f4", Kind::Float, 4, false),
            (">f8", Kind::Float, 8, true),
            ("|i1", Kind::Int, 1, false),
            ("<u8", Kind::Uint, 8, false),
            ("|V2", Kind::Raw, 2, false),
            ("|b1", Kind::Bool, 1, false),
            ("<U5", Kind::Other, 20, false),
            ("<M8[ns]", Kind::Other, 8, false),
        ] {
            let dtype: DType = text.parse().unwrap();
            assert_eq!((dtype.kind, dtype.size), (kind, size), "{text}");
            assert_eq!(dtype.big_endian, big_endian, "{text}");
            assert_eq!((dtype.to_string(), dtype.name()), (text.into(), &text[1..]));
        }
    }

    #[test]
    fn texts_that_are_no_plain_type() {
        for text in [
            "",
            "<",
            "f4",
            "<f",
            "<f-4",
            "<f4 ",
            "<f+4",
            "<f00000000000000000000000004",
            "<M8[\u{1b}[2J]",
            "<é4",
            "<x4",
            "|O",
            "|f4",
            "<f[4]",
            "<U9999999999999999999",
            "<U9223372036854775807",
        ] {
            assert!(text.parse::<DType>().is_err(), "{text:?}");
        }
    }
}
