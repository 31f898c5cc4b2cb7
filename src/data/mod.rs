//! Labelled data: readers, splits, scaling and label noise.
//!
//! A [`Source`] says where data is and [`Source::load`] reads it into a [`Dataset`]; a [`Split`] says
//! which rows train, [`Scaling`] makes their features fit for a network, and [`corrupt_labels`] makes
//! labels wrong at a given rate, [`sensor_shift`] features as another sensor would see them. The truth
//! about [`Synthetic`] data is known, down to the best accuracy there can be. Arrays of any kind, such
//! as logits, come from npy, npz and safetensors files. Files are taken to be hostile: what is read is
//! bounded, and nothing is allocated on the word of a header. Whatever is random is a function of a
//! seed.

mod agreement;
// Without the program, nothing writes arrays or names their types.
#[cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]
mod array;
mod bounded;
mod csv;
mod dataset;
mod digits;
mod error;
mod idx;
mod label_noise;
mod labels;
mod layout;
mod mixture;
mod scaling;
mod sensor_shift;
mod source;
mod split;
mod synthetic;
mod teacher;
pub(crate) mod tensors;
mod text;

pub(crate) use agreement::Agreement;
#[cfg_attr(not(feature = "cli"), allow(unused_imports))]
pub(crate) use array::{Array, ArrayError, ArrayPath};
#[cfg(feature = "cli")]
pub(crate) use array::{Kind, Shape, Value, npy};
pub use csv::options::{CsvOptions, Decimal, Header, LabelColumn, Missing, Separator};
pub use dataset::Dataset;
pub use error::DataError;
pub use label_noise::corrupt_labels;
pub(crate) use layout::Layout;
pub use mixture::BayesAccuracy;
pub use scaling::{Scaling, ScalingRule};
pub use sensor_shift::sensor_shift;
pub use source::Source;
pub use split::Split;
pub use synthetic::Synthetic;
pub(crate) use teacher::PerRow;
pub use teacher::TeacherFiles;
pub(crate) use text::excerpt;
