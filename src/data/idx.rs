//! MNIST's file format: big-endian header words, then bytes.
//!
//! A file starts with the magic number `0x00000800 + dimensions` (8 stands for unsigned bytes), then
//! the size of each dimension as a `u32`, then the values row-major, and nothing after them
//! (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits").

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::bounded;
use super::dataset::Dataset;
use super::error::DataError;
use super::labels::Labels;

const MAGIC: u32 = 0x0800;

pub(super) fn load(place: &Path, on_bytes: &dyn Fn(u64)) -> Result<Dataset, DataError> {
    let pairs = Pairs::find(place)?;
    let name = place.file_name().unwrap_or(place.as_os_str());
    let name = name.to_string_lossy();
    match (pairs.train, pairs.test) {
        (Some(train), Some(test)) => {
            let mut pictures = train.read(on_bytes)?;
            let test_from = pictures.labels.len();
            pictures.append(test.read(on_bytes)?)?;
            pictures.into_dataset(&name)?.with_test_from(test_from)
        }
        (Some(only), None) | (None, Some(only)) => only.read(on_bytes)?.into_dataset(&name),
        (None, None) => Err(DataError::Missing {
            directory: place.to_path_buf(),
            missing: "`train-images-idx3-ubyte` with `train-labels-idx1-ubyte`, and \
                      `t10k-images-idx3-ubyte` with `t10k-labels-idx1-ubyte` (or `test-…`; with any \
                      beginning)"
                .to_owned(),
        }),
    }
}

/// A file of pictures and the file of their labels.
struct Pair {
    images: PathBuf,
    labels: PathBuf,
}

/// The pairs of a directory.
struct Pairs {
    train: Option<Pair>,
    test: Option<Pair>,
}

/// What a file's name says: `[PREFIX]train-images-idx3-ubyte[.gz]`, in any case, with a dot or an
/// underscore for each hyphen; `t10k` or `test` for `train`.
struct FileName {
    prefix: String,
    is_train: bool,
    is_images: bool,
}

impl FileName {
    fn parse(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace(['.', '_'], "-");
        let name = name.strip_suffix("-gz").unwrap_or(&name);
        let (stem, is_images) = match name.strip_suffix("-images-idx3-ubyte") {
            Some(stem) => (stem, true),
            None => (name.strip_suffix("-labels-idx1-ubyte")?, false),
        };
        let of_part = |part: &str, is_train| {
            let prefix = stem.strip_suffix(part)?.to_owned();
            Some(Self {
                prefix,
                is_train,
                is_images,
            })
        };
        of_part("train", true)
            .or_else(|| of_part("t10k", false))
            .or_else(|| of_part("test", false))
    }
}

impl Pairs {
    /// Of a directory, or of those of its files whose names begin as the last part of `place`.
    fn find(place: &Path) -> Result<Self, DataError> {
        let (directory, beginning) = match (place.parent(), place.file_name()) {
            (Some(parent), Some(name)) if !place.exists() && parent.is_dir() => {
                (parent, name.to_string_lossy().to_ascii_lowercase())
            }
            _ => (place, String::new()),
        };
        let unread = |error| DataError::read(place, error);
        let mut files: BTreeMap<(String, bool, bool), PathBuf> = BTreeMap::new();
        for entry in fs::read_dir(directory).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let begins = name.to_ascii_lowercase().starts_with(&beginning);
            if let Some(name) = FileName::parse(&name).filter(|_| begins) {
                let key = (name.prefix, name.is_train, name.is_images);
                // Of a file and its packed copy the plain one.
                let known = files.entry(key).or_insert_with(|| path.clone());
                if path.as_os_str().len() < known.as_os_str().len() {
                    *known = path;
                }
            }
        }
        if !beginning.is_empty() && files.is_empty() {
            // Nothing begins so: the path is wrong.
            let error = fs::metadata(place).err();
            return Err(unread(
                error.unwrap_or_else(|| std::io::ErrorKind::NotFound.into()),
            ));
        }
        let prefixes: BTreeSet<String> = files.keys().map(|(prefix, ..)| prefix.clone()).collect();
        if prefixes.len() > 1 {
            let shown: Vec<String> = prefixes
                .iter()
                .map(|prefix| format!("`{prefix}…`"))
                .collect();
            return Err(DataError::Missing {
                directory: place.to_path_buf(),
                missing: format!(
                    "a single data set: files begin with {}; idx:DIRECTORY/BEGINNING takes one of them",
                    shown.join(", ")
                ),
            });
        }
        let mut pair = |is_train| Self::pair(directory, &mut files, is_train);
        Ok(Self {
            train: pair(true)?,
            test: pair(false)?,
        })
    }

    /// `None` when both files are absent.
    fn pair(
        directory: &Path,
        files: &mut BTreeMap<(String, bool, bool), PathBuf>,
        is_train: bool,
    ) -> Result<Option<Pair>, DataError> {
        let mut take = |is_images| {
            let key = files
                .keys()
                .find(|key| (key.1, key.2) == (is_train, is_images));
            let key = key.cloned()?;
            files.remove(&key)
        };
        let part = if is_train { "train" } else { "t10k" };
        let missing = match (take(true), take(false)) {
            (Some(images), Some(labels)) => return Ok(Some(Pair { images, labels })),
            (None, None) => return Ok(None),
            (None, Some(_)) => format!("`{part}-images-idx3-ubyte`"),
            (Some(_), None) => format!("`{part}-labels-idx1-ubyte`"),
        };
        Err(DataError::Missing {
            directory: directory.to_path_buf(),
            missing,
        })
    }
}

impl Pair {
    fn read(self, on_bytes: &dyn Fn(u64)) -> Result<Pictures, DataError> {
        let images = File::read(&self.images, on_bytes)?;
        let ([count, height, width], pixels) = images.values()?;
        let label_file = File::read(&self.labels, &|_| {})?;
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
            labels: labels.to_vec(),
            path: self.images,
        })
    }
}

/// Labelled pictures of one size, pixels 0 to 255.
struct Pictures {
    /// The file that says the size.
    path: PathBuf,
    size: (usize, usize),
    pixels: Vec<f32>,
    labels: Vec<u8>,
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
        let mut labels = Labels::default();
        self.labels
            .iter()
            .for_each(|&label| labels.push_number(label));
        let (labels, names) = labels.numbered();
        Dataset::new(name, self.pixels, height * width, labels, names.len())?
            .with_columns(None, Some(names), String::new())
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
    fn read(path: &Path, on_bytes: &dyn Fn(u64)) -> Result<Self, DataError> {
        let mut bytes = Vec::new();
        let mut reader = bounded::open(path, on_bytes)?;
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
