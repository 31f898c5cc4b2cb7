//! A plan: one loss over rows of V classes, and the batch that it is run over.

use super::layout::{Matrix, matrices};
use super::options::Options;
use super::regime::Regime;
use super::scratch::{self, Pieces};
use super::stretch::{self, Stretch};
use super::{Element, Isa, prologue};
use crate::batch::check::{self, Strides};
use crate::batch::{Batch, Counts, RowLogits, weighted, written};
use crate::spec::{ArgumentError, LossSpec, Reduction, RowStats, SpecError, StatsLevel};

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

/// Logits whose rows are summed one after the other; rows are never split. A thread has done them
/// by the time that another is awake.
const LEAF: usize = 65_536;

/// Stretches of rows per thread: what one leaves to the next is done for nothing else meanwhile.
#[cfg(feature = "rayon")]
const PER_THREAD: usize = 4;

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
        Regime::of(&self.spec, self.classes)
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
        match Regime::of(&self.spec, self.classes) {
            Regime::Groups => scratch::lines(self.classes),
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
        rows > LEAF / self.classes
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
        let call = Call {
            plan: self,
            level: batch
                .stats
                .as_ref()
                .map_or(StatsLevel::None, |_| self.level),
            teacher: batch.teacher,
            labels: batch.labels,
            weight: batch.weight,
            kd_weight: batch.kd_weight,
            tau: batch.tau,
            strides,
            scale: inverse.map(|n| n * upstream),
            parallelism,
            scratch: Pieces::of(batch.workspace, self.lines(), threads, batch.rows)?,
        };
        let total = call.total(Rows {
            first: 0,
            rows: batch.rows,
            student: batch.student.with(batch.gradient),
            stats: batch.stats.unwrap_or_default(),
        });
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
}

/// One call, as all its stretches of rows share it.
struct Call<'a, T> {
    plan: &'a Plan,
    /// None where there is no room for records.
    level: StatsLevel,
    teacher: &'a [T],
    labels: &'a [i32],
    weight: Option<&'a [f32]>,
    kd_weight: Option<&'a [f32]>,
    tau: Option<&'a [f32]>,
    strides: Strides,
    /// `upstream · inv_n` of right and of wrong rows.
    scale: [f32; 2],
    parallelism: Parallelism,
    /// The caller's workspace, where there is one.
    scratch: Option<Pieces<'a>>,
}

/// Some of its rows.
struct Rows<'a, S> {
    first: usize,
    rows: usize,
    student: RowLogits<'a, S>,
    stats: &'a mut [RowStats],
}

impl<T: Element> Call<'_, T> {
    /// The rows that are summed one after the other: a power of two, so that batches of as many
    /// are halved evenly.
    fn leaf(&self) -> usize {
        1 << (LEAF / self.plan.classes).max(1).ilog2()
    }

    /// The batch's part of the total.
    fn total<S: Element>(&self, batch: Rows<S>) -> f64 {
        match self.parallelism {
            Parallelism::Serial => self.stretch(batch),
            #[cfg(feature = "rayon")]
            Parallelism::Rayon if self.plan.is_shared(batch.rows) => {
                let most = batch.rows / (PER_THREAD * rayon::current_num_threads());
                self.shared(batch, most + self.leaf())
            }
            #[cfg(feature = "rayon")]
            Parallelism::Rayon => self.stretch(batch),
        }
    }

    /// The same, shared between threads by halves of more than `most` rows.
    #[cfg(feature = "rayon")]
    fn shared<S: Element>(&self, batch: Rows<S>, most: usize) -> f64 {
        if batch.rows <= most {
            return self.stretch(batch);
        }
        let middle = stretch::middle(batch.rows, self.leaf());
        let (a, b) = batch.split(middle, self.strides);
        let (a, b) = rayon::join(|| self.shared(a, most), || self.shared(b, most));
        a + b
    }

    fn stretch<S: Element>(&self, mut batch: Rows<S>) -> f64 {
        let (plan, strides, rows) = (self.plan, self.strides, batch.rows);
        let here = batch.first..batch.first + rows;
        let start = batch.first * strides.teacher;
        let (student, gradient) = matrices(
            &mut batch.student,
            rows,
            plan.classes,
            [strides.student, strides.gradient],
        );
        stretch::run(
            plan.isa,
            Stretch {
                spec: &plan.spec,
                classes: plan.classes,
                leaf: self.leaf(),
                level: self.level,
                labels: &self.labels[here.clone()],
                weight: self.weight.map(|w| &w[here.clone()]),
                kd_weight: self.kd_weight.map(|w| &w[here.clone()]),
                tau: self.tau.map(|tau| &tau[here.clone()]),
                one_tau: plan.spec.temperature().scalar().unwrap_or(1.0),
                scale: self.scale,
                teacher: Matrix::new(&self.teacher[start..], strides.teacher, rows, plan.classes),
                student,
                gradient,
                stats: batch.stats,
                // SAFETY: this stretch is worked on by one thread, which has done with it before it
                // takes another one of the call.
                scratch: self
                    .scratch
                    .as_ref()
                    .and_then(|pieces| unsafe { pieces.mine() }),
            },
        )
    }
}

impl<S: Element> Rows<'_, S> {
    /// The first `rows` rows, and the others.
    #[cfg(feature = "rayon")]
    fn split(self, rows: usize, strides: Strides) -> (Self, Self) {
        let logits = self
            .student
            .split(rows * strides.student, rows * strides.gradient);
        let stats = self.stats.split_at_mut(rows.min(self.stats.len()));
        let part = |first, rows, student, stats| Rows {
            first,
            rows,
            student,
            stats,
        };
        (
            part(self.first, rows, logits.0, stats.0),
            part(self.first + rows, self.rows - rows, logits.1, stats.1),
        )
    }
}
