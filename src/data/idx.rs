//! MNIST's file format: big-endian header words, then bytes.
//!
//! A file starts with the magic number `0x00000800 + dimensions` (8 stands for unsigned bytes), then
//! the size of each dimension as a `u32`, then the values row-major, and nothing after them
//! (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits").

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::bounded;
use super::{DataError, Dataset};

const MAGIC: u32 = 0x0800;

pub(super) fn load(directory: &Path) -> Result<Dataset, DataError> {
    fs::metadata(directory).map_err(|source| DataError::read(directory, source))?;
    let train = Pair::find(directory, "train")?;
    let test = Pair::find(directory, "t10k")?;
    let name = directory.file_name().unwrap_or(directory.as_os_str());
    let name = name.to_string_lossy();
    match (train, test) {
        (Some(train), Some(test)) => {
            let mut pictures = train.read()?;
            let test_from = pictures.labels.len();
            pictures.append(test.read()?)?;
            pictures.into_dataset(&name)?.with_test_from(test_from)
        }
        (Some(only), None) | (None, Some(only)) => only.read()?.into_dataset(&name),
        (None, None) => Err(DataError::Missing {
            directory: directory.to_path_buf(),
            missing: "`train-images-idx3-ubyte` with `train-labels-idx1-ubyte`, and \
                      `t10k-images-idx3-ubyte` with `t10k-labels-idx1-ubyte`"
                .to_owned(),
        }),
    }
}

/// A file of pictures and the file of their labels.
struct Pair {
    images: PathBuf,
    labels: PathBuf,
}

impl Pair {
    /// `None` when both files are absent.
    fn find(directory: &Path, part: &str) -> Result<Option<Self>, DataError> {
        let images = find_file(directory, &format!("{part}-images"), "idx3-ubyte");
        let labels = find_file(directory, &format!("{part}-labels"), "idx1-ubyte");
        let missing = match (images, labels) {
            (Some(images), Some(labels)) => return Ok(Some(Self { images, labels })),
            (None, None) => return Ok(None),
            (None, Some(_)) => format!("`{part}-images-idx3-ubyte`"),
            (Some(_), None) => format!("`{part}-labels-idx1-ubyte`"),
        };
        Err(DataError::Missing {
            directory: directory.to_path_buf(),
            missing,
        })
    }

    fn read(self) -> Result<Pictures, DataError> {
        let images = File::read(&self.images)?;
        let ([count, height, width], pixels) = images.values()?;
        let label_file = File::read(&self.labels)?;
        let ([label_count], labels) = label_file.values()?;
        if label_count != count {
            return Err(label_file.error(
                4,
                format!(
                    "{label_count} labels for the {count} images of `{}`",
                    self.images.display()
                ),
            ));
        }
        Ok(Pictures {
            size: (height, width),
            pixels: pixels.iter().copied().map(f32::from).collect(),
            labels: labels.iter().copied().map(i32::from).collect(),
            path: self.images,
        })
    }
}

/// The file under one of its usual spellings.
fn find_file(directory: &Path, stem: &str, kind: &str) -> Option<PathBuf> {
    ["-", "."]
        .into_iter()
        .flat_map(|joint| ["", ".gz"].map(|end| format!("{stem}{joint}{kind}{end}")))
        .map(|name| directory.join(name))
        .find(|path| path.exists())
}

/// Labelled pictures of one size, pixels 0 to 255.
struct Pictures {
    /// The file that says the size.
    path: PathBuf,
    size: (usize, usize),
    pixels: Vec<f32>,
    labels: Vec<i32>,
}

impl Pictures {
    fn append(&mut self, other: Self) -> Result<(), DataError> {
        if other.size != self.size {
            let ((height, width), (own_height, own_width)) = (other.size, self.size);
            let problem = format!(
                "images of {height}×{width}, but `{}` has {own_height}×{own_width}",
                self.path.display()
            );
            return Err(format_error(&other.path, 8, problem));
        }
        self.pixels.extend(other.pixels);
        self.labels.extend(other.labels);
        Ok(())
    }

    fn into_dataset(self, name: &str) -> Result<Dataset, DataError> {
        let (height, width) = self.size;
        let classes = self
            .labels
            .iter()
            .max()
            .map_or(0, |&label| label as usize + 1);
        Dataset::new(name, self.pixels, height * width, self.labels, classes)?
            .with_image(height, width)
    }
}

/// A file, unpacked.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl File {
    /// Memory grows with what is really there, never with what a header claims.
    fn read(path: &Path) -> Result<Self, DataError> {
        let mut bytes = Vec::new();
        let mut reader = bounded::open(path)?;
        let read = reader.read_to_end(&mut bytes);
        read.map_err(|source| DataError::read(path, source))?;
        Ok(Self {
            path: path.to_path_buf(),
            bytes,
        })
    }

    /// The size of each dimension, and as many values as they call for.
    fn values<const DIMENSIONS: usize>(&self) -> Result<([usize; DIMENSIONS], &[u8]), DataError> {
        let magic = MAGIC + DIMENSIONS as u32;
        let found = self.word(0)?;
        if found != magic {
            return Err(self.error(
                0,
                format!(
                    "magic number {found:#010x} where unsigned bytes in {DIMENSIONS} dimensions have {magic:#010x}"
                ),
            ));
        }
        let mut sizes = [0; DIMENSIONS];
        let mut claimed: u128 = 1;
        for (dimension, size) in sizes.iter_mut().enumerate() {
            let word = self.word(dimension + 1)?;
            if word == 0 {
                let offset = 4 * (dimension + 1);
                return Err(self.error(offset, "a dimension of size 0".to_owned()));
            }
            claimed *= u128::from(word);
            *size = word as usize;
        }
        let start = 4 * (DIMENSIONS + 1);
        let values = &self.bytes[start..];
        self.check_length(start, claimed, values.len())?;
        Ok((sizes, values))
    }

    fn check_length(&self, start: usize, claimed: u128, held: usize) -> Result<(), DataError> {
        if claimed > held as u128 {
            return Err(self.error(
                self.bytes.len(),
                format!(
                    "the file ends after {held} of the {claimed} values that its header claims"
                ),
            ));
        }
        if claimed < held as u128 {
            return Err(self.error(
                start + claimed as usize,
                format!("more than the {claimed} values that the header claims: {held} follow it"),
            ));
        }
        Ok(())
    }

    /// The `index`-th word of the header.
    fn word(&self, index: usize) -> Result<u32, DataError> {
        let rest = self.bytes.get(4 * index..).unwrap_or_default();
        match rest.first_chunk() {
            Some(&word) => Ok(u32::from_be_bytes(word)),
            None => Err(self.error(
                self.bytes.len(),
                "the file ends within its header".to_owned(),
            )),
        }
    }

    fn error(&self, offset: usize, problem: String) -> DataError {
        format_error(&self.path, offset, problem)
    }
}

fn format_error(path: &Path, offset: usize, problem: String) -> DataError {
    DataError::Format {
        path: path.to_path_buf(),
        offset: offset as u64,
        problem,
    }
}
