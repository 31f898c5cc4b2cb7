//! Timings of the CPU engine.

use super::Source;
use super::cases::{Case, Timing};
use crate::cli::failure::{Failure, failed};
use crate::cpu::{Element, Isa, Parallelism, Plan, Rows, Student, copy_past_caches};
use crate::spec::{Format, Preset, RowStats, StatsLevel, Temperature};
use half::{bf16, f16};
use miette::IntoDiagnostic;
use rayon::prelude::*;
use std::time::{Duration, Instant};

/// The engine with its instructions, on its threads.
pub(super) struct Cpu {
    isa: Isa,
    threads: usize,
    pool: rayon::ThreadPool,
}

/// Samples of a case at least.
const LEAST_SAMPLES: usize = 20;

impl Cpu {
    pub(super) fn new(isa: Option<Isa>, threads: Option<usize>) -> Result<Self, Failure> {
        // Any plan knows what is chosen where nobody said.
        let any = Plan::new(&Preset::Kd.spec(), 2, StatsLevel::None).into_diagnostic()?;
        let isa = isa.unwrap_or(any.isa());
        if !isa.is_available() {
            let why = format!("this processor has no {} instructions", isa.name());
            return Err(failed(why, "leave out --isa for the best that it has").into());
        }
        let all = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(all);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        Ok(Self {
            isa,
            threads,
            pool: pool.build().into_diagnostic()?,
        })
    }

    fn parallelism(&self) -> Parallelism {
        match self.threads {
            1 => Parallelism::Serial,
            _ => Parallelism::Rayon,
        }
    }

    fn time_of<E: Element>(&self, case: &Case, patience: Duration) -> Result<Timing, Failure> {
        let n = case.shape.logits();
        let plan = Plan::new(&case.preset.spec(), case.shape.classes, StatsLevel::Full);
        let plan = plan.and_then(|plan| plan.with_isa(self.isa));
        let plan = plan.into_diagnostic()?;
        let (student, teacher) = (logits::<E>(n, 4.0), logits::<E>(n, 8.0));
        let classes = case.shape.classes;
        let labels: Vec<i32> = (0..case.shape.rows)
            .map(|row| (row * 7919 % classes) as i32)
            .collect();
        let mut gradient = vec![E::from_f32(0.0); n];
        let mut stats = vec![RowStats::default(); case.shape.rows];
        // Temperatures of a whole batch are a call of their own.
        let mut tau = vec![1.0; case.shape.rows];
        let mut rows = Rows::new(&teacher, &labels);
        if let Temperature::Dtd(_) = case.preset.spec().temperature() {
            let student = Student::without_gradient(&student);
            plan.dtd_temperatures(&rows, &student, &mut tau)
                .into_diagnostic()?;
            rows = rows.tau(&tau);
        }
        let mut copies = Copies::new(case.bytes());
        let mut samples: [Vec<f64>; 3] = Default::default();
        let mut first = true;
        let start = Instant::now();
        while start.elapsed() < patience || samples[0].len() < LEAST_SAMPLES {
            let place = Student::with_gradient(&student, &mut gradient);
            let parallelism = self.parallelism();
            let (call, result) = seconds(|| plan.run(&rows, place, &mut stats, parallelism));
            result.into_diagnostic()?;
            let (memcpy, ()) = seconds(|| copies.run(self.threads, <[f32]>::copy_from_slice));
            let past = |to: &mut [f32], from: &[f32]| copy_past_caches(from, to);
            let (past, ()) = seconds(|| copies.run(self.threads, past));
            // The first touch of all that memory is nobody's fault.
            if !std::mem::take(&mut first) {
                for (samples, new) in samples.iter_mut().zip([call, memcpy, past]) {
                    samples.push(new);
                }
            }
        }
        let [median, memcpy, past] = samples.map(median);
        Ok(Timing {
            median,
            copy: copies.bytes() / memcpy.min(past),
        })
    }
}

impl Source for Cpu {
    fn describe(&self) -> (&'static str, String, usize) {
        ("cpu", self.isa.name().to_owned(), self.threads)
    }

    fn time(&self, case: &Case, patience: Duration) -> Result<Timing, Failure> {
        self.pool.install(|| match case.format {
            Format::F32 => self.time_of::<f32>(case, patience),
            Format::F16 => self.time_of::<f16>(case, patience),
            Format::Bf16 => self.time_of::<bf16>(case, patience),
        })
    }
}

/// A copy with a working set of a given size.
struct Copies {
    from: Vec<f32>,
    to: Vec<f32>,
}

impl Copies {
    fn new(bytes: usize) -> Self {
        let n = bytes.div_ceil(2 * size_of::<f32>());
        Self {
            from: vec![1.0; n],
            to: vec![0.0; n],
        }
    }

    /// Read and written.
    fn bytes(&self) -> f64 {
        (2 * size_of_val(&self.from[..])) as f64
    }

    /// On as many threads as the kernel.
    fn run(&mut self, threads: usize, copy: impl Fn(&mut [f32], &[f32]) + Sync) {
        if threads == 1 {
            return copy(&mut self.to, &self.from);
        }
        let part = self.from.len().div_ceil(threads);
        let parts = self.to.par_chunks_mut(part).zip(self.from.par_chunks(part));
        parts.for_each(|(to, from)| copy(to, from));
    }
}

/// Logits without a pattern that hardware could know, between `−range` and `range`.
fn logits<E: Element>(n: usize, range: f32) -> Vec<E> {
    let scatter = |i: usize| (i as u32).wrapping_mul(0x9E37_79B9 ^ range.to_bits()) >> 8;
    let unit = |i: usize| scatter(i) as f32 / (1 << 23) as f32 - 1.0;
    (0..n).map(|i| E::from_f32(range * unit(i))).collect()
}

fn seconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed().as_secs_f64(), result)
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
