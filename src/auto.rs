//! Which engines there are on this machine, and which one runs: the only place that chooses.

use crate::data::Dataset;
use crate::train::{
    self, Comparison, Model, Predictions, Progress, Run, RunConfig, Setting, TrainError,
};
use crate::{cpu, reference};
use std::fmt;
use std::str::FromStr;

/// An engine by its name in configuration files and on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineName {
    /// The fastest engine that is available here.
    #[default]
    Auto,
    /// [`crate::cpu`]: portable, rows in parallel.
    Cpu,
    /// [`crate::reference`]: the oracle in double precision, for checks.
    Reference,
}

/// A name that stands for no engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{given}\" is no engine: it must be one of {}", EngineName::ALL.map(EngineName::name).join(", "))]
pub struct UnknownEngine {
    /// What was given.
    pub given: String,
}

/// What an engine is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    /// The engine; never [`EngineName::Auto`].
    pub name: EngineName,
    /// What it is and what it runs on, or why it cannot run.
    pub available: Result<String, String>,
}

impl EngineName {
    /// All names.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Cpu, Self::Reference];

    /// The name in configuration files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Reference => "reference",
        }
    }

    /// The engine that runs: [`EngineName::Auto`] becomes the fastest one that is available, any
    /// other name stays what it is.
    #[must_use]
    pub fn resolve(self) -> Self {
        match self {
            Self::Auto => Self::Cpu,
            named => named,
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for EngineName {
    type Err = UnknownEngine;

    fn from_str(given: &str) -> Result<Self, UnknownEngine> {
        let known = Self::ALL.into_iter().find(|engine| engine.name() == given);
        known.ok_or_else(|| UnknownEngine {
            given: given.to_owned(),
        })
    }
}

/// Compares methods on the engine of this name; `progress` is called from several threads.
///
/// # Errors
/// [`TrainError`] names the file, the setting or the argument.
pub fn compare(
    engine: EngineName,
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Comparison, TrainError> {
    let engine = engine.resolve();
    match engine {
        EngineName::Reference => {
            train::compare::<reference::Harness>(engine.name(), setting, progress)
        }
        _ => train::compare::<cpu::Harness>(engine.name(), setting, progress),
    }
}

/// Makes one run on the engine of this name.
///
/// # Errors
/// [`TrainError`] names the file, the setting or the argument.
pub fn train(
    engine: EngineName,
    config: &RunConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Run, TrainError> {
    let engine = engine.resolve();
    match engine {
        EngineName::Reference => train::run::<reference::Harness>(engine.name(), config, progress),
        _ => train::run::<cpu::Harness>(engine.name(), config, progress),
    }
}

/// What a student makes of these rows of a data set, on the engine of this name: the bits of the run
/// that trained it, where engine, data and rows are the same.
///
/// # Errors
/// [`TrainError::Data`] for data with another number of features, and for rows that do not exist.
pub fn predict(
    engine: EngineName,
    model: &Model,
    dataset: &Dataset,
    rows: &[u32],
) -> Result<Predictions, TrainError> {
    match engine.resolve() {
        EngineName::Reference => train::predict::<reference::Harness>(model, dataset, rows),
        _ => train::predict::<cpu::Harness>(model, dataset, rows),
    }
}

/// All engines of this build, and whether they can run here.
#[must_use]
pub fn engines() -> Vec<EngineStatus> {
    let threads = match rayon::current_num_threads() {
        1 => "1 thread".to_owned(),
        n => format!("{n} threads"),
    };
    let available = |name, what| EngineStatus {
        name,
        available: Ok(what),
    };
    vec![
        available(EngineName::Cpu, format!("portable, {threads}")),
        available(
            EngineName::Reference,
            "double precision, 1 thread; for checks".to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for engine in EngineName::ALL {
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        let error = "gpu".parse::<EngineName>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"gpu\" is no engine: it must be one of auto, cpu, reference"
        );
    }

    #[test]
    fn the_choice_is_an_engine_that_is_available() {
        let engines = engines();
        for name in EngineName::ALL.map(EngineName::resolve) {
            assert!(
                engines
                    .iter()
                    .any(|e| e.name == name && e.available.is_ok())
            );
        }
    }
}
