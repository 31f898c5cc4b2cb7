//! `fused-kd bench`: the row program's speed as a fraction of this machine's copy bandwidth.

mod batch;
mod cases;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod report;
mod step;
mod table;
#[cfg(feature = "wgpu")]
mod wgpu;

use super::arguments::{self, Format};
use super::failure::Failure;
use super::terminal;
use crate::auto::{Choice, Device, EngineName};
use crate::cpu::Isa;
#[cfg(feature = "cuda")]
use crate::cuda::Regime;
use crate::spec::{self, LossSpec, Preset};
use cases::{Case, FORMATS, Shapes, Stats, one_of};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use miette::Report;
use report::{Measured, Results};
use serde::Serialize;
use std::fmt::Display;
use step::{Network, Steps};
use table::TABLE;

/// Measure the row program against this machine's copy bandwidth.
#[derive(clap::Args)]
#[command(after_help = "\
A call has to move bytes: student and teacher logits once, the gradient once, and per row a label
and a record of 64 bytes. What it reaches is given as a fraction of what a plain copy of as many
bytes reaches on the same machine, in turns with it in the same run: 1.00 is the speed of the memory.
  cpu   the copy has the working set of the case, on the same threads: the best of memcpy and a loop
        of non-temporal stores
  cuda  times are the GPU's own, of CUDA graphs over inputs that its cache does not hold; the copy is
        one of 512 MiB within its memory
  wgpu  the same with recorded calls, by the GPU's clock where it has one, and copies of 128 MiB

Examples:
  fused-kd bench                                   the usual shapes, on all cores
  fused-kd bench --threads 1 --shape 1024x1000     one shape, on one core
  fused-kd bench --engine cuda --dtype bf16 --preset kd,lr,dkd
  fused-kd bench --preset kd --noise 0.1           rows in which student and teacher nearly agree
  fused-kd bench --what step                       a training step of small networks
  fused-kd bench --what step --engine wgpu         the same on the GPU
  fused-kd bench --json > bench.json               for programs")]
pub(super) struct Arguments {
    /// The row program, or a whole training step.
    #[arg(long, value_enum, default_value_t = What::Rows)]
    what: What,
    /// What computes: cpu, cuda, wgpu or wgpu-software.
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = arguments::engine())]
    engine: EngineName,
    /// Rows x classes, or a list of shapes: cpu, latency, bandwidth, vision or language; may be repeated.
    /// Without it, the usual shapes of the engine.
    #[arg(long = "shape", value_name = "BxV", value_delimiter = ',', value_parser = cases::shapes)]
    shapes: Vec<Shapes>,
    /// The type of student, teacher and gradient; f32 and bf16 unless given.
    #[arg(long = "dtype", value_name = "TYPE", value_delimiter = ',',
        value_parser = one_of(FORMATS, spec::Format::name))]
    formats: Vec<spec::Format>,
    /// The loss; `fused-kd presets` lists and explains them.
    #[arg(long = "preset", value_name = "NAME", value_delimiter = ',',
        default_value = TABLE.presets[0]["name"].as_str(),
        value_parser = arguments::preset())]
    presets: Vec<Preset>,
    /// A parameter of the loss, such as temperature=2; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// What is written of the records; full unless given.
    #[arg(long, value_enum)]
    stats: Option<Stats>,
    /// Compute the loss alone, without its gradient.
    #[arg(long)]
    no_gradient: bool,
    /// Make the student the teacher plus X times an independent draw, as late in a distillation; both
    /// are independent unless given.
    #[arg(long, value_name = "X", value_parser = cases::noise)]
    noise: Option<f32>,
    /// The cpu engine's instructions: avx512, avx2 or portable; the best unless given, here or in the
    /// environment variable FUSED_KD_ISA.
    #[arg(long, value_name = "NAME", value_parser = one_of(Isa::ALL, Isa::name))]
    isa: Option<Isa>,
    /// The cuda engine's regime: group8, group16, warp, block, ring, cluster, stream, split or any; the
    /// one that its table suggests for the case unless given.
    #[cfg(feature = "cuda")]
    #[arg(long, value_name = "NAME", value_parser = one_of(Regime::ALL, Regime::name))]
    regime: Option<Regime>,
    /// Threads of the cpu engine; all cores unless given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Sizes of a network from its input to its classes, for --what step; may be repeated.
    #[arg(long = "network", value_name = "SIZES", value_delimiter = ',')]
    networks: Vec<Network>,
    /// Rows per step, for --what step; 128 unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// Measurements per case, of which the median counts.
    #[arg(long, value_name = "N", default_value_t = 25,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    samples: u32,
    /// How the results are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Arguments {
    /// The regime's name, if one is given.
    fn regime(&self) -> Option<&'static str> {
        #[cfg(feature = "cuda")]
        {
            self.regime.map(Regime::name)
        }
        #[cfg(not(feature = "cuda"))]
        {
            None
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// The row program on a batch of logits.
    Rows,
    /// A training step of a network.
    Step,
}

/// What runs the cases.
enum Engine {
    Cpu(cpu::Cpu),
    #[cfg(feature = "cuda")]
    Cuda(Box<cuda::Cuda>),
    #[cfg(feature = "wgpu")]
    Wgpu(Box<wgpu::Wgpu>),
}

/// One case's seconds per call, and bytes per second of the copy beside it.
struct Timing {
    call: f64,
    copy: f64,
    /// Which of the engine's kernels, where it has a choice.
    regime: Option<&'static str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    check(arguments)?;
    match arguments.what {
        What::Rows => rows(arguments),
        What::Step => steps(arguments),
    }
}

/// Refuses options that say nothing of what is measured.
fn check(arguments: &Arguments) -> Result<(), Failure> {
    let of_rows = [
        ("--shape", !arguments.shapes.is_empty()),
        ("--dtype", !arguments.formats.is_empty()),
        ("--stats", arguments.stats.is_some()),
        ("--no-gradient", arguments.no_gradient),
        ("--noise", arguments.noise.is_some()),
        ("--isa", arguments.isa.is_some()),
        ("--regime", arguments.regime().is_some()),
    ];
    let of_steps = [
        ("--network", !arguments.networks.is_empty()),
        ("--batch", arguments.batch.is_some()),
    ];
    let (others, remedy) = match arguments.what {
        What::Rows => (&of_steps[..], "add --what step"),
        What::Step => (
            &of_rows[..],
            "leave it away; FUSED_KD_ISA chooses instructions",
        ),
    };
    match others.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::usage(
            format_args!("{name} has no use for what is measured"),
            remedy,
        )),
        None => Ok(()),
    }
}

fn steps(arguments: &Arguments) -> Result<(), Failure> {
    let choice = terminal::chosen(arguments.engine)?;
    if choice.engine == EngineName::Reference {
        return Err(no_measurement(choice.engine));
    }
    if let Some(n) = arguments.threads.filter(|&n| n != 1) {
        return Err(Failure::usage(
            format_args!("--threads {n} has no use: steps are asked for by one thread"),
            "leave it away; `fused-kd compare` makes several runs at once",
        ));
    }
    let networks = match &arguments.networks[..] {
        [] => &TABLE.networks,
        given => given,
    };
    let batch = arguments.batch.unwrap_or(TABLE.batch) as usize;
    let losses = losses(arguments)?;
    networks.iter().try_for_each(|network| {
        cases::fits("--network", network, network.bytes_in_memory(batch))
    })?;
    let steps = Steps {
        networks,
        batch,
        losses: &losses,
        samples: arguments.samples as usize,
    };
    print(arguments, &step::run(&choice, steps)?)
}

fn rows(arguments: &Arguments) -> Result<(), Failure> {
    let choice = terminal::chosen(arguments.engine)?;
    let name = choice.engine;
    let engine = Engine::new(choice, arguments)?;
    let cases = cases(arguments, name)?;
    cases.iter().try_for_each(|case| {
        let shape = case.shape;
        cases::fits("--shape", &shape, case.bytes_in_memory())
    })?;
    let mut results = engine.results(name);
    let progress = progress(cases.len());
    for case in cases {
        progress.set_message(case.to_string());
        let timing = engine.time(&case, arguments.samples as usize)?;
        results.cases.push(Measured::new(&case, &timing));
        progress.inc(1);
    }
    progress.finish_and_clear();
    print(arguments, &results)
}

/// For people or for programs.
fn print(arguments: &Arguments, results: &(impl Serialize + Display)) -> Result<(), Failure> {
    match arguments.format {
        Format::Table if !arguments.json => terminal::print(results),
        _ => terminal::print_json(results),
    }
}

/// Refuses an engine without a clock.
fn no_measurement(engine: EngineName) -> Failure {
    Failure::usage(
        format_args!("the engine {engine} has no measurement"),
        "give --engine cpu, cuda, wgpu or wgpu-software",
    )
}

/// The presets with their settings.
fn losses(arguments: &Arguments) -> Result<Vec<(Preset, LossSpec)>, Failure> {
    let with_settings = |&preset: &Preset| {
        let spec = preset.spec().with_settings(&arguments.settings)?;
        Ok((preset, spec))
    };
    arguments.presets.iter().map(with_settings).collect()
}

impl Engine {
    fn new(choice: Choice, arguments: &Arguments) -> Result<Self, Failure> {
        let name = choice.engine;
        let (isa, threads) = (arguments.isa, arguments.threads);
        if name.is_gpu() && (isa.is_some() || threads.is_some()) {
            return Err(Failure::usage(
                format_args!("--isa and --threads have no use: {name} runs on the GPU"),
                "leave them away",
            ));
        }
        if let Some(regime) = arguments.regime().filter(|_| name.name() != "cuda") {
            return Err(Failure::usage(
                format_args!("--regime {regime} has no use: {name} has no regimes to choose from"),
                "leave it away, or add --engine cuda",
            ));
        }
        match choice.device {
            Device::Cpu => Ok(Self::Cpu(cpu::Cpu::new(isa, threads)?)),
            Device::Reference => Err(no_measurement(name)),
            #[cfg(feature = "cuda")]
            Device::Cuda(gpu) => {
                let cuda = cuda::Cuda::new(*gpu, arguments.regime);
                Ok(Self::Cuda(Box::new(cuda)))
            }
            #[cfg(feature = "wgpu")]
            Device::Wgpu(gpu) => Ok(Self::Wgpu(Box::new(wgpu::Wgpu::new(*gpu)))),
        }
    }

    fn results(&self, name: EngineName) -> Results {
        let (isa, threads, device) = match self {
            Self::Cpu(cpu) => (cpu.isa(), Some(cpu.threads()), None),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => (cuda.isa(), None, Some(cuda.device())),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(wgpu) => (wgpu.isa(), None, Some(wgpu.device())),
        };
        Results {
            engine: name.name(),
            isa,
            threads,
            device,
            cases: Vec::new(),
        }
    }

    fn time(&self, case: &Case, samples: usize) -> Result<Timing, Report> {
        match self {
            Self::Cpu(cpu) => cpu.time(case, samples),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.time(case, samples),
            #[cfg(feature = "wgpu")]
            Self::Wgpu(wgpu) => wgpu.time(case, samples),
        }
    }
}

/// Every preset in every type on every shape.
fn cases(arguments: &Arguments, engine: EngineName) -> Result<Vec<Case>, Failure> {
    let shapes = match &arguments.shapes[..] {
        [] => TABLE.usual(engine),
        given => given.concat(),
    };
    let formats = match &arguments.formats[..] {
        [] => {
            let usual =
                |format: &spec::Format| TABLE.types.iter().any(|name| name == format.name());
            FORMATS.into_iter().filter(usual).collect()
        }
        given => given.to_vec(),
    };
    let level = arguments.stats.unwrap_or(Stats::Full).level();
    let mut cases = Vec::new();
    for (preset, spec) in losses(arguments)? {
        cases::check(preset, &spec)?;
        for &format in &formats {
            cases.extend(shapes.iter().map(|&shape| Case {
                shape,
                format,
                preset,
                spec,
                level,
                gradient: !arguments.no_gradient,
                noise: arguments.noise,
            }));
        }
    }
    Ok(cases)
}

/// On a terminal alone.
fn progress(cases: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
    ProgressBar::new(cases as u64).with_style(style.expect("a constant"))
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
