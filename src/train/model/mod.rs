//! A trained student by itself: what it takes to predict, and where it came from.

mod file;
mod layers;
mod onnx;
mod predictions;
mod protobuf;

pub use file::ModelError;
pub use predictions::Predictions;

use super::error::TrainError;
use super::prepare::{NO_SHIFT, host_samples};
use super::samples::{self, Samples};
use super::setting::{LARGEST_BATCH, LARGEST_LAYER, MOST_LAYERS, MOST_PARAMETERS, parameter_count};
use crate::data::{DataError, Dataset, Layout, Scaling, Source as DataSource};
use crate::engine::{Engine, Source};
use crate::nn::{Mlp, Parameters};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A student's network, the scaling of its features, and where both came from.
///
/// As a file (safetensors, little-endian, see [`Model::to_bytes`]) it has the names and the layout of a
/// PyTorch `Sequential(Linear, ReLU, Linear, …)`: `0.weight` `[outputs, inputs]` and `0.bias`
/// `[outputs]` in `f32`, then `2.weight`, `2.bias` and so on; `scaling.mean` and `scaling.scale`
/// `[features]` in `f64`, as training computes with; and the metadata entry `fused-kd`, an [`About`] as
/// JSON. A row's logits are `x₀ = (x − scaling.mean) / scaling.scale`, rounded to `f32` (0 where `x` is
/// missing), `xᵢ₊₁ = max(0, weightᵢ·xᵢ + biasᵢ)`, the last layer without the maximum.
///
/// [`Model::to_onnx`] is the same network for other runtimes, the scaling included.
#[derive(Clone, PartialEq)]
pub struct Model {
    about: About,
    parameters: Vec<Parameters>,
    scaling: Scaling,
}

/// The version of [`About`] that is written and read.
pub(in crate::train) const FORMAT: u32 = 3;

/// What a student's file says of how its tensors make logits.
pub(in crate::train) const FORMULA: &str = "logits = net(((x - scaling.mean) / scaling.scale).float()) \
    for raw features x of shape [rows, features], 0 in place of a scaled feature that is missing; net is \
    torch.nn.Sequential(Linear, ReLU, ..., Linear) with the other tensors as its state";

/// Where a student came from.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct About {
    /// The version of the file: 3. Version 1 had neither names nor a scale for each feature, version 2
    /// weights as `[inputs, outputs]` under other names.
    pub format: u32,
    /// How the tensors make logits, for readers of the file.
    pub formula: String,
    /// Layer sizes: features, hidden layers, classes.
    pub sizes: Vec<usize>,
    /// Classes.
    pub classes: usize,
    /// Rows of a forward, on which the last bits of logits may depend.
    pub rows_at_once: usize,
    /// Rows that the student trained on.
    pub train_rows: usize,
    /// Those of them that had a label.
    pub labelled_rows: usize,
    /// The version of this crate that trained it.
    pub version: String,
    /// The preset that the loss started from.
    pub method: String,
    /// The data's name.
    pub data: String,
    /// A checksum of the data's rows, by which they are known under another name.
    pub rows_checksum: u32,
    /// Likewise of those that are not in a test file of their own.
    pub train_checksum: u32,
    /// What the classes are called, in the order of the logits.
    pub class_names: Vec<String>,
    /// The columns of the table that it learned from.
    pub columns: Columns,
    /// What everything random was drawn from.
    pub seed: u64,
    /// The engine.
    pub engine: String,
    /// On the run's test rows.
    pub test_accuracy: f64,
    /// The run's configuration, with every key, as TOML.
    pub config: String,
}

/// The columns of the table that a student learned from; nothing for other data.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Columns {
    /// The features' names, in the network's order, if they have some that tell them apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<Vec<String>>,
    /// The label's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Where the label is, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_at: Option<usize>,
}

impl Columns {
    /// Of the table that this was read from, if it was one.
    pub(in crate::train) fn of(dataset: &Dataset) -> Self {
        dataset.layout().map_or_else(Self::default, |layout| Self {
            features: layout.names.clone(),
            label: layout.label.clone(),
            label_at: layout.label_at,
        })
    }
}

impl About {
    /// Why no network of these sizes is accepted, if so.
    fn contradiction(&self) -> Option<String> {
        let Self { sizes, classes, .. } = self;
        if !(2..=MOST_LAYERS + 2).contains(&sizes.len()) || sizes.contains(&0) {
            return Some(format!(
                "sizes {}: a network has features, at most {MOST_LAYERS} hidden layers and classes",
                Sizes(sizes)
            ));
        }
        let hidden = &sizes[1..sizes.len() - 1];
        if hidden.iter().any(|&size| size > LARGEST_LAYER) || parameter_count(sizes).is_none() {
            return Some(format!(
                "sizes {}: at most {LARGEST_LAYER} units of a hidden layer and {MOST_PARAMETERS} \
                 parameters",
                Sizes(sizes)
            ));
        }
        if sizes.last() != Some(classes) {
            return Some(format!("{classes} classes, but sizes {}", Sizes(sizes)));
        }
        if self.class_names.len() != *classes {
            let names = self.class_names.len();
            return Some(format!("{names} names of classes, but {classes} classes"));
        }
        if let Some(names) = &self.columns.features
            && names.len() != sizes[0]
        {
            return Some(format!(
                "{} names of features, but sizes {}",
                names.len(),
                Sizes(sizes)
            ));
        }
        if !(1..=LARGEST_BATCH).contains(&self.rows_at_once) {
            return Some(format!(
                "rows-at-once {}: between 1 and {LARGEST_BATCH}",
                self.rows_at_once
            ));
        }
        None
    }
}

/// Layer sizes as people write them: 64-32-10.
struct Sizes<'a>(&'a [usize]);

impl std::fmt::Display for Sizes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        // A hostile list may be long.
        let shown = &self.0[..self.0.len().min(MOST_LAYERS + 2)];
        let sizes: Vec<String> = shown.iter().map(usize::to_string).collect();
        f.write_str(&sizes.join("-"))?;
        f.write_str(if shown.len() < self.0.len() {
            "-…"
        } else {
            ""
        })
    }
}

/// Without the parameters, which nobody wants to read.
impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let mut debug = f.debug_struct("Model");
        debug.field("about", &self.about).finish_non_exhaustive()
    }
}

impl Model {
    pub(super) fn new(about: About, parameters: Vec<Parameters>, scaling: Scaling) -> Self {
        Self {
            about,
            parameters,
            scaling,
        }
    }

    /// Where it came from.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// How features are scaled before the network sees them.
    #[must_use]
    pub fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// Features per row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.about.sizes[0]
    }

    /// Classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.about.classes
    }

    /// Reads rows for this student: a table's columns by their names, in any order, and without a label
    /// if it has none; calls `on_bytes` with the number of bytes of a file that were read so far.
    ///
    /// # Errors
    /// [`DataError`] names the file, the place and what would be right.
    pub fn read(&self, source: &DataSource, on_bytes: &dyn Fn(u64)) -> Result<Dataset, DataError> {
        let columns = &self.about.columns;
        let layout = Layout {
            origin: "the student".to_owned(),
            features: self.features(),
            names: columns.features.clone(),
            label: columns.label.clone(),
            label_at: columns.label_at,
            needs_label: false,
        };
        source.read(Some(&layout), on_bytes)
    }

    /// Whether these are the rows of its run, test rows and all, whatever they are called.
    #[must_use]
    pub fn is_of(&self, dataset: &Dataset) -> bool {
        self.about.rows_checksum == dataset.checksum(dataset.len())
    }

    /// Whether it learned from some of these rows: they are those of its run, or its training file's.
    #[must_use]
    pub fn learned_from(&self, dataset: &Dataset) -> bool {
        let checksum = dataset.checksum(dataset.test_from().unwrap_or(dataset.len()));
        self.about.train_checksum == checksum
    }

    /// Labels of a data set as the student numbers classes: by their names. What it does not know is
    /// beyond its classes, and what is no label stays.
    fn numbered(&self, dataset: &Dataset, labels: &mut [i32]) {
        let names = self.about.class_names.iter().zip(0..);
        let number: HashMap<&str, i32> = names.map(|(name, i)| (&name[..], i)).collect();
        let beyond = self.classes() as i32;
        let known: Vec<i32> = (0..dataset.classes())
            .map(|class| {
                number
                    .get(&dataset.class_name(class)[..])
                    .copied()
                    .unwrap_or(beyond)
            })
            .collect();
        for label in labels.iter_mut().filter(|label| **label >= 0) {
            *label = known[*label as usize];
        }
    }
}

/// The logits of these rows of a data set.
pub(crate) fn predict<E: Engine>(
    engines: Source<E>,
    model: &Model,
    dataset: &Dataset,
    rows: &[u32],
) -> Result<Predictions, TrainError> {
    let problem = if dataset.dim() != model.features() {
        let (given, needed) = (dataset.dim(), model.features());
        Some(format!(
            "rows of {given} features, but the student takes {needed}"
        ))
    } else {
        let beyond = rows.iter().find(|&&row| row as usize >= dataset.len());
        beyond.map(|row| format!("{} rows, but row {row} is asked for", dataset.len()))
    };
    if let Some(problem) = problem {
        return Err(TrainError::Data(DataError::Dataset {
            name: dataset.name().to_owned(),
            problem,
        }));
    }
    let mut host = host_samples(dataset, &model.scaling, rows, &NO_SHIFT);
    model.numbered(dataset, &mut host.labels);
    host.classes = model.classes();
    let (mut engine, about) = (engines()?, &model.about);
    let mut net = Mlp::with_parameters(
        &mut engine,
        &about.sizes,
        &model.parameters,
        about.rows_at_once,
    );
    let samples = Samples::upload(&mut engine, &host);
    Ok(Predictions {
        logits: samples::logits(&mut engine, &mut net, &samples)?,
        labels: host.labels,
        classes: host.classes,
    })
}
