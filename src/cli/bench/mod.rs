//! `fused-kd bench`: the row program's speed as a fraction of this machine's copy bandwidth.

mod batch;
mod cases;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod report;

use super::arguments::{self, Format};
use super::failure::Failure;
use super::terminal;
use crate::auto::{EngineName, Purpose};
use crate::spec::{self, Preset};
use cases::{Case, Shape, Stats};
use indicatif::{ProgressBar, ProgressStyle};
use miette::Report;
use report::{Measured, Results};

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

Examples:
  fused-kd bench                                   the usual shapes, on all cores
  fused-kd bench --threads 1 --shape 1024x1000     one shape, on one core
  fused-kd bench --engine cuda --dtype bf16 --preset kd,lr,dkd
  fused-kd bench --json > bench.json               for programs")]
pub(super) struct Arguments {
    /// What computes: cpu or cuda.
    #[arg(long, value_name = "NAME", default_value = "cpu", value_parser = arguments::engine())]
    engine: EngineName,
    /// Rows x classes; may be repeated. Without it, the usual shapes of the engine.
    #[arg(long = "shape", value_name = "BxV", value_delimiter = ',')]
    shapes: Vec<Shape>,
    /// The type of student, teacher and gradient.
    #[arg(long = "dtype", value_name = "TYPE", value_delimiter = ',', default_value = "f32,bf16",
        value_parser = cases::format())]
    formats: Vec<spec::Format>,
    /// The loss; `fused-kd presets` lists and explains them.
    #[arg(long = "preset", value_name = "NAME", value_delimiter = ',', default_value = "lr",
        value_parser = arguments::preset())]
    presets: Vec<Preset>,
    /// A parameter of the loss, such as temperature=2; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// What is written of the records.
    #[arg(long, value_enum, default_value_t = Stats::Full)]
    stats: Stats,
    /// Compute the loss alone, without its gradient.
    #[arg(long)]
    no_gradient: bool,
    /// Threads of the cpu engine; all cores unless given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
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

/// What runs the cases.
enum Engine {
    Cpu(cpu::Cpu),
    #[cfg(feature = "cuda")]
    Cuda(Box<cuda::Cuda>),
}

/// One case's seconds per call, and bytes per second of the copy beside it.
struct Timing {
    call: f64,
    copy: f64,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = terminal::chosen(arguments.engine, Purpose::Rows)?;
    let engine = Engine::new(name, arguments.threads)?;
    let cases = cases(arguments, name)?;
    let mut results = engine.results(name);
    let progress = progress(cases.len());
    for case in cases {
        progress.set_message(case.to_string());
        let timing = engine.time(&case, arguments.samples as usize)?;
        results.cases.push(Measured::new(&case, &timing));
        progress.inc(1);
    }
    progress.finish_and_clear();
    match arguments.format {
        Format::Table if !arguments.json => terminal::print(&results),
        _ => terminal::print_json(&results),
    }
}

impl Engine {
    fn new(name: EngineName, threads: Option<usize>) -> Result<Self, Failure> {
        match (name, threads) {
            (EngineName::Cpu, _) => Ok(Self::Cpu(cpu::Cpu::new(threads)?)),
            #[cfg(feature = "cuda")]
            (EngineName::Cuda, None) => Ok(Self::Cuda(Box::new(cuda::Cuda::new()?))),
            (EngineName::Cuda, Some(n)) => Err(Failure::usage(
                format_args!("--threads {n} has no use: the cuda engine runs on the GPU"),
                "leave it away",
            )),
            (other, _) => Err(Failure::usage(
                format_args!("the engine {other} has no measurement"),
                "give --engine cpu or --engine cuda",
            )),
        }
    }

    fn results(&self, name: EngineName) -> Results {
        let (isa, threads, device) = match self {
            Self::Cpu(cpu) => (cpu.isa(), Some(cpu.threads()), None),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => (cuda.isa(), None, Some(cuda.device())),
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
        }
    }
}

/// Every preset in every type on every shape.
fn cases(arguments: &Arguments, engine: EngineName) -> Result<Vec<Case>, Failure> {
    let shapes = match &arguments.shapes[..] {
        [] => cases::usual(engine),
        given => given.to_vec(),
    };
    let mut cases = Vec::new();
    for &preset in &arguments.presets {
        let spec = preset.spec().with_settings(&arguments.settings)?;
        cases::check(preset, &spec)?;
        for &format in &arguments.formats {
            cases.extend(shapes.iter().map(|&shape| Case {
                shape,
                format,
                preset,
                spec,
                level: arguments.stats.level(),
                gradient: !arguments.no_gradient,
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
