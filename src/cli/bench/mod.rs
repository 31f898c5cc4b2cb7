//! `fused-kd bench`: the row program's speed as a fraction of this machine's copy bandwidth.

mod cases;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod logits;
mod report;
mod shape;
mod step;
mod table;
mod timing;
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
use cases::{Case, FORMATS, Stats, one_of};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use miette::Report;
use report::{Measured, Results};
use serde::Serialize;
use std::fmt::Display;
use step::{Network, Steps};
use table::{Shapes, TABLE};
use timing::Timing;

/// Measure the speed of the kernels, compared with a copy of the same bytes.
#[derive(clap::Args)]
#[command(after_help = "\
A call must read the logits of student and teacher once, write the gradient
once, and move a label and a record of 64 bytes per row. The table compares its
speed with that of a plain copy of as many bytes, measured in turns in the same
run: 1.00 means that only the memory limits it.
  cpu   copies the same bytes on the same threads, by memcpy or non-temporal
        stores, whichever is faster
  cuda  times CUDA graphs with the GPU's clock, over inputs larger than its
        cache, and copies 512 MiB within its memory
  wgpu  times recorded calls, with the GPU's clock where it has one, and copies
        128 MiB

Examples:
  fused-kd bench                       the usual shapes, on all cores
  fused-kd bench --threads 1 --shape 1024x1000
                                       one shape, on one core
  fused-kd bench --engine cuda --dtype bf16 --preset kd,lr,dkd
  fused-kd bench --preset kd --noise 0.1
                                       a student close to its teacher
  fused-kd bench --what step           a training step of small networks
  fused-kd bench --what step --engine wgpu
  fused-kd bench --json > bench.json   for programs")]
pub(super) struct Arguments {
    /// Measure the loss kernel, or a whole training step.
    #[arg(long, value_enum, default_value_t = What::Rows)]
    what: What,
    /// Measure this engine: cpu, cuda, wgpu or wgpu-software.
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = arguments::engine())]
    engine: EngineName,
    /// Measure this shape, rows x classes, or a list of shapes: cpu, latency, bandwidth, vision or
    /// language. Repeatable; the engine's usual shapes unless given.
    #[arg(long = "shape", value_name = "BxV", value_delimiter = ',', value_parser = table::shapes)]
    shapes: Vec<Shapes>,
    /// Store student, teacher and gradient in this type; f32 and bf16 unless given.
    #[arg(long = "dtype", value_name = "TYPE", value_delimiter = ',',
        value_parser = one_of(FORMATS, spec::Format::name))]
    formats: Vec<spec::Format>,
    /// Measure this loss; `fused-kd presets` lists them.
    #[arg(long = "preset", value_name = "NAME", value_delimiter = ',',
        default_value = TABLE.presets[0]["name"].as_str(),
        value_parser = arguments::preset())]
    presets: Vec<Preset>,
    /// Set a parameter of the loss, such as temperature=2. Repeatable.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Write this much of the records; full unless given.
    #[arg(long, value_enum)]
    stats: Option<Stats>,
    /// Compute the loss without its gradient.
    #[arg(long)]
    no_gradient: bool,
    /// Draw the student's logits as the teacher's plus X times noise, as late in training; unless
    /// given, independently.
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = cases::noise)]
    noise: Option<f32>,
    /// Use these instructions of the CPU: avx512, avx2 or portable. Unless given, take the best, or the
    /// variable FUSED_KD_ISA.
    #[arg(long, value_name = "NAME", value_parser = one_of(Isa::ALL, Isa::name))]
    isa: Option<Isa>,
    /// Use this kernel variant of the cuda engine (see docs/performance.md); unless given, the one
    /// that its table suggests.
    #[cfg(feature = "cuda")]
    #[arg(long, value_name = "NAME", value_parser = one_of(Regime::ALL, Regime::name))]
    regime: Option<Regime>,
    /// Use this many threads on the CPU; all cores unless given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Train a network of these layer sizes, from input to classes, with --what step. Repeatable.
    #[arg(long = "network", value_name = "SIZES", value_delimiter = ',')]
    networks: Vec<Network>,
    /// Train on this many rows per step, with --what step; 128 unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// Measure each case this often, and report the median.
    #[arg(long, value_name = "N", default_value_t = 25,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    samples: u32,
    /// Print the results in this format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print JSON, as --format json does.
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
    /// The loss kernel on a batch of logits.
    Rows,
    /// One training step of a small network.
    Step,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Step => "step",
        }
    }
}

/// What runs the cases.
enum Engine {
    Cpu(cpu::Cpu),
    #[cfg(feature = "cuda")]
    Cuda(Box<cuda::Cuda>),
    #[cfg(feature = "wgpu")]
    Wgpu(Box<wgpu::Wgpu>),
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
            "remove it; the variable FUSED_KD_ISA chooses instructions",
        ),
    };
    match others.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Failure::usage(
            format_args!("{name}: does not apply to --what {}", arguments.what.name()),
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
            format_args!("--threads {n}: a training step runs on one thread"),
            "remove it; `fused-kd compare` trains several networks at once",
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
        format_args!("--engine {engine}: cannot be measured"),
        "give --engine cpu, cuda, wgpu or wgpu-software",
    )
}

/// The presets with their settings.
fn losses(arguments: &Arguments) -> Result<Vec<(Preset, LossSpec)>, Failure> {
    let settings = &arguments.settings;
    let with_settings = |&preset: &Preset| {
        let spec = preset.spec().with_settings(settings);
        let spec = spec.map_err(|error| Failure::of_settings(settings, &error))?;
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
                format_args!("--isa and --threads: do not apply to {name}, which runs on the GPU"),
                "remove them",
            ));
        }
        if let Some(regime) = arguments.regime().filter(|_| name.name() != "cuda") {
            return Err(Failure::usage(
                format_args!("--regime {regime}: applies to the cuda engine, not to {name}"),
                "remove it, or add --engine cuda",
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
