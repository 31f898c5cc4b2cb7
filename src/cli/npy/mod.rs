//! Arrays in npy files, read with distrust: nothing is allocated before the header's claims have
//! been held against the length of the file.

mod dtype;
mod header;
mod value;

pub(super) use dtype::Kind;
pub(super) use value::Value;

use super::failure::failed;
use dtype::DType;
use header::Header;
use miette::{Report, WrapErr};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::path::{Path, PathBuf};

/// An npy file whose header fits its length; its values have not been read yet.
pub(super) struct Array {
    path: PathBuf,
    dtype: DType,
    fortran_order: bool,
    shape: Vec<usize>,
    values: BufReader<File>,
}

impl Array {
    /// Opens a file and reads its header.
    pub(super) fn open(path: &Path) -> Result<Self, Report> {
        Self::try_open(path).wrap_err_with(|| format!("cannot read `{}`", path.display()))
    }

    fn try_open(path: &Path) -> Result<Self, Report> {
        let metadata = fs::metadata(path).map_err(unreadable)?;
        // A pipe could block for ever, and it has no length to hold a header against.
        if !metadata.is_file() {
            let remedy = "write the array to a file first";
            return Err(failed("it is not a regular file", remedy));
        }
        let mut values = BufReader::new(File::open(path).map_err(unreadable)?);
        let header = header::read(&mut values)
            .map_err(|error| failed(error, "save one plain array with numpy.save"))?;
        let dtype = dtype(&header)?;
        let start = values.stream_position().map_err(unreadable)?;
        let shape = fitting_shape(&header, &dtype, metadata.len().saturating_sub(start))?;
        Ok(Self {
            path: path.to_path_buf(),
            dtype,
            fortran_order: header.fortran_order,
            shape,
            values,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The length of each axis; their product fits `usize`.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The kind of values and their size in bytes.
    pub(super) fn kind(&self) -> (Kind, usize) {
        (self.dtype.kind, self.dtype.size)
    }

    /// The type without its byte order, such as `f4`.
    pub(super) fn type_name(&self) -> String {
        self.dtype.name().to_owned()
    }

    /// An error about the type of the values.
    pub(super) fn wrong_type(&self, expected: &str, remedy: &str) -> Report {
        let path = self.path.display();
        failed(
            format_args!("`{path}` holds {}, not {expected}", self.dtype),
            remedy,
        )
    }

    /// The values, the last index running fastest. `T` is what [`kind`](Self::kind) says.
    pub(super) fn read<T: Value>(mut self) -> Result<Vec<T>, Report> {
        let length = product(&self.shape).unwrap_or(usize::MAX);
        let values = value::read(&mut self.values, length, self.dtype.big_endian);
        let values = values.map_err(unreadable);
        let values = values.wrap_err_with(|| format!("cannot read `{}`", self.path.display()))?;
        match self.shape[..] {
            [rows, columns] if self.fortran_order => {
                let place = |i: usize| values[i % columns * rows + i / columns];
                Ok((0..values.len()).map(place).collect())
            }
            _ => Ok(values),
        }
    }
}

fn unreadable(error: io::Error) -> Report {
    failed(
        error,
        "check that it is the right path, and a file that may be read",
    )
}

fn dtype(header: &Header) -> Result<DType, Report> {
    header.descr.parse().map_err(|problem| {
        let descr: String = header.descr.chars().take(24).collect();
        failed(
            format_args!("its values have the type {descr:?}: {problem}"),
            "save one array of plain numbers with numpy.save",
        )
    })
}

/// The shape, if it is that of a file with `given` bytes of values.
fn fitting_shape(header: &Header, dtype: &DType, given: u64) -> Result<Vec<usize>, Report> {
    let shape: Option<Vec<usize>> = header
        .shape
        .iter()
        .map(|&axis| axis.try_into().ok())
        .collect();
    let claimed = shape
        .as_deref()
        .and_then(|shape| product(shape)?.checked_mul(dtype.size));
    match (shape, claimed) {
        (Some(shape), Some(claimed)) if claimed as u64 == given => Ok(shape),
        (_, claimed) => {
            let claimed = claimed.map_or("more than any file's number of".to_owned(), |n| {
                n.to_string()
            });
            Err(failed(
                format_args!(
                    "its header promises shape {} of {dtype}, which is {claimed} bytes, but \
                     {given} follow",
                    Shape(&header.shape)
                ),
                "the file is truncated or damaged: write it again",
            ))
        }
    }
}

fn product(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1, |n: usize, &axis| n.checked_mul(axis))
}

/// Writes an array, the last index running fastest.
pub(super) fn write<T: Value>(
    path: &Path,
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let descr = format!("'{}'", T::DESCR);
    let put = |out: &mut BufWriter<File>, value: T| value.write(out);
    write_as(path, shape, &descr, values, put)
}

/// Writes an array of whatever `put` makes of each item: `descr` is its type as Python prints it.
pub(super) fn write_as<T>(
    path: &Path,
    shape: &[usize],
    descr: &str,
    items: impl IntoIterator<Item = T>,
    put: impl Fn(&mut BufWriter<File>, T) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    out.write_all(&header::bytes_of(descr, &Shape(shape).to_string()))?;
    for item in items {
        put(&mut out, item)?;
    }
    out.flush()
}

/// A shape as numpy prints it: `(3, 4)`, `(3,)`.
pub(super) struct Shape<'a, T>(pub(super) &'a [T]);

impl<T: std::fmt::Display> std::fmt::Display for Shape<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self.0 {
            [axis] => write!(f, "({axis},)"),
            axes => {
                let axes: Vec<String> = axes.iter().map(T::to_string).collect();
                write!(f, "({})", axes.join(", "))
            }
        }
    }
}
