//! Tables of numbers, as programs and people write them.

mod columns;
mod number;
pub(super) mod options;
mod text;

use self::columns::Columns;
use self::number::Numbers;
use self::options::{CsvOptions, Missing, Separator};
use self::text::{Text, excerpt};
use super::bounded;
use super::dataset::Dataset;
use super::error::DataError;
use super::labels::Labels;
use super::layout::Layout;
use ::csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder, Terminator, Trim};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub(super) fn load(
    train: &Path,
    test: Option<&Path>,
    options: &CsvOptions,
    layout: Option<&Layout>,
    on_bytes: &dyn Fn(u64),
) -> Result<Dataset, DataError> {
    let mut table = Table::new(train, layout.cloned());
    let open =
        |path: &Path| bounded::open(path, on_bytes).map_err(|error| unquoted(error, train, test));
    table.append(Box::new(open(train)?), train, options)?;
    let test_from = table.labels.len();
    if let Some(test) = test {
        if is_same_file(train, test) {
            return Err(DataError::Dataset {
                name: short_name(train),
                problem: "the test file is the training file: leave it out to split test rows off"
                    .to_owned(),
            });
        }
        table.append(Box::new(open(test)?), test, options)?;
    }
    let dataset = table.into_dataset(short_name(train), options)?;
    match test {
        Some(_) => dataset.with_test_from(test_from),
        None => Ok(dataset),
    }
}

/// Says how a path with a comma is written, where one was taken for two.
fn unquoted(error: DataError, train: &Path, test: Option<&Path>) -> DataError {
    let whole = test.map(|test| format!("{},{}", train.display(), test.display()));
    match whole {
        Some(whole) if !train.exists() && Path::new(&whole).exists() => DataError::Source {
            given: format!("csv:{whole}"),
            problem: format!("a path with a comma stands between quotes, csv:\"{whole}\""),
        },
        _ => error,
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

/// The file's name up to its first dot.
fn short_name(path: &Path) -> String {
    if path == Path::new(bounded::STANDARD_INPUT) {
        return "standard input".to_owned();
    }
    let name = path.file_name().unwrap_or(path.as_os_str());
    let name = name.to_string_lossy();
    name.split_once('.')
        .map_or(&*name, |(stem, _)| stem)
        .to_owned()
}

/// The rows read so far, of one file or of several with the same columns.
pub(super) struct Table {
    /// The first file.
    origin: PathBuf,
    /// What the features have to be, from the first file on.
    layout: Option<Layout>,
    /// How the first file was read, for people.
    read_as: String,
    features: Vec<f32>,
    labels: Labels,
    /// Whole numbers that tell rows apart, as long as every row has one.
    ids: Option<Vec<i64>>,
    /// Features that are missing.
    missing: usize,
}

/// A row of a file, for errors.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl Table {
    pub(super) fn new(origin: &Path, layout: Option<Layout>) -> Self {
        Self {
            origin: origin.to_path_buf(),
            layout,
            read_as: String::new(),
            features: Vec::new(),
            labels: Labels::default(),
            ids: Some(Vec::new()),
            missing: 0,
        }
    }

    /// Adds the rows of `path`, whose bytes `reader` gives.
    pub(super) fn append<'a>(
        &mut self,
        reader: Box<dyn Read + 'a>,
        path: &Path,
        options: &CsvOptions,
    ) -> Result<(), DataError> {
        let text = Text::new(reader, path, options.separator)?;
        let mut numbers = Numbers::new(text.separator, options.decimal);
        let separator = text.separator;
        let mut rows = Rows::new(text, path);
        let rows_before = self.labels.len();
        let first = rows.first(FIRST)?;
        let Some((start, line)) = first.first() else {
            return Err(empty(path));
        };
        let place = Place { path, line: *line };
        let sample: Vec<ByteRecord> = first.iter().map(|(row, _)| row.clone()).collect();
        let columns = Columns::find(&sample, options, self.layout.as_ref());
        let columns = columns.map_err(|problem| place.row(problem))?;
        debug_assert_eq!(columns.count, start.len());
        if self.read_as.is_empty() {
            self.read_as = described(&columns, separator);
        }
        let skip = usize::from(columns.has_heading);
        for (row, line) in first.iter().skip(skip) {
            self.push(
                row,
                &columns,
                &mut numbers,
                options,
                Place { path, line: *line },
            )?;
        }
        let mut row = ByteRecord::new();
        while let Some(line) = rows.next(&mut row)? {
            self.push(&row, &columns, &mut numbers, options, Place { path, line })?;
        }
        if self.labels.len() == rows_before {
            return Err(empty(path));
        }
        if self
            .layout
            .as_ref()
            .is_none_or(|layout| !layout.needs_label)
        {
            self.layout = Some(self.own_layout(columns));
        }
        Ok(())
    }

    /// What a file that is read next has to be.
    fn own_layout(&self, columns: Columns) -> Layout {
        Layout {
            origin: format!("`{}`", self.origin.display()),
            features: columns.features.len(),
            names: columns.names,
            label: columns.label_name,
            label_at: columns.label,
            needs_label: columns.label.is_some(),
        }
    }

    fn push(
        &mut self,
        row: &ByteRecord,
        columns: &Columns,
        numbers: &mut Numbers,
        options: &CsvOptions,
        place: Place,
    ) -> Result<(), DataError> {
        if row.len() != columns.count {
            return Err(place.row(format!(
                "{} columns, but the first row of `{}` has {}",
                row.len(),
                place.path.display(),
                columns.count
            )));
        }
        for &at in &columns.features {
            let cell = &row[at];
            if let Some(value) = numbers.usual(cell) {
                self.features.push(value);
                continue;
            }
            let value = numbers.parse(cell);
            let value = value.map_err(|problem| place.cell(at, cell, problem))?;
            if value.is_none() {
                if options.missing == Missing::Refuse {
                    let problem = "is missing (`missing=mean` puts the column's mean in its place)";
                    return Err(place.cell(at, cell, problem.to_owned()));
                }
                self.missing += 1;
            }
            self.features.push(value.unwrap_or(f32::NAN));
        }
        match columns.label {
            None => self.labels.push_none(),
            Some(at) => {
                let pushed = self.labels.push(&row[at]);
                pushed.map_err(|problem| place.cell(at, &row[at], problem))?;
            }
        }
        self.push_id(row, columns, place)
    }

    fn push_id(
        &mut self,
        row: &ByteRecord,
        columns: &Columns,
        place: Place,
    ) -> Result<(), DataError> {
        let Some((at, is_asked)) = columns.id else {
            self.ids = None;
            return Ok(());
        };
        let id = std::str::from_utf8(&row[at])
            .ok()
            .and_then(|cell| cell.parse().ok());
        match (id, &mut self.ids) {
            (Some(id), Some(ids)) => ids.push(id),
            (None, _) if is_asked => {
                let problem = "is not an id: ids are whole numbers";
                return Err(place.cell(at, &row[at], problem.to_owned()));
            }
            _ => self.ids = None,
        }
        Ok(())
    }

    /// Classes are those that occur, unless their number is given; pictures are guessed.
    pub(super) fn into_dataset(
        self,
        name: impl Into<String>,
        options: &CsvOptions,
    ) -> Result<Dataset, DataError> {
        let name = name.into();
        let layout = self.layout.as_ref();
        let dim = layout.map_or(0, |layout| layout.features);
        let (labels, classes, class_names) = match options.classes {
            Some(classes) => (self.labels.of_classes(classes, &name)?, classes, None),
            None => {
                let (labels, names) = self.labels.numbered();
                // Where no row has a label, any number of classes is right.
                (labels, names.len().max(1), Some(names))
            }
        };
        let mut dataset = Dataset::read(name, self.features, dim, labels, classes, self.missing)?;
        dataset = dataset.with_columns(self.layout, class_names, self.read_as);
        if let Some(ids) = self.ids {
            dataset = dataset.with_ids(ids);
        }
        let side = dim.isqrt();
        if side >= 4 && side * side == dim && dataset.shares_a_range() {
            return dataset.with_image(side, side);
        }
        Ok(dataset)
    }
}

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 16;
/// So many rows decide what columns are.
const FIRST: usize = 50;

fn empty(path: &Path) -> DataError {
    let path = path.to_path_buf();
    DataError::Empty { path }
}

/// How a file was read, for people; what is usual is left out.
fn described(columns: &Columns, separator: Separator) -> String {
    match separator {
        Separator::Comma => columns.described(),
        other => format!("{}; separator: {}", columns.described(), other.name()),
    }
}

/// The rows of a text, and the lines on which they end.
///
/// The reader's own notion of a row's line is that of the blank lines before it, and lags behind where
/// lines end in a carriage return and a newline. Here the newline alone ends a row, and the carriage
/// return is trimmed like a blank.
struct Rows<'a> {
    reader: Reader<Text<'a>>,
    path: &'a Path,
    /// Whether a row may end in a separator that is a blank.
    blanks: bool,
}

impl<'a> Rows<'a> {
    fn new(text: Text<'a>, path: &'a Path) -> Self {
        Self {
            blanks: text.separator == Separator::Blank,
            reader: ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(text.separator.byte())
                .terminator(Terminator::Any(b'\n'))
                .buffer_capacity(BUFFER)
                .trim(Trim::All)
                .from_reader(text),
            path,
        }
    }

    fn first(&mut self, count: usize) -> Result<Vec<(ByteRecord, u64)>, DataError> {
        let mut rows = Vec::new();
        let mut row = ByteRecord::new();
        while rows.len() < count
            && let Some(line) = self.next(&mut row)?
        {
            rows.push((row.clone(), line));
        }
        Ok(rows)
    }

    /// Reads the next row that is not blank; gives the line on which it ends.
    fn next(&mut self, row: &mut ByteRecord) -> Result<Option<u64>, DataError> {
        loop {
            let read = self.reader.read_byte_record(row);
            let read = read.map_err(|error| {
                let source = match error.into_kind() {
                    ErrorKind::Io(source) => source,
                    // Rows of any width and any bytes are accepted, so nothing else is expected.
                    kind => io::Error::other(format!("{kind:?}")),
                };
                DataError::read(self.path, source)
            })?;
            if !read {
                return Ok(None);
            }
            if self.blanks && row.len() > 1 && row[row.len() - 1].is_empty() {
                row.truncate(row.len() - 1);
            }
            // What a line of blanks alone, or of a carriage return, leaves.
            if !(row.len() == 1 && row[0].is_empty()) {
                // The reader stands behind the newline that ends the row.
                let line = self.reader.position().line().saturating_sub(1);
                return Ok(Some(line));
            }
        }
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
