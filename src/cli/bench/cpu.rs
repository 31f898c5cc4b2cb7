//! The CPU engine, in turns with copies of as many bytes on the same threads.

use super::cases::Case;
use super::logits::Logits;
use super::timing::{Timing, median};
use crate::batch::{Batch, Element};
use crate::cli::failure::{Failure, failed};
use crate::cpu::{Isa, Options, Parallelism, Plan, copy_past_caches};
use crate::spec::{ArgumentError, Format, RowStats, StatsLevel};
use half::{bf16, f16};
use miette::Report;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::hint::black_box;
use std::time::Instant;

/// Seconds that one measurement takes at least: shorter calls are repeated.
const SHORTEST: f64 = 2e-4;

/// Seconds of calls before the measurements: systems put the threads of a new pool on one core and
/// spread them after a while.
const WARM: f64 = 0.1;

/// A pool of threads, and the instructions that they run.
pub(super) struct Cpu {
    pool: ThreadPool,
    isa: Isa,
}

impl Cpu {
    pub(super) fn new(isa: Option<Isa>, threads: Option<usize>) -> Result<Self, Failure> {
        let isa = isa.map_or_else(Isa::chosen, Ok);
        let isa = isa.map_err(|error| Failure::usage(error, "unset FUSED_KD_ISA"))?;
        let most = rayon::current_num_threads();
        let threads = threads.unwrap_or(most);
        if threads == 0 || threads > 4 * most.max(64) {
            return Err(Failure::usage(
                format_args!(
                    "--threads {threads}: must be from 1 to {}",
                    4 * most.max(64)
                ),
                format_args!("this machine runs {most} at once"),
            ));
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let why = "there may be a limit on processes: give fewer --threads";
        Ok(Self {
            pool: pool.map_err(|error| failed(error, why))?,
            isa,
        })
    }

    pub(super) fn isa(&self) -> String {
        self.isa.name().to_owned()
    }

    pub(super) fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    pub(super) fn time(&self, case: &Case, samples: usize) -> Result<Timing, Report> {
        match case.format {
            Format::F32 => self.time_as::<f32>(case, samples),
            Format::F16 => self.time_as::<f16>(case, samples),
            Format::Bf16 => self.time_as::<bf16>(case, samples),
        }
    }

    fn time_as<S: Element>(&self, case: &Case, samples: usize) -> Result<Timing, Report> {
        let options = Options::default().level(case.level).isa(self.isa);
        let plan = Plan::new(&case.spec, case.shape.classes, options).map_err(Report::msg)?;
        let mut call = Call::<S>::new(case);
        let mut copies = Copies::new(case.bytes() / 2);
        let parallelism = match self.threads() {
            1 => Parallelism::Serial,
            _ => Parallelism::Rayon,
        };
        self.pool.install(|| {
            // Refusals come here; afterwards nothing changes.
            call.run(&plan, parallelism).map_err(Report::msg)?;
            let repeat = repetitions(|| call.repeat(&plan, parallelism));
            let mut calls = Vec::with_capacity(samples);
            let mut kinds = CopyKind::all(self.threads());
            for kind in &mut kinds {
                kind.repeat = repetitions(|| copies.run(kind.method, kind.parts));
            }
            for _ in 0..samples {
                calls.push(seconds(repeat, || call.repeat(&plan, parallelism)));
                for kind in &mut kinds {
                    let copy = || copies.run(kind.method, kind.parts);
                    kind.seconds.push(seconds(kind.repeat, copy));
                }
            }
            let fastest = kinds.into_iter().map(|kind| median(kind.seconds));
            let copy = fastest.fold(f64::INFINITY, f64::min);
            Ok(Timing {
                call: median(calls),
                copy: copies.bytes() as f64 / copy,
                regime: None,
            })
        })
    }
}

/// A batch, and what is written of it.
struct Call<S> {
    logits: Logits<S>,
    gradient: Vec<S>,
    stats: Vec<RowStats>,
}

impl<S: Element> Call<S> {
    fn new(case: &Case) -> Self {
        let logits = Logits::new(case.shape, case.noise);
        let elements = if case.gradient {
            logits.student.len()
        } else {
            0
        };
        let records = match case.level {
            StatsLevel::None => 0,
            _ => case.shape.rows,
        };
        Self {
            logits,
            gradient: vec![S::zeroed(); elements],
            stats: vec![RowStats::default(); records],
        }
    }

    fn run(&mut self, plan: &Plan, parallelism: Parallelism) -> Result<f32, ArgumentError> {
        let Logits {
            student,
            teacher,
            labels,
        } = &self.logits;
        let mut batch = Batch::new(labels.len(), student, teacher, labels);
        if !self.gradient.is_empty() {
            batch = batch.gradient(&mut self.gradient);
        }
        if !self.stats.is_empty() {
            batch = batch.stats(&mut self.stats);
        }
        plan.run(batch, parallelism)
    }

    /// The same for the time that it takes.
    fn repeat(&mut self, plan: &Plan, parallelism: Parallelism) {
        let _ = black_box(self.run(plan, parallelism));
    }
}

/// Two buffers of the same length.
struct Copies {
    from: Vec<f32>,
    to: Vec<f32>,
}

type Method = fn(&[f32], &mut [f32]);

/// One way to copy, and what it took.
struct CopyKind {
    method: Method,
    parts: usize,
    repeat: u32,
    seconds: Vec<f64>,
}

impl CopyKind {
    /// With plain and with non-temporal stores, on the caller's thread and on all of them.
    fn all(threads: usize) -> Vec<Self> {
        let methods: [Method; 2] = [|from, to| to.copy_from_slice(from), copy_past_caches];
        let mut parts = vec![1, threads];
        parts.dedup();
        let kind = |method, parts| Self {
            method,
            parts,
            repeat: 1,
            seconds: Vec::new(),
        };
        let of = |method| parts.iter().map(move |&parts| kind(method, parts));
        methods.into_iter().flat_map(of).collect()
    }
}

impl Copies {
    fn new(bytes: usize) -> Self {
        // Not zeros, whose pages the system need not have.
        let n = bytes.div_ceil(size_of::<f32>()).max(1);
        let [from, to] = [1.0, 2.0].map(|value| vec![value; n]);
        Self { from, to }
    }

    /// Read and written.
    fn bytes(&self) -> usize {
        2 * size_of_val(&self.from[..])
    }

    fn run(&mut self, method: Method, parts: usize) {
        if parts == 1 {
            method(&self.from, &mut self.to);
        } else {
            let size = self.from.len().div_ceil(parts);
            let to = self.to.par_chunks_mut(size);
            self.from
                .par_chunks(size)
                .zip(to)
                .for_each(|(from, to)| method(from, to));
        }
        black_box(&mut self.to);
    }
}

/// How often something has to be done to be measured, once it is warm.
fn repetitions(mut once: impl FnMut()) -> u32 {
    let (start, mut fastest) = (Instant::now(), f64::INFINITY);
    while start.elapsed().as_secs_f64() < WARM {
        fastest = fastest.min(seconds(1, &mut once));
    }
    (SHORTEST / fastest).ceil().clamp(1.0, 10_000.0) as u32
}

/// What one of so many takes.
fn seconds(times: u32, mut once: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..times).for_each(|_| once());
    start.elapsed().as_secs_f64() / f64::from(times)
}
