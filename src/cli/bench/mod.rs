//! `fused-kd bench`: a roofline of this machine.
//!
//! `cases` says what is measured, `table` prints it; an engine is a [`Source`] of timings.

mod cases;
mod cpu;
mod table;

use super::arguments;
use super::failure::Failure;
use super::terminal;
use crate::cpu::Isa;
use crate::spec::{Format, Preset};
use cases::{Case, SHAPES, Shape, Timing};
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// Measure the kernels against the speed of this machine's memory.
///
/// A call has to read the student's and the teacher's logits once, and to write the gradient and a
/// record of 64 bytes per row once. Nothing can be faster than copying as many bytes: this prints how
/// near each case comes to that, by a copy that is measured in turns with it.
#[derive(clap::Args)]
#[command(after_help = "\
Columns: time is the median of a call; moved are the bytes that had to move; GB/s is moved/time; copy is
the better of memcpy and of a copy past the caches, read and written bytes of a working set of the same
size on the same threads; of copy is the fraction. Where a batch fits into a cache, copying is as fast as
that cache, and arithmetic is what takes the time.

Examples:
  fused-kd bench                                    all shapes, f32 and bf16, all threads
  fused-kd bench --threads 1 --isa avx2             one thread, other instructions
  fused-kd bench --shape 512x50257 --dtype bf16     one batch of one's own
  fused-kd bench --preset lr,dkd,ka-ps --shape 1024x1000
  fused-kd bench --json > here.json                 for programs, and to compare machines")]
pub(super) struct Arguments {
    /// What computes.
    #[arg(long, value_enum, default_value_t = Engine::Cpu)]
    engine: Engine,
    /// The processor's instructions; what
    /// FUSED_KD_ISA names, or the best, if not given.
    #[arg(long, value_parser = isa())]
    isa: Option<Isa>,
    /// Threads; all that the machine has if not given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Batches as ROWSxCLASSES, separated by commas; from 256x10 to 8x151936 if not given.
    #[arg(long, value_name = "BxV,…", value_delimiter = ',')]
    shape: Vec<Shape>,
    /// Types of student, teacher and gradient, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = format(), default_value = "f32,bf16")]
    dtype: Vec<Format>,
    /// Losses, separated by commas; `fused-kd presets` lists them.
    #[arg(long, value_delimiter = ',', value_parser = arguments::preset(), default_value = "lr")]
    preset: Vec<Preset>,
    /// Seconds for each case, besides its first calls.
    #[arg(long, default_value_t = 0.5, value_parser = patience)]
    seconds: f32,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Engines that can be measured.
#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    Cpu,
}

fn patience(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(seconds @ 0.0..=3600.0) => Ok(seconds),
        _ => Err("seconds are between 0 and 3600".to_owned()),
    }
}

fn isa() -> impl TypedValueParser<Value = Isa> {
    PossibleValuesParser::new(Isa::ALL.map(Isa::name)).map(|name| {
        let named = Isa::ALL.into_iter().find(|isa| isa.name() == name);
        named.expect("one of the possible values")
    })
}

fn format() -> impl TypedValueParser<Value = Format> {
    const ALL: [Format; 3] = [Format::F32, Format::F16, Format::Bf16];
    PossibleValuesParser::new(ALL.map(Format::name)).map(|name| {
        let named = ALL.into_iter().find(|format| format.name() == name);
        named.expect("one of the possible values")
    })
}

/// What measures cases.
trait Source {
    /// The engine's name, its instructions or device, and its threads.
    fn describe(&self) -> (&'static str, String, usize);
    /// Times a case in turns with a copy, for about so long.
    fn time(&self, case: &Case, patience: Duration) -> Result<Timing, Failure>;
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source: Box<dyn Source> = match arguments.engine {
        Engine::Cpu => Box::new(cpu::Cpu::new(
            arguments.isa,
            arguments.threads.map(|n| n as usize),
        )?),
    };
    let cases = arguments.cases();
    let bar = ProgressBar::new(cases.len() as u64);
    // Drawn on standard error, and only where that is a terminal.
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a template"));
    let patience = Duration::from_secs_f32(arguments.seconds);
    let mut timings = Vec::with_capacity(cases.len());
    for case in cases {
        let Shape { rows, classes } = case.shape;
        bar.set_message(format!("{rows}x{classes} {}", case.format.name()));
        timings.push((case, source.time(&case, patience)?));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let measured = table::Measured::new(source.describe(), &timings);
    if arguments.json {
        terminal::print_json(&measured)
    } else {
        terminal::print(measured.table())
    }
}

impl Arguments {
    fn cases(&self) -> Vec<Case> {
        let shapes = match &self.shape[..] {
            [] => &SHAPES[..],
            shapes => shapes,
        };
        let mut cases = Vec::new();
        for &preset in &self.preset {
            for &format in &self.dtype {
                cases.extend(shapes.iter().map(|&shape| Case {
                    shape,
                    format,
                    preset,
                }));
            }
        }
        cases
    }
}
