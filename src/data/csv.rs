//! Tables of numbers separated by commas.

use std::io::{self, Read};
use std::mem;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, ReaderBuilder, Terminator, Trim};

use super::bounded;
use super::{CsvOptions, DataError, Dataset, Header, LabelColumn};

/// A label that asks for more classes is taken for a mistake: the wrong column, most likely.
const MAX_CLASSES: u32 = 100_000;

pub(super) fn load(
    train: &Path,
    test: Option<&Path>,
    options: CsvOptions,
) -> Result<Dataset, DataError> {
    let mut table = Table::new(train);
    table.append(bounded::open(train)?, train, options)?;
    let test_from = table.labels.len();
    if let Some(test) = test {
        table.append(bounded::open(test)?, test, options)?;
    }
    let dataset = table.into_dataset(short_name(train))?;
    match test {
        Some(_) => dataset.with_test_from(test_from),
        None => Ok(dataset),
    }
}

/// The file's name up to its first dot.
fn short_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    name.split_once('.')
        .map_or(&*name, |(stem, _)| stem)
        .to_owned()
}

/// The rows read so far, of one file or of several with the same columns.
pub(super) struct Table {
    /// The first file: its first row says how many columns there are.
    origin: PathBuf,
    columns: Option<usize>,
    features: Vec<f32>,
    labels: Vec<i32>,
}

/// A row of a file, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl Table {
    pub(super) fn new(origin: &Path) -> Self {
        Self {
            origin: origin.to_path_buf(),
            columns: None,
            features: Vec::new(),
            labels: Vec::new(),
        }
    }

    pub(super) fn origin(&self) -> &Path {
        &self.origin
    }

    /// Adds the rows of `path`, whose bytes `reader` gives.
    pub(super) fn append(
        &mut self,
        reader: impl Read,
        path: &Path,
        options: CsvOptions,
    ) -> Result<(), DataError> {
        let mut reader = lines_of(reader);
        let mut record = ByteRecord::new();
        let rows_before = self.labels.len();
        let mut is_first = true;
        while read_record(&mut reader, &mut record, path)? {
            if is_blank(&record) {
                continue;
            }
            // The reader stands behind the newline that ends the row.
            let line = reader.position().line().saturating_sub(1);
            let place = Place { path, line };
            self.check_width(record.len(), place)?;
            if !(mem::take(&mut is_first) && is_heading(&record, options.header)) {
                self.push(&record, options.label, place)?;
            }
        }
        if self.labels.len() == rows_before {
            let path = path.to_path_buf();
            return Err(DataError::Empty { path });
        }
        Ok(())
    }

    /// Every row, headings included, has as many columns as the first one.
    fn check_width(&mut self, found: usize, place: Place) -> Result<(), DataError> {
        let columns = *self.columns.get_or_insert(found);
        if columns < 2 {
            return Err(place.row("1 column: a row is features and a label, separated by commas"));
        }
        if found != columns {
            let origin = self.origin.display();
            return Err(place.row(format!(
                "{found} columns, but the first row of `{origin}` has {columns}"
            )));
        }
        Ok(())
    }

    fn push(
        &mut self,
        record: &ByteRecord,
        label: LabelColumn,
        place: Place,
    ) -> Result<(), DataError> {
        let label_column = match label {
            LabelColumn::First => 0,
            LabelColumn::Last => record.len() - 1,
        };
        for (column, cell) in record.iter().enumerate() {
            if column == label_column {
                let label = parse_label(cell).map_err(|problem| place.cell(column, cell, problem));
                self.labels.push(label?);
            } else {
                let value =
                    parse_feature(cell).map_err(|problem| place.cell(column, cell, problem));
                self.features.push(value?);
            }
        }
        Ok(())
    }

    /// Classes are those up to the largest label; square pictures are guessed.
    pub(super) fn into_dataset(self, name: impl Into<String>) -> Result<Dataset, DataError> {
        let dim = self.columns.map_or(0, |columns| columns - 1);
        let classes = self
            .labels
            .iter()
            .max()
            .map_or(0, |&label| label as usize + 1);
        let dataset = Dataset::new(name, self.features, dim, self.labels, classes)?;
        let side = dim.isqrt();
        if side >= 4 && side * side == dim {
            return dataset.with_image(side, side);
        }
        Ok(dataset)
    }
}

/// A reader of rows by lines, each with its newline, so that errors can count them.
///
/// The reader's own notion of a row's line is that of the blank lines before it, and lags behind
/// where lines end in a carriage return and a newline. Here the newline alone ends a row, the carriage
/// return is trimmed like a blank, and the last line gets a newline if it has none.
fn lines_of<R: Read>(reader: R) -> csv::Reader<impl Read + use<R>> {
    ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .trim(Trim::All)
        .from_reader(reader.chain(&b"\n"[..]))
}

/// What a line of blanks alone, or of a carriage return, leaves.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() == 1 && record[0].is_empty()
}

fn read_record(
    reader: &mut csv::Reader<impl Read>,
    record: &mut ByteRecord,
    path: &Path,
) -> Result<bool, DataError> {
    reader.read_byte_record(record).map_err(|error| {
        let source = match error.into_kind() {
            csv::ErrorKind::Io(source) => source,
            // Rows of any width and any bytes are accepted above, so nothing else is expected.
            kind => io::Error::other(format!("{kind:?}")),
        };
        DataError::read(path, source)
    })
}

fn is_heading(record: &ByteRecord, header: Header) -> bool {
    match header {
        Header::Yes => true,
        Header::No => false,
        Header::Auto => record.iter().any(|cell| number::<f32>(cell).is_none()),
    }
}

fn number<T: std::str::FromStr>(cell: &[u8]) -> Option<T> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

fn parse_feature(cell: &[u8]) -> Result<f32, String> {
    match number::<f32>(cell) {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err("is not finite, or beyond ±3.4e38".to_owned()),
        None => Err("is not a number (a heading needs `header=yes`)".to_owned()),
    }
}

/// A whole number, written 7 or 7.0.
fn parse_label(cell: &[u8]) -> Result<i32, String> {
    match number::<f64>(cell) {
        Some(value) if value.fract() == 0.0 && (0.0..MAX_CLASSES.into()).contains(&value) => {
            Ok(value as i32)
        }
        _ => Err(format!(
            "is not a label: labels are whole numbers from 0 to {} \
             (`label=first` or `label=last` says where they are)",
            MAX_CLASSES - 1
        )),
    }
}

impl Place<'_> {
    fn row(self, problem: impl Into<String>) -> DataError {
        DataError::Row {
            path: self.path.to_path_buf(),
            line: self.line,
            problem: problem.into(),
        }
    }

    fn cell(self, column: usize, cell: &[u8], problem: String) -> DataError {
        DataError::Cell {
            path: self.path.to_path_buf(),
            line: self.line,
            column: column + 1,
            value: excerpt(cell),
            problem,
        }
    }
}

/// A cell as an error may show it: a hostile one could be of any length.
fn excerpt(cell: &[u8]) -> String {
    const LONGEST: usize = 40;
    let shown = &cell[..cell.len().min(LONGEST)];
    let mut text = String::from_utf8_lossy(shown).escape_debug().to_string();
    if cell.len() > LONGEST {
        text.push('…');
    }
    text
}
