//! Which engines there are on this machine, and which one runs: the only place that chooses.

use crate::data::Dataset;
use crate::engine::{Engine, Source};
use crate::train::{self, Comparison, Model, Predictions, Progress, Run, Setting, TrainError};
use crate::{cpu, reference};
use std::fmt;
use std::str::FromStr;

/// An engine by its name in configuration files and on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineName {
    /// A GPU's engine if one is available here, the CPU's otherwise.
    #[default]
    Auto,
    /// [`crate::cpu`]: rows in parallel.
    Cpu,
    /// `fused_kd::cuda`: an NVIDIA GPU, through its driver.
    Cuda,
    /// `fused_kd::wgsl`: a GPU through Vulkan, Metal or Direct3D 12.
    Wgpu,
    /// The same on a software adapter, for machines without a GPU; [`EngineName::Auto`] never
    /// chooses it.
    WgpuSoftware,
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

/// An engine that cannot run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("engine \"{engine}\" cannot run here: {why}")]
pub struct UnavailableEngine {
    /// The engine.
    pub engine: EngineName,
    /// What is missing, and what to do about it.
    pub why: String,
}

/// What an engine is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineStatus {
    /// The engine; never [`EngineName::Auto`].
    pub name: EngineName,
    /// What it is and what it runs on, or why it cannot run.
    pub available: Result<String, String>,
}

/// The engine that runs, and the device that it runs on, which is opened once.
#[derive(Debug)]
pub struct Choice {
    /// Never [`EngineName::Auto`].
    pub engine: EngineName,
    /// What it is and what it runs on.
    pub what: String,
    /// Why it is that one, as half a sentence.
    pub why: String,
    pub(crate) device: Device,
}

/// What engines run on.
#[derive(Debug)]
pub(crate) enum Device {
    Cpu,
    Reference,
    #[cfg(feature = "cuda")]
    Cuda(Box<crate::cuda::Gpu>),
    #[cfg(feature = "wgpu")]
    Wgpu(Box<crate::wgsl::Gpu>),
}

impl EngineName {
    /// All names.
    pub const ALL: [Self; 6] = [
        Self::Auto,
        Self::Cpu,
        Self::Cuda,
        Self::Wgpu,
        Self::WgpuSoftware,
        Self::Reference,
    ];

    /// The name in configuration files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
            Self::WgpuSoftware => "wgpu-software",
            Self::Reference => "reference",
        }
    }

    /// The engine that runs: [`EngineName::Auto`] becomes a GPU's if one is available,
    /// any other name stays what it is.
    ///
    /// # Errors
    /// [`UnavailableEngine`] where an engine that was named cannot run here.
    pub fn resolve(self) -> Result<Choice, UnavailableEngine> {
        if self != Self::Auto {
            return self.opened(|what| format!("as asked for: {what}"));
        }
        let mut missing = Vec::new();
        for engine in [Self::Cuda, Self::Wgpu] {
            match engine.opened(|what| format!("there is a GPU, {what}")) {
                Ok(choice) => return Ok(choice),
                Err(error) => missing.push(format!("{engine} cannot: {}", error.why)),
            }
        }
        Self::Cpu.opened(|_| missing.join("; "))
    }

    /// This engine as the choice, for a reason that may name what it runs on.
    fn opened(self, why: impl FnOnce(&str) -> String) -> Result<Choice, UnavailableEngine> {
        match self.open() {
            Ok((device, what)) => Ok(Choice {
                engine: self,
                why: why(&what),
                what,
                device,
            }),
            Err(why) => Err(UnavailableEngine { engine: self, why }),
        }
    }

    /// Whether its work is done in device memory, or in what stands for it.
    pub(crate) fn is_gpu(self) -> bool {
        matches!(self, Self::Cuda | Self::Wgpu | Self::WgpuSoftware)
    }

    /// What this engine runs on, and what that is; or why it cannot run here.
    fn open(self) -> Result<(Device, String), String> {
        match self {
            // Where there is no GPU, the choice is the CPU.
            Self::Auto | Self::Cpu => match (cpu::Isa::chosen(), rayon::current_num_threads()) {
                (Ok(isa), 1) => Ok((Device::Cpu, format!("{}, 1 thread", isa.name()))),
                (Ok(isa), n) => Ok((Device::Cpu, format!("{}, {n} threads", isa.name()))),
                (Err(error), _) => Err(error.to_string()),
            },
            Self::Cuda => nvidia(),
            Self::Wgpu => adapter(false),
            Self::WgpuSoftware => adapter(true),
            Self::Reference => {
                let what = "double precision, 1 thread; for checks";
                Ok((Device::Reference, what.to_owned()))
            }
        }
    }
}

/// The NVIDIA GPU, or why there is none.
#[cfg(feature = "cuda")]
fn nvidia() -> Result<(Device, String), String> {
    let gpu = crate::cuda::Gpu::new(0).map_err(|unavailable| unavailable.to_string())?;
    let what = gpu.to_string();
    Ok((Device::Cuda(Box::new(gpu)), what))
}

#[cfg(not(feature = "cuda"))]
fn nvidia() -> Result<(Device, String), String> {
    Err("it was left out of this build: build with --features cuda".to_owned())
}

/// The adapter of Vulkan, Metal or Direct3D 12, or why there is none.
#[cfg(feature = "wgpu")]
fn adapter(software: bool) -> Result<(Device, String), String> {
    use crate::wgsl::{Gpu, GpuOptions};
    let gpu = Gpu::new(&GpuOptions::default().software(software));
    let gpu = gpu.map_err(|unavailable| unavailable.to_string())?;
    let what = gpu.to_string();
    Ok((Device::Wgpu(Box::new(gpu)), what))
}

#[cfg(not(feature = "wgpu"))]
fn adapter(_: bool) -> Result<(Device, String), String> {
    Err("it was left out of this build: build with --features wgpu".to_owned())
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

/// What is done on whatever engine trains.
pub(crate) trait Job {
    /// What comes of it.
    type Done;
    /// Does it; `name` is the engine's own, for reports.
    fn on<E: Engine>(
        self,
        engines: Source<E>,
        name: &'static str,
    ) -> Result<Self::Done, TrainError>;
}

/// Does a job on the engine that was chosen.
pub(crate) fn on<J: Job>(choice: &Choice, job: J) -> Result<J::Done, TrainError> {
    let name = choice.engine.name();
    match &choice.device {
        Device::Cpu => job.on(&|| Ok(cpu::Harness::default()), name),
        Device::Reference => job.on(&|| Ok(reference::Harness), name),
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => job.on(&|| Ok(crate::cuda::Harness::new(gpu)?), name),
        #[cfg(feature = "wgpu")]
        Device::Wgpu(gpu) => job.on(&|| crate::wgsl::Harness::new(gpu), name),
    }
}

/// Trainings that share a GPU at the same time, each with the data in its memory.
const AT_ONCE: usize = 4;

/// Compares methods on an engine; `progress` is called from several threads.
///
/// # Errors
/// [`TrainError`] names the file, the setting or the argument.
pub fn compare(
    choice: &Choice,
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Comparison, TrainError> {
    struct Compare<'a>(&'a Setting, &'a (dyn Fn(Progress) + Sync));
    impl Job for Compare<'_> {
        type Done = Comparison;
        fn on<E: Engine>(
            self,
            engines: Source<E>,
            name: &'static str,
        ) -> Result<Comparison, TrainError> {
            train::compare(engines, name, self.0, self.1)
        }
    }
    let compare = || on(choice, Compare(setting, progress));
    if !choice.engine.is_gpu() {
        return compare();
    }
    let threads = rayon::current_num_threads().min(AT_ONCE);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| TrainError::Engine(error.to_string()))?;
    pool.install(compare)
}

/// Makes one run on an engine.
///
/// # Errors
/// [`TrainError`] names the file, the setting or the argument.
pub fn train(
    choice: &Choice,
    setting: &Setting,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Run, TrainError> {
    struct Train<'a>(&'a Setting, &'a (dyn Fn(Progress) + Sync));
    impl Job for Train<'_> {
        type Done = Run;
        fn on<E: Engine>(self, engines: Source<E>, name: &'static str) -> Result<Run, TrainError> {
            train::run(engines, name, self.0, self.1)
        }
    }
    on(choice, Train(setting, progress))
}

/// What a student makes of these rows of a data set, on an engine: the bits of the run that
/// trained it, where engine, data and rows are the same.
///
/// # Errors
/// [`TrainError::Data`] for data with another number of features, and for rows that do not exist.
pub fn predict(
    choice: &Choice,
    model: &Model,
    dataset: &Dataset,
    rows: &[u32],
) -> Result<Predictions, TrainError> {
    struct Predict<'a>(&'a Model, &'a Dataset, &'a [u32]);
    impl Job for Predict<'_> {
        type Done = Predictions;
        fn on<E: Engine>(
            self,
            engines: Source<E>,
            _: &'static str,
        ) -> Result<Predictions, TrainError> {
            train::predict(engines, self.0, self.1, self.2)
        }
    }
    on(choice, Predict(model, dataset, rows))
}

/// All engines of this build, and whether they can run here.
#[must_use]
pub fn engines() -> Vec<EngineStatus> {
    let named = EngineName::ALL
        .into_iter()
        .filter(|&name| name != EngineName::Auto);
    let status = |name: EngineName| EngineStatus {
        name,
        available: name.open().map(|(_, what)| what),
    };
    named.map(status).collect()
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
            "\"gpu\" is no engine: it must be one of auto, cpu, cuda, wgpu, wgpu-software, \
             reference"
        );
    }

    #[test]
    fn the_choice_is_an_engine_that_is_available() {
        let engines = engines();
        for name in EngineName::ALL {
            match name.resolve() {
                Ok(choice) => assert!(
                    engines
                        .iter()
                        .any(|e| e.name == choice.engine && e.available.is_ok())
                ),
                Err(error) => assert_eq!(error.engine, name),
            }
        }
        let auto = EngineName::Auto.resolve().unwrap().engine;
        assert!(matches!(
            auto,
            EngineName::Cpu | EngineName::Cuda | EngineName::Wgpu
        ));
    }
}
