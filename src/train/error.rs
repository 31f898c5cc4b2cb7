//! Why a training cannot be made, and how far one is.

use super::setting::SettingError;
use crate::data::DataError;
use crate::engine::EngineError;
use crate::spec::{ArgumentError, SpecError};

/// A training that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A setting that nothing can be trained in.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A loss that does not fit the data.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A call that the engine refused.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// An engine that cannot train here, or failed.
    #[error("{0}")]
    Engine(String),
}

impl From<EngineError> for TrainError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Spec(error) => Self::Spec(error),
            EngineError::Argument(error) => Self::Argument(error),
            #[cfg(any(feature = "cuda", feature = "wgpu"))]
            EngineError::Device(message) => Self::Engine(message),
        }
    }
}

/// How far a training is. Called from several threads.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// So many bytes of a data file are read.
    Reading {
        /// Unpacked.
        bytes: u64,
    },
    /// So many networks are ahead: teachers, then students.
    Begin {
        /// One per seed.
        teachers: usize,
        /// One per seed, method and learning rate.
        students: usize,
    },
    /// A teacher is trained.
    Teacher,
    /// A student is trained.
    Student(Finished<'a>),
    /// An epoch of a teacher or a student is over.
    Epoch,
}

/// A student that is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Finished<'a> {
    /// The method, with its selection on a budget curve.
    pub method: &'a str,
    /// The learning rate.
    pub learning_rate: f64,
    /// The seed.
    pub seed: u64,
    /// Validation accuracy after the last epoch; not a number where the training diverged.
    pub validation_accuracy: f64,
    /// Runs of this method that are not made yet.
    pub left: usize,
}
