//! The header of an npy file: a magic number, a version, a length, and a Python dictionary such as
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
//!
//! The reader takes nothing on trust: it accepts the dictionary of a plain array and nothing else, in
//! one pass.

use crate::data::text::excerpt;
use std::io::{self, Read};

/// What every npy file begins with.
pub(in crate::data::array) const MAGIC: &[u8] = b"\x93NUMPY";

/// What a header may be long: as much as version 1 of the format can say.
const MAX_LENGTH: u32 = 65_535;

/// Characters that an error shows of it.
const SHOWN: usize = 24;

/// A header as it stands in the file.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// The type of a value, such as `<f4`.
    pub(super) descr: String,
    /// Whether the first index runs fastest.
    pub(super) fortran_order: bool,
    /// The length of each axis.
    pub(super) shape: Vec<u64>,
}

/// Why a header could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeaderError {
    #[error("it does not begin with the magic number of an npy file")]
    Magic,
    #[error("version {0}.{1} of the format is unknown")]
    Version(u8, u8),
    #[error("its header claims {0} bytes, more than {MAX_LENGTH}")]
    Length(u32),
    #[error("its header is not that of a plain array: {0}")]
    Text(String),
    #[error("its header cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Reads magic number, version, length and dictionary; leaves `file` at the first value. Also returns
/// the bytes that have been read.
pub(super) fn read(file: &mut impl Read) -> Result<(Header, u64), HeaderError> {
    let mut start = [0; 8];
    match file.read_exact(&mut start) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        Ok(()) if start.starts_with(MAGIC) => {}
        _ => return Err(HeaderError::Magic),
    }
    let (length, before) = match (start[6], start[7]) {
        (1, 0) => (u32::from(u16::from_le_bytes(bytes(file)?)), 10),
        (2 | 3, 0) => (u32::from_le_bytes(bytes(file)?), 12),
        (major, minor) => return Err(HeaderError::Version(major, minor)),
    };
    if length > MAX_LENGTH {
        return Err(HeaderError::Length(length));
    }
    let mut text = vec![0; length as usize];
    file.read_exact(&mut text)?;
    let header = parse(&String::from_utf8_lossy(&text)).map_err(HeaderError::Text)?;
    Ok((header, before + u64::from(length)))
}

/// The header of version 1 of an array in C order; the values begin at a multiple of 64 bytes.
pub(super) fn bytes_of(descr: &str, shape: &str) -> Vec<u8> {
    const ALIGNMENT: usize = 64;
    let mut text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}");
    let length = (10 + text.len() + 1).next_multiple_of(ALIGNMENT) - 10;
    text.extend(std::iter::repeat_n(' ', length - 1 - text.len()));
    text.push('\n');
    let length = u16::try_from(length).expect("a record has few fields");
    [
        b"\x93NUMPY\x01\x00",
        &length.to_le_bytes()[..],
        text.as_bytes(),
    ]
    .concat()
}

fn bytes<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes).map(|()| bytes)
}

fn parse(text: &str) -> Result<Header, String> {
    let mut rest = Rest(text);
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    rest.expect("{")?;
    while !rest.take("}") {
        let key = rest.string()?;
        rest.expect(":")?;
        match key {
            "descr" => descr = Some(rest.string()?.to_owned()),
            "fortran_order" => fortran_order = Some(rest.boolean()?),
            "shape" => shape = Some(rest.shape()?),
            _ => return Err(format!("it has an unknown key \"{}\"", excerpt(key, SHOWN))),
        }
        if !rest.take(",") {
            rest.expect("}")?;
            break;
        }
    }
    if !rest.0.trim_start().is_empty() {
        return Err(rest.instead_of("its end"));
    }
    let missing = |key| move || format!("it lacks the key \"{key}\"");
    Ok(Header {
        descr: descr.ok_or_else(missing("descr"))?,
        fortran_order: fortran_order.ok_or_else(missing("fortran_order"))?,
        shape: shape.ok_or_else(missing("shape"))?,
    })
}

/// What is left of the text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Steps over `token`, and the white space before it, if it comes next.
    fn take(&mut self, token: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(self.instead_of(&format!("`{token}`"))),
        }
    }

    /// A string in either kind of quotes, without escapes.
    fn string(&mut self) -> Result<&'a str, String> {
        for quote in ["'", "\""] {
            if self.take(quote) {
                let closed = self.0.split_once(quote);
                let (string, rest) = closed.ok_or_else(|| self.instead_of("a closed string"))?;
                self.0 = rest;
                return Ok(string);
            }
        }
        Err(self.instead_of("a string"))
    }

    fn boolean(&mut self) -> Result<bool, String> {
        if self.take("True") {
            return Ok(true);
        }
        match self.take("False") {
            true => Ok(false),
            false => Err(self.instead_of("`True` or `False`")),
        }
    }

    /// A tuple of lengths.
    fn shape(&mut self) -> Result<Vec<u64>, String> {
        self.expect("(")?;
        let mut shape = Vec::new();
        while !self.take(")") {
            shape.push(self.length()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(shape)
    }

    /// Decimal digits. Python 2 put an `L` behind long ones.
    fn length(&mut self) -> Result<u64, String> {
        let text = self.0.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
        let length = digits.parse();
        let length = length.map_err(|_| self.instead_of("a length below 2^64"))?;
        self.0 = rest.strip_prefix('L').unwrap_or(rest);
        Ok(length)
    }

    fn instead_of(&self, expected: &str) -> String {
        format!(
            "`{}` stands where {expected} should be",
            excerpt(self.0.trim(), SHOWN)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_they_are_written() {
        let header = |shape: &[u64]| Header {
            descr: "<f4".to_owned(),
            fortran_order: false,
            shape: shape.to_vec(),
        };
        for (text, shape) in [
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n",
                &[3, 4][..],
            ),
            (
                "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
                &[3],
            ),
            ("{'shape': (), 'fortran_order': False, 'descr': '<f4'}", &[]),
            (
                "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(10L,4)}",
                &[10, 4],
            ),
        ] {
            assert_eq!(parse(text), Ok(header(shape)), "{text}");
        }
    }

    #[test]
    fn texts_that_are_no_header_of_a_plain_array() {
        let nested = "[".repeat(60_000);
        for (text, expected) in [
            ("", "`{`"),
            ("{", "a string"),
            (nested.as_str(), "`{`"),
            ("{'descr': [('a', '<f4')], 'shape': ()}", "a string"),
            ("{'descr': '<f4", "a closed string"),
            ("{'descr': '<f4'}", "lacks the key \"fortran_order\""),
            ("{'fortran_order': 0}", "`True` or `False`"),
            ("{'shape': (-3,)}", "a length"),
            ("{'shape': (18446744073709551616,)}", "a length"),
            ("{'shape': ((3,),)}", "a length"),
            ("{'shape': 3}", "`(`"),
            ("{'a\u{7}': 3}", "unknown key \"a\u{fffd}\""),
            ("{'shape': (3)} }", "its end"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(expected), "{text:.60}: {error}");
            assert!(error.len() < 200, "{error}");
        }
    }
}
