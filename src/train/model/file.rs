//! Students in files, read with distrust: nothing is allocated before the header's claims have been
//! held against the length of the file.

use super::layers::transposed;
use super::{About, FORMAT, Model, Sizes};
use crate::data::{Scaling, excerpt, tensors};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorView};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The metadata entry that holds the [`About`]. There is no other: the crate writes entries in an
/// order that is drawn anew in every process, and a student's bytes are to be the same every time.
const ENTRY: &str = "fused-kd";
const MEAN: &str = "scaling.mean";
const SCALE: &str = "scaling.scale";

/// A header of as many layers as there may be, with its configuration, has a few KiB; names of features
/// and classes have 4 MiB and 20 MiB at most.
const LARGEST_HEADER: u64 = 1 << 26;
/// Characters of a file that an error shows: a hostile text could be of any length.
const LONGEST_EXCERPT: usize = 300;

/// A file that holds no student.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// It could not be opened or read; the source says why.
    #[error("cannot read `{}`: check that it is the right path and a regular file", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system reported.
        source: io::Error,
    },
    /// It is no student that this version can use.
    #[error("`{}`, {place}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// A part of the header, or a tensor.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

/// What every version's description begins with.
#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}

/// A tensor that a student has.
struct Tensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl About {
    /// The tensors of a student: weights and biases layer by layer, then the scaling.
    fn tensors(&self) -> Vec<Tensor> {
        let tensor = |name: String, dtype, shape: &[usize]| Tensor {
            name,
            dtype,
            shape: shape.to_vec(),
        };
        let layers = self.layers().flat_map(|layer| {
            let [weight, bias] = layer.names();
            [
                tensor(weight, Dtype::F32, &[layer.outputs, layer.inputs]),
                tensor(bias, Dtype::F32, &[layer.outputs]),
            ]
        });
        let scaling = [
            tensor(MEAN.to_owned(), Dtype::F64, &self.sizes[..1]),
            tensor(SCALE.to_owned(), Dtype::F64, &self.sizes[..1]),
        ];
        layers.chain(scaling).collect()
    }
}

impl Model {
    /// The bytes of the student's file, the same for the same student.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where the format cannot hold it; no run leaves such a student.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let about = serde_json::to_string(&self.about)?;
        let tensors = self.about.tensors();
        let layers = self.parameters_by_output().flatten();
        let layers = layers.map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let scaling = [self.scaling.mean(), self.scaling.deviation()];
        let scaling = scaling.map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let bytes: Vec<Vec<u8>> = layers.chain(scaling).collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            let view = TensorView::new(tensor.dtype, tensor.shape.clone(), bytes)?;
            Ok((&tensor.name, view))
        });
        let metadata = [(ENTRY.to_owned(), about)].into_iter().collect();
        views
            .collect::<Result<Vec<_>, _>>()
            .and_then(|views| safetensors::serialize(views, Some(metadata)))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// Reads a student that [`Model::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`ModelError`] names the file, the place in it and what is wrong there.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let mut file = Opened::new(path)?;
        let header = file.header()?;
        let about = file.about(&header)?;
        let tensors = about.tensors();
        file.check_tensors(&header, &about, &tensors)?;
        let data = file.read(header.data_len(), "the tensors")?;

        let values = |tensor: &Tensor| {
            let (start, end) = header
                .info(&tensor.name)
                .map_or((0, 0), |info| info.data_offsets);
            file.finite(tensor, data.get(start..end).unwrap_or(&[]))
        };
        let mut values = tensors.iter().map(values).collect::<Result<Vec<_>, _>>()?;
        let scale = values.pop().unwrap_or_default();
        let mean = values.pop().unwrap_or_default();
        if !scale.iter().all(|&scale| scale > 0.0) {
            return Err(file.wrong(SCALE, "every value must be greater than 0"));
        }
        // What was read from four bytes is an `f32`.
        let single = |values: &[f64]| -> Vec<f32> { values.iter().map(|&v| v as f32).collect() };
        let layers = about.layers().zip(values.chunks_exact(2));
        let parameters = layers.map(|(layer, values)| {
            let weight = transposed(&single(&values[0]), layer.outputs, layer.inputs);
            [weight, single(&values[1])]
        });
        Ok(Self {
            parameters: parameters.collect(),
            about,
            scaling: Scaling::from_parts(mean, scale),
        })
    }
}

/// A file that is being read, from its start on.
struct Opened<'a> {
    path: &'a Path,
    file: File,
    length: u64,
}

impl<'a> Opened<'a> {
    fn new(path: &'a Path) -> Result<Self, ModelError> {
        let open = || {
            let metadata = fs::metadata(path)?;
            // A pipe could block for ever, and it has no length to hold a header against.
            if !metadata.is_file() {
                return Err(io::Error::other("not a regular file"));
            }
            Ok((File::open(path)?, metadata.len()))
        };
        let (file, length) = open().map_err(|source| ModelError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self { path, file, length })
    }

    fn wrong(&self, place: impl Display, problem: impl Display) -> ModelError {
        ModelError::Format {
            path: self.path.to_path_buf(),
            place: excerpt(&place.to_string(), LONGEST_EXCERPT),
            problem: excerpt(&problem.to_string(), LONGEST_EXCERPT),
        }
    }

    /// The next bytes, of which the file's length has been found to be enough.
    fn read(&mut self, count: usize, what: &str) -> Result<Vec<u8>, ModelError> {
        let mut bytes = Vec::new();
        let read = (&mut self.file)
            .take(count as u64)
            .read_to_end(&mut bytes)
            .map_err(|source| ModelError::Read {
                path: self.path.to_path_buf(),
                source,
            })?;
        match read == count {
            true => Ok(bytes),
            false => Err(self.wrong(what, format_args!("{read} bytes of {count}: truncated"))),
        }
    }

    /// The header, if its tensors are as long as what follows it.
    fn header(&mut self) -> Result<Metadata, ModelError> {
        let first = self.read(8, "the header's length")?;
        let length = first.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
        let following = self.length.saturating_sub(8);
        if length > LARGEST_HEADER.min(following) {
            let problem = format!(
                "{length} bytes are promised, {following} follow, and at most {LARGEST_HEADER} are \
                 accepted: not a student's safetensors file, or a damaged one"
            );
            return Err(self.wrong("the header's length", problem));
        }
        let text = self.read(length as usize, "the header")?;
        let header = tensors::header(&text).map_err(|error| self.wrong("the header", error))?;
        let (promised, given) = (header.data_len() as u64, following - length);
        if promised != given {
            let problem = format!("{promised} bytes of tensors are promised, but {given} follow");
            return Err(self.wrong("the header", problem));
        }
        Ok(header)
    }

    fn about(&self, header: &Metadata) -> Result<About, ModelError> {
        let place = format!("the metadata's `{ENTRY}`");
        let entry = header.metadata().as_ref().and_then(|all| all.get(ENTRY));
        let text = entry.ok_or_else(|| {
            let problem = "missing: the file was not written by `fused-kd train`";
            self.wrong(&place, problem)
        })?;
        // Another version's description need not have what is asked for below.
        let version: Version =
            serde_json::from_str(text).map_err(|error| self.wrong(&place, error))?;
        if version.format != FORMAT {
            let problem = format!(
                "format {}, which another version of fused-kd wrote: this one reads {FORMAT}; train \
                 the student anew",
                version.format
            );
            return Err(self.wrong(&place, problem));
        }
        let about: About = serde_json::from_str(text).map_err(|error| self.wrong(&place, error))?;
        match about.contradiction() {
            Some(problem) => Err(self.wrong(&place, problem)),
            None => Ok(about),
        }
    }

    /// Holds the tensors that there are against those that the sizes ask for.
    fn check_tensors(
        &self,
        header: &Metadata,
        about: &About,
        tensors: &[Tensor],
    ) -> Result<(), ModelError> {
        let sizes = Sizes(&about.sizes);
        for Tensor { name, dtype, shape } in tensors {
            let info = header
                .info(name)
                .ok_or_else(|| self.wrong(name, format_args!("missing; sizes are {sizes}")))?;
            if info.dtype != *dtype {
                let problem = format!("its values are {}, not {dtype}", info.dtype);
                return Err(self.wrong(name, problem));
            }
            if info.shape != *shape {
                let problem = format!(
                    "shape {:?}, but sizes {sizes} ask for {shape:?}",
                    info.shape
                );
                return Err(self.wrong(name, problem));
            }
        }
        let known: BTreeSet<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        let names = header.offset_keys();
        match names.iter().find(|name| !known.contains(name.as_str())) {
            Some(name) => Err(self.wrong(name, format_args!("no tensor of sizes {sizes}"))),
            None => Ok(()),
        }
    }

    /// A tensor's values, all of which are finite.
    fn finite(&self, tensor: &Tensor, bytes: &[u8]) -> Result<Vec<f64>, ModelError> {
        let values: Vec<f64> = match tensor.dtype {
            Dtype::F64 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|&b| f64::from_le_bytes(b))
                .collect(),
            _ => {
                let values = bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
                values.map(f64::from).collect()
            }
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(i) => Err(self.wrong(
                &tensor.name,
                format_args!("value {i} is {}: every value must be finite", values[i]),
            )),
            None => Ok(values),
        }
    }
}
