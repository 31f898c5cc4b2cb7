//! A training step of the harness: gather a batch, forward, row program, backward, update.

use super::report::time;
use super::timing::median;
use crate::auto::{self, Choice, Job};
use crate::cli::layout;
use crate::cpu::Isa;
use crate::engine::{Engine, EngineError, Source};
use crate::nn::Mlp;
use crate::random::Philox;
use crate::spec::{LossSpec, Preset};
use crate::train::fit::Fit;
use crate::train::memory::of_sizes;
use crate::train::samples::{HostSamples, Samples};
use crate::train::student_state::StudentState;
use crate::train::{Learner, Optimiser, Schedule, TrainError};
use miette::Report;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

/// Steps of one measurement, which is an epoch.
const STEPS: usize = 32;

/// Sizes of a multilayer perceptron, input first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Network(Vec<usize>);

impl FromStr for Network {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let size = |text: &str| text.parse().ok().filter(|n| (1..=1 << 16).contains(n));
        let sizes: Option<Vec<usize>> = given.split('-').map(size).collect();
        match sizes {
            Some(sizes) if (2..=16).contains(&sizes.len()) => Ok(Self(sizes)),
            _ => Err(
                "must be 2 to 16 sizes from the input to the classes, each from 1 to 65536, such as \
                 64-32-10"
                    .to_owned(),
            ),
        }
    }
}

impl Network {
    /// What it holds with batches of so many rows, at least.
    pub(super) fn bytes_in_memory(&self, rows: usize) -> u64 {
        let parts = of_sizes(&self.0, rows);
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&sizes.join("-"))
    }
}

/// All networks, for people and for programs.
#[derive(Serialize)]
pub(super) struct Results {
    engine: &'static str,
    /// The CPU's instructions and threads, or the GPU.
    isa: Option<&'static str>,
    threads: Option<usize>,
    device: Option<String>,
    cases: Vec<Measured>,
}

#[derive(Serialize)]
pub(super) struct Measured {
    network: String,
    batch: usize,
    spec: &'static str,
    median_s: f64,
    /// Multiplications and additions of the matrix products.
    flops: usize,
    gflops: f64,
}

/// What is measured: each network under each loss.
pub(super) struct Steps<'a> {
    pub(super) networks: &'a [Network],
    pub(super) batch: usize,
    pub(super) losses: &'a [(Preset, LossSpec)],
    pub(super) samples: usize,
}

impl Job for Steps<'_> {
    type Done = Vec<Measured>;

    fn on<E: Engine>(
        self,
        engines: Source<E>,
        _: &'static str,
    ) -> Result<Vec<Measured>, TrainError> {
        let mut cases = Vec::new();
        for (preset, spec) in self.losses {
            for network in self.networks {
                let engine = &mut engines()?;
                let seconds = seconds(engine, network, self.batch, spec, self.samples)?;
                let flops = flops(network, self.batch);
                cases.push(Measured {
                    network: network.to_string(),
                    batch: self.batch,
                    spec: preset.name(),
                    median_s: seconds,
                    flops,
                    gflops: flops as f64 / seconds / 1e9,
                });
            }
        }
        Ok(cases)
    }
}

/// Measures on an engine.
pub(super) fn run(choice: &Choice, steps: Steps) -> Result<Results, Report> {
    let cases = auto::on(choice, steps).map_err(Report::from_err)?;
    let (isa, threads, device) = match choice.engine.is_gpu() {
        true => (None, None, Some(choice.what.clone())),
        false => {
            let isa = Isa::chosen().map_err(Report::msg)?;
            (Some(isa.name()), Some(1), None)
        }
    };
    Ok(Results {
        engine: choice.engine.name(),
        isa,
        threads,
        device,
        cases,
    })
}

/// Forward, and backward by weights and, but for the first layer, by inputs.
fn flops(network: &Network, batch: usize) -> usize {
    let layers = network.0.windows(2).map(|pair| pair[0] * pair[1]);
    let first = network.0[0] * network.0[1];
    2 * batch * (3 * layers.sum::<usize>() - first)
}

/// Of one step, the median over epochs.
fn seconds<E: Engine>(
    engine: &mut E,
    network: &Network,
    batch: usize,
    spec: &LossSpec,
    samples: usize,
) -> Result<f64, EngineError> {
    let learner = Learner {
        hidden: Vec::new(),
        epochs: samples + 1,
        batch,
        optimiser: Optimiser::Sgd {
            momentum: 0.9,
            decay: 5e-4,
        },
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        warm_up: 0,
    };
    let random = &mut Philox::new(1, 0);
    let data = Samples::upload(engine, &drawn(network, batch * STEPS, random));
    let plan = engine.plan(spec, data.classes())?;
    let mut net = Mlp::new(engine, &network.0, batch, random);
    let mut state = StudentState::new(engine, &mut net, learner.optimiser, None);
    let fit = Fit {
        samples: &data,
        plan: &plan,
        learner: &learner,
        terms: &[],
        selector: None,
    };
    let mut epochs = Vec::with_capacity(learner.epochs);
    fit.run(engine, &mut state, None, random, |engine, _, total| {
        engine.download(&mut [(total, &mut [0.0])])?;
        epochs.push(Instant::now());
        Ok(())
    })?;
    // The first epoch is for the caches.
    let steps = epochs.windows(2).map(|pair| pair[1] - pair[0]);
    Ok(median(steps.map(|epoch| epoch.as_secs_f64()).collect()) / STEPS as f64)
}

/// Features, labels, and a teacher's logits.
fn drawn(network: &Network, rows: usize, random: &mut Philox) -> HostSamples {
    let (width, classes) = (network.0[0], network.0[network.0.len() - 1]);
    let mut normal = |n: usize| (0..n).map(|_| random.normal()).collect();
    let (features, teacher) = (normal(rows * width), normal(rows * classes));
    HostSamples {
        features,
        labels: (0..rows).map(|row| (row * 7 % classes) as i32).collect(),
        teacher,
        factor: Vec::new(),
        classes,
        variants: 1,
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match (self.isa, &self.device) {
            (Some(isa), _) => writeln!(f, "engine {}, {isa}, 1 thread", self.engine)?,
            (None, device) => {
                let device = device.as_deref().unwrap_or_default();
                writeln!(f, "engine {}, {device}", self.engine)?;
            }
        }
        let row = |case: &Measured| {
            [
                case.network.clone(),
                case.batch.to_string(),
                case.spec.to_owned(),
                time(case.median_s),
                format!("{:.1}", case.gflops),
            ]
        };
        let rows: Vec<_> = self.cases.iter().map(row).collect();
        let header = ["network", "batch", "loss", "time per step", "GFLOP/s"];
        write!(f, "{}", layout::table(header, &rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_as_they_are_written() {
        let network: Network = "64-32-10".parse().unwrap();
        assert_eq!(network.to_string(), "64-32-10");
        for wrong in ["", "64", "64-", "64-0-10", "64-32-10-", "a-b", "1-99999"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn products_of_a_step() {
        let network = "64-32-10".parse().unwrap();
        // Forward 2048 + 320, by weights the same, by inputs 320.
        assert_eq!(flops(&network, 128), 2 * 128 * (2 * (2048 + 320) + 320));
    }
}
