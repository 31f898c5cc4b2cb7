//! Arrays in npy files, read with distrust: nothing is allocated before the header's claims have
//! been held against the length of the file.

mod header;

use super::failure::failed;
use header::Header;
use miette::{Report, WrapErr};
use npyz::{AutoSerialize, DType, Deserialize, TypeChar, TypeRead, TypeStr, WriterBuilder};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::{Path, PathBuf};

/// An npy file whose header fits its length; its values have not been read yet.
pub(super) struct Array {
    path: PathBuf,
    dtype: TypeStr,
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
    pub(super) fn kind(&self) -> (TypeChar, u64) {
        (self.dtype.type_char(), self.dtype.size_field())
    }

    /// The type without its byte order, such as `f4`.
    pub(super) fn type_name(&self) -> String {
        format!("{}{}", self.dtype.type_char(), self.dtype.size_field())
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
    pub(super) fn read<T: Deserialize + Copy>(mut self) -> Result<Vec<T>, Report> {
        let values = self.read_as_stored().map_err(unreadable);
        let values = values.wrap_err_with(|| format!("cannot read `{}`", self.path.display()))?;
        match self.shape[..] {
            [rows, columns] if self.fortran_order => {
                let place = |i: usize| values[i % columns * rows + i / columns];
                Ok((0..values.len()).map(place).collect())
            }
            _ => Ok(values),
        }
    }

    fn read_as_stored<T: Deserialize>(&mut self) -> io::Result<Vec<T>> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let reader = T::reader(&DType::Plain(self.dtype.clone())).map_err(invalid)?;
        let length = product(&self.shape).unwrap_or(usize::MAX);
        let mut values = Vec::new();
        values.try_reserve_exact(length)?;
        for _ in 0..length {
            values.push(reader.read_one(&mut self.values)?);
        }
        Ok(values)
    }
}

fn unreadable(error: io::Error) -> Report {
    failed(
        error,
        "check that it is the right path, and a file that may be read",
    )
}

fn dtype(header: &Header) -> Result<TypeStr, Report> {
    let descr: String = header.descr.chars().take(24).collect();
    let problem = match header.descr.parse::<TypeStr>() {
        Ok(dtype) if dtype.uses_pickled_array() => "it is made of Python objects".to_owned(),
        Ok(dtype) => return Ok(dtype),
        Err(error) => error.to_string(),
    };
    let wrong = format!("its values have the type {descr:?}: {problem}");
    Err(failed(
        wrong,
        "save one array of plain numbers with numpy.save",
    ))
}

/// The shape, if it is that of a file with `given` bytes of values.
fn fitting_shape(header: &Header, dtype: &TypeStr, given: u64) -> Result<Vec<usize>, Report> {
    let shape: Option<Vec<usize>> = header
        .shape
        .iter()
        .map(|&axis| axis.try_into().ok())
        .collect();
    let claimed = shape
        .as_deref()
        .zip(dtype.num_bytes())
        .and_then(|(shape, size)| product(shape)?.checked_mul(size));
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

/// Writes an array, the last index running fastest, in this machine's byte order.
pub(super) fn write<T: AutoSerialize>(
    path: &Path,
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&axis| axis as u64).collect();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&shape)
        .writer(BufWriter::new(File::create(path)?))
        .begin_nd()?;
    writer.extend(values)?;
    writer.finish()
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
