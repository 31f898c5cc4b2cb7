//! The bytes of a table as lines that end in a newline, and what stands between their cells.

use super::options::Separator;
use crate::data::error::DataError;
use std::io::{self, Chain, Cursor, Read};
use std::path::Path;

/// So many bytes say how a table is laid out.
const SAMPLE: usize = 1 << 16;
/// And so many lines of them.
const LINES: usize = 50;

/// What was looked at already, the rest, and a newline in case the last line has none.
type Whole<'a> = Chain<Chain<Cursor<Vec<u8>>, Box<dyn Read + 'a>>, Cursor<&'static [u8]>>;

/// A table's text: UTF-8 without a mark, lines that end in a newline, the last one too.
pub(super) struct Text<'a> {
    reader: Whole<'a>,
    /// Whether lines end in a carriage return alone.
    returns: bool,
    /// Whether any number of blanks stands between cells.
    blanks: bool,
    /// The last byte that was given, for blanks.
    last: u8,
    pub(super) separator: Separator,
}

impl<'a> Text<'a> {
    pub(super) fn new(
        mut reader: Box<dyn Read + 'a>,
        path: &Path,
        separator: Option<Separator>,
    ) -> Result<Self, DataError> {
        let unread = |error| DataError::read(path, error);
        let mut start = Vec::new();
        let mut sample = (&mut reader).take(SAMPLE as u64);
        sample.read_to_end(&mut start).map_err(unread)?;
        if let Some(little) = is_utf16(&start) {
            reader.read_to_end(&mut start).map_err(unread)?;
            start = from_utf16(&start[2..], little).map_err(unread)?;
            reader = Box::new(io::empty());
        } else if start.starts_with(b"\xef\xbb\xbf") {
            start.drain(..3);
        }
        let returns = !start.contains(&b'\n') && start.contains(&b'\r');
        let separator = separator.unwrap_or_else(|| found(&start, returns));
        Ok(Self {
            reader: Cursor::new(start)
                .chain(reader)
                .chain(Cursor::new(&b"\n"[..])),
            returns,
            blanks: separator == Separator::Blank,
            last: b'\n',
            separator,
        })
    }

    /// One blank between cells, none where a line begins or ends; gives how many bytes are left.
    fn squeeze(&mut self, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        for i in 0..bytes.len() {
            let byte = match bytes[i] {
                b'\t' => b' ',
                byte => byte,
            };
            if byte == b' ' && matches!(self.last, b' ' | b'\n') {
                continue;
            }
            self.last = byte;
            bytes[kept] = byte;
            kept += 1;
        }
        kept
    }
}

impl Read for Text<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.reader.read(bytes)?;
            let read = &mut bytes[..count];
            if self.returns {
                let returns = read.iter_mut().filter(|byte| **byte == b'\r');
                returns.for_each(|byte| *byte = b'\n');
            }
            let kept = match self.blanks {
                true => self.squeeze(read),
                false => count,
            };
            // Nothing kept of something read is not yet the end.
            if kept > 0 || count == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Whether these are two-byte units, by their mark, and then whether the lower byte comes first.
fn is_utf16(start: &[u8]) -> Option<bool> {
    match start {
        [0xff, 0xfe, ..] => Some(true),
        [0xfe, 0xff, ..] => Some(false),
        _ => None,
    }
}

fn from_utf16(bytes: &[u8], little: bool) -> io::Result<Vec<u8>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let of_pair = match little {
        true => u16::from_le_bytes,
        false => u16::from_be_bytes,
    };
    let units = pairs.iter().map(|&pair| of_pair(pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    match text {
        Ok(text) if rest.is_empty() => Ok(text.into_bytes()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its mark says UTF-16, but it is not",
        )),
    }
}

/// What stands between the cells of the first lines: the first separator that each line has, and as
/// often as the others; failing that, the first that each line has.
fn found(start: &[u8], returns: bool) -> Separator {
    let end = if returns { b'\r' } else { b'\n' };
    let mut lines: Vec<&[u8]> = start
        .split(|&byte| byte == end)
        .filter(|line| !line.trim_ascii().is_empty())
        .take(LINES + 1)
        .collect();
    // The last one may go on beyond the sample.
    if lines.len() > 1 && start.len() >= SAMPLE {
        lines.pop();
    }
    let counts = |separator: Separator| {
        lines
            .iter()
            .map(move |line| count(line.trim_ascii(), separator))
    };
    let everywhere = |separator: &Separator| counts(*separator).all(|count| count > 0);
    let evenly = |separator: &Separator| {
        let mut counts = counts(*separator);
        let first = counts.next().unwrap_or(0);
        first > 0 && counts.all(|count| count == first)
    };
    let all = Separator::ALL;
    let known = all
        .iter()
        .find(|s| evenly(s))
        .or_else(|| all.iter().find(|s| everywhere(s)));
    known.copied().unwrap_or(Separator::Comma)
}

/// How often a separator stands in a line, outside of quotes.
fn count(line: &[u8], separator: Separator) -> usize {
    let mut is_quoted = false;
    let mut last = 0;
    let mut count = 0;
    for &byte in line {
        is_quoted ^= byte == b'"';
        let is_it = match separator {
            Separator::Blank => matches!(byte, b' ' | b'\t') && !matches!(last, b' ' | b'\t'),
            other => byte == other.byte(),
        };
        count += usize::from(is_it && !is_quoted);
        last = byte;
    }
    count
}

/// A cell as an error may show it: a hostile one could be of any length.
pub(super) fn excerpt(cell: &[u8]) -> String {
    const LONGEST: usize = 40;
    let shown = &cell[..cell.len().min(LONGEST)];
    let mut text = String::from_utf8_lossy(shown).escape_debug().to_string();
    if cell.len() > LONGEST {
        text.push('…');
    }
    text
}
