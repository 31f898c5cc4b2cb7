//! A plan: one loss over rows of V classes, and the batch that it is run over.

use super::block::{self, RowBlock};
use super::options::Options;
#[cfg(feature = "rayon")]
use super::regime::BLOCKS_PER_THREAD;
use super::regime::{LEAF_LOGITS, Regime};
use super::sweep::matrix::{Matrix, matrices};
use super::sweep::rows::Rows;
use super::sweep::scratch::{self, Pieces};
use super::{Element, Isa, prologue};
use crate::batch::check::{self, Strides};
use crate::batch::{Batch, Counts, weighted, written};
use crate::spec::{ArgumentError, LossSpec, Reduction, SpecError, StatsLevel};

/// Who works on the rows. The bits of the result do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parallelism {
    /// The caller's thread alone. Such a call allocates nothing; without a workspace of the caller's, a
    /// thread's first one with rows as long does: see [`Plan::run`].
    #[default]
    Serial,
    /// The rayon pool in which the call is made, or the global one; batches of up to 65,536 logits
    /// stay on the caller's thread. Where calls are many, make all of them in the pool
    /// (`pool.install(|| for batch in batches { … })`): each from outside has to wake its threads,
    /// and its own afterwards.
    #[cfg(feature = "rayon")]
    Rayon,
}

/// One loss over rows of `V` classes: checked once, run often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    spec: LossSpec,
    classes: usize,
    level: StatsLevel,
    isa: Isa,
}

impl Plan {
    /// A plan for rows of `classes` classes.
    ///
    /// # Errors
    /// [`SpecError::Classes`] for 0 classes and for 2³¹ and more; [`SpecError::Instructions`] where the
    /// processor lacks the instructions that are asked for; it and [`SpecError::UnknownName`] where
    /// nothing is asked for and the environment variable `FUSED_KD_ISA` names no set that is there.
    pub fn new(spec: &LossSpec, classes: usize, options: Options) -> Result<Self, SpecError> {
        LossSpec::check_classes(classes)?;
        Ok(Self {
            spec: *spec,
            classes,
            level: options.level,
            isa: options.isa.map_or_else(Isa::chosen, Isa::checked)?,
        })
    }

    /// The same loss with records at another level.
    #[must_use]
    pub fn at_level(self, level: StatsLevel) -> Self {
        Self { level, ..self }
    }

    /// The loss that this plan computes.
    #[must_use]
    pub fn spec(&self) -> &LossSpec {
        &self.spec
    }

    /// V.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How it is carried out.
    pub fn options(&self) -> Options {
        Options::default().level(self.level).isa(self.isa)
    }

    /// Which path takes a batch of so many rows. On this engine their number says nothing.
    #[must_use]
    pub fn regime(&self, _rows: usize) -> Regime {
        Regime::choose(&self.spec, self.classes)
    }

    /// Bytes of [`Batch::workspace`] that a call with so many rows needs, 0 where it keeps nothing: for
    /// each thread three rows of exponentials, 12 bytes per class and 48 KiB at least, 12 MiB at most.
    /// With `Parallelism::Rayon`, ask in the pool in which the call is made.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize, parallelism: Parallelism) -> usize {
        scratch::bytes(self.lines(), self.threads(rows, parallelism))
    }

    /// What a thread keeps of its rows.
    fn lines(&self) -> usize {
        match Regime::choose(&self.spec, self.classes) {
            Regime::Staged | Regime::Streamed => scratch::lines(self.classes),
            _ => 0,
        }
    }

    /// The threads between which a batch may be shared.
    fn threads(&self, rows: usize, parallelism: Parallelism) -> usize {
        if !self.is_shared(rows) {
            return 1;
        }
        match parallelism {
            Parallelism::Serial => 1,
            #[cfg(feature = "rayon")]
            Parallelism::Rayon => rayon::current_num_threads(),
        }
    }

    /// Whether so many rows are worth more than one thread.
    fn is_shared(&self, rows: usize) -> bool {
        rows > LEAF_LOGITS / self.classes
    }

    /// Runs the row program over a batch: returns `total = upstream · Σ_b loss_b · inv_n`, and writes
    /// it, the gradient `∂total/∂s` and one record per row, each where the batch has room for it. No
    /// rows, no work: the total is 0. Without [`Batch::counts`], a mean counts this call's rows; per
    /// group that reads the teacher's logits once more.
    ///
    /// With a [workspace](Batch::workspace) a serial call allocates nothing. Without one, each thread
    /// that works on rows keeps as much for the next calls, from the first one that needs it until it
    /// ends: never more than 12 MiB.
    ///
    /// # Errors
    /// [`ArgumentError`] names the argument, before anything is written.
    pub fn run<S: Element, T: Element>(
        &self,
        batch: Batch<S, T>,
        parallelism: Parallelism,
    ) -> Result<f32, ArgumentError> {
        let strides = check::call(&self.spec, self.level, self.classes, &batch)?;
        let threads = self.threads(batch.rows, parallelism);
        let upstream = batch.upstream.value();
        let inverse = self.inverse_counts(&batch, strides);
        let level = batch
            .stats
            .as_ref()
            .map_or(StatsLevel::None, |_| self.level);
        let scratch = Pieces::of(batch.workspace, self.lines(), threads, batch.rows)?;
        let mut student = batch.student.with(batch.gradient);
        let (student, gradient) = matrices(&mut student, batch.rows, self.classes, strides);
        let block = RowBlock {
            spec: &self.spec,
            rows: Rows {
                classes: self.classes,
                labels: batch.labels,
                tau: batch.tau,
                one_tau: self.spec.temperature().scalar().unwrap_or(1.0),
                student,
                teacher: Matrix::new(batch.teacher, strides.teacher, batch.rows, self.classes),
                gradient,
            },
            // A power of two, so that batches of as many rows are halved evenly.
            leaf: 1 << (LEAF_LOGITS / self.classes).max(1).ilog2(),
            level,
            weight: batch.weight,
            kd_weight: batch.kd_weight,
            scale: inverse.map(|n| n * upstream),
            stats: batch.stats.unwrap_or_default(),
            scratch: scratch.as_ref(),
        };
        let total = self.total(block, threads);
        Ok(written(total as f32, batch.total))
    }

    /// Counts the rows that a mean divides by. It reads the teacher's logits, labels and weights.
    ///
    /// # Errors
    /// As [`Plan::run`], for the arguments that it reads.
    pub fn counts<S: Element, T: Element>(
        &self,
        batch: &Batch<S, T>,
    ) -> Result<Counts, ArgumentError> {
        let stride = check::teacher(self.classes, batch)?;
        check::row_inputs(self.classes, batch)?;
        Ok(prologue::counts(self.isa, batch, stride, self.classes))
    }

    /// The temperatures of dynamic temperature distillation, `tau[B]`, detached from the gradient:
    /// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`. Rows with weight 0 or with NaN, +∞ or
    /// nothing but masks do not enter the mean and get τ0, as all rows do where `Σ ω = 0`. It reads
    /// logits, labels and weights.
    ///
    /// # Errors
    /// As [`Plan::run`]; [`ArgumentError::Unused`] where the specification's temperature is not
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn dtd_temperatures<S: Element, T: Element>(
        &self,
        batch: &Batch<S, T>,
        tau: &mut [f32],
    ) -> Result<(), ArgumentError> {
        let dtd = check::dtd(&self.spec)?;
        let strides = check::matrices(self.classes, batch)?;
        check::row_inputs(self.classes, batch)?;
        check::length("tau", tau.len(), batch.rows, batch.rows)?;
        prologue::dtd_temperatures(self.isa, &dtd, batch, strides, self.classes, tau);
        Ok(())
    }

    /// `1/N` for right and for wrong rows; 0 where there are none.
    fn inverse_counts<S: Element, T: Element>(
        &self,
        batch: &Batch<S, T>,
        strides: Strides,
    ) -> [f32; 2] {
        let inverse = |n: u64| if n == 0 { 0.0 } else { 1.0 / n as f32 };
        match self.spec.reduction() {
            Reduction::Sum => [1.0, 1.0],
            Reduction::Mean => {
                let count = || weighted(batch.rows, batch.weight);
                let n = batch
                    .counts
                    .map_or_else(count, |c| c.right.saturating_add(c.wrong));
                [inverse(n); 2]
            }
            Reduction::MeanPerGroup => {
                let count = || prologue::counts(self.isa, batch, strides.teacher, self.classes);
                let counts = batch.counts.unwrap_or_else(count);
                [inverse(counts.right), inverse(counts.wrong)]
            }
        }
    }

    /// The batch's part of the total. Not generic, so that little code is compiled for each type.
    fn total(&self, batch: RowBlock, threads: usize) -> f64 {
        match threads {
            #[cfg(feature = "rayon")]
            2.. => {
                let most = batch.rows.len() / (BLOCKS_PER_THREAD * threads) + batch.leaf;
                self.shared(batch, most)
            }
            _ => block::run(self.isa, batch),
        }
    }

    /// Its part of the total, shared between threads by halves of more than `most` rows.
    #[cfg(feature = "rayon")]
    fn shared(&self, batch: RowBlock, most: usize) -> f64 {
        if batch.rows.len() <= most {
            return block::run(self.isa, batch);
        }
        let middle = block::middle(batch.rows.len(), batch.leaf);
        let (a, b) = batch.split_at(middle);
        let (a, b) = rayon::join(|| self.shared(a, most), || self.shared(b, most));
        a + b
    }
}
