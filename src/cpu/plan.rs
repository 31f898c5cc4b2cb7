//! A plan: one loss over rows of V classes, and the batch that it is run over.

use super::layout::{Matrix, matrices};
use super::stretch::{self, Stretch};
use super::{Element, Isa, prologue};
use crate::batch::check::{self, Strides};
use crate::batch::{Counts, RowLogits, Rows, Student};
use crate::spec::{ArgumentError, LossSpec, Reduction, RowStats, SpecError, StatsLevel};

/// Who works on the rows. The bits of the result do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parallelism {
    /// The caller's thread alone; such a call allocates nothing, but for a thread's first one with
    /// rows as long: see [`Plan::run`].
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
    /// A plan for rows of `classes` classes whose records are written as far as `level` says.
    ///
    /// # Errors
    /// [`SpecError::Classes`] for 0 classes and for 2³¹ and more; [`SpecError::UnknownName`] and
    /// [`SpecError::Instructions`] where the environment variable `FUSED_KD_ISA` names no
    /// instruction set that is there.
    pub fn new(spec: &LossSpec, classes: usize, level: StatsLevel) -> Result<Self, SpecError> {
        LossSpec::check_classes(classes)?;
        Ok(Self {
            spec: *spec,
            classes,
            level,
            isa: Isa::chosen()?,
        })
    }

    /// The same loss with these instructions, instead of the best that the processor has.
    ///
    /// # Errors
    /// [`SpecError::Instructions`] where the processor lacks them.
    pub fn with_isa(self, isa: Isa) -> Result<Self, SpecError> {
        let isa = isa.checked()?;
        Ok(Self { isa, ..self })
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

    /// The instructions that this plan works with.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// V.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Runs the row program over a batch: returns `total = upstream · Σ_b loss_b · inv_n`, writes
    /// the gradient `∂total/∂s` where `student` has room for it and one record per row to `stats`
    /// (an empty slice with [`StatsLevel::None`]). No rows, no work: the total is 0.
    ///
    /// Shapes: `s, t, g` are `[B, V]` with their strides, everything else `[B]`. Without
    /// [`Rows::counts`], a mean counts this call's rows; per group that reads the teacher's logits
    /// once more.
    ///
    /// A thread that writes gradients of at least 16 classes, or has rows of 16 to 512, keeps room for
    /// three rows of exponentials, of 4,096 classes at least: 48 KiB, or 12 bytes per class, 12 MiB at
    /// most, allocated when they are first needed.
    ///
    /// # Errors
    /// [`ArgumentError`] names the argument, before anything is written.
    pub fn run<S: Element, T: Element>(
        &self,
        rows: &Rows<T>,
        student: Student<S>,
        stats: &mut [RowStats],
        parallelism: Parallelism,
    ) -> Result<f32, ArgumentError> {
        let strides = check::call(&self.spec, self.level, self.classes, rows, &student, stats)?;
        let call = Call {
            plan: self,
            rows,
            strides,
            scale: self
                .inverse_counts(rows, strides)
                .map(|n| n * rows.upstream),
            parallelism,
        };
        let batch = Batch {
            first: 0,
            rows: rows.labels.len(),
            student: student.logits,
            stats,
        };
        Ok(call.total(batch) as f32)
    }

    /// Counts the rows that a mean divides by.
    ///
    /// # Errors
    /// As [`Plan::run`], for the arguments that it reads: `t`, `y`, `w`.
    pub fn counts<T: Element>(&self, rows: &Rows<T>) -> Result<Counts, ArgumentError> {
        let stride = check::teacher(self.classes, rows)?;
        check::row_inputs(self.classes, rows)?;
        Ok(prologue::counts(self.isa, rows, stride, self.classes))
    }

    /// The temperatures of dynamic temperature distillation, `tau[B]`, detached from the gradient:
    /// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`. Rows with weight 0 or with NaN, +∞ or
    /// nothing but masks do not enter the mean and get τ0, as all rows do where `Σ ω = 0`.
    ///
    /// # Errors
    /// As [`Plan::run`]; [`ArgumentError::Unused`] where the specification's temperature is not
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn dtd_temperatures<S: Element, T: Element>(
        &self,
        rows: &Rows<T>,
        student: &Student<S>,
        tau: &mut [f32],
    ) -> Result<(), ArgumentError> {
        let dtd = check::dtd(&self.spec)?;
        let strides = check::matrices(self.classes, rows, student)?;
        check::row_inputs(self.classes, rows)?;
        let b = rows.labels.len();
        check::length("tau", tau.len(), b, b)?;
        let student = student.logits.read();
        prologue::dtd_temperatures(self.isa, &dtd, rows, student, strides, self.classes, tau);
        Ok(())
    }

    /// `1/N` for right and for wrong rows; 0 where there are none.
    fn inverse_counts<T: Element>(&self, rows: &Rows<T>, strides: Strides) -> [f32; 2] {
        let inverse = |n: u64| if n == 0 { 0.0 } else { 1.0 / n as f32 };
        match self.spec.reduction() {
            Reduction::Sum => [1.0, 1.0],
            Reduction::Mean => {
                let n = rows
                    .counts
                    .map_or_else(|| prologue::weighted(rows), |c| c.right + c.wrong);
                [inverse(n); 2]
            }
            Reduction::MeanPerGroup => {
                let count = || prologue::counts(self.isa, rows, strides.teacher, self.classes);
                let counts = rows.counts.unwrap_or_else(count);
                [inverse(counts.right), inverse(counts.wrong)]
            }
        }
    }
}

/// One call, as all its stretches of rows share it.
struct Call<'a, T> {
    plan: &'a Plan,
    rows: &'a Rows<'a, T>,
    strides: Strides,
    /// `upstream · inv_n` of right and of wrong rows.
    scale: [f32; 2],
    parallelism: Parallelism,
}

/// A stretch of rows.
struct Batch<'a, S> {
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
    fn total<S: Element>(&self, batch: Batch<S>) -> f64 {
        match self.parallelism {
            Parallelism::Serial => self.stretch(batch),
            #[cfg(feature = "rayon")]
            Parallelism::Rayon if batch.rows > LEAF / self.plan.classes => {
                let most = batch.rows / (PER_THREAD * rayon::current_num_threads());
                self.shared(batch, most + self.leaf())
            }
            #[cfg(feature = "rayon")]
            Parallelism::Rayon => self.stretch(batch),
        }
    }

    /// The same, shared between threads by halves of more than `most` rows.
    #[cfg(feature = "rayon")]
    fn shared<S: Element>(&self, batch: Batch<S>, most: usize) -> f64 {
        if batch.rows <= most {
            return self.stretch(batch);
        }
        let middle = stretch::middle(batch.rows, self.leaf());
        let (a, b) = batch.split(middle, self.strides);
        let (a, b) = rayon::join(|| self.shared(a, most), || self.shared(b, most));
        a + b
    }

    fn stretch<S: Element>(&self, mut batch: Batch<S>) -> f64 {
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
                level: plan.level,
                labels: &self.rows.labels[here.clone()],
                weight: self.rows.weight.map(|w| &w[here.clone()]),
                kd_weight: self.rows.kd_weight.map(|w| &w[here.clone()]),
                tau: self.rows.tau.map(|tau| &tau[here.clone()]),
                one_tau: plan.spec.temperature().scalar().unwrap_or(1.0),
                scale: self.scale,
                teacher: Matrix::new(
                    &self.rows.teacher[start..],
                    strides.teacher,
                    rows,
                    plan.classes,
                ),
                student,
                gradient,
                stats: batch.stats,
            },
        )
    }
}

impl<S: Element> Batch<'_, S> {
    /// The first `rows` rows, and the others.
    #[cfg(feature = "rayon")]
    fn split(self, rows: usize, strides: Strides) -> (Self, Self) {
        let logits = self
            .student
            .split(rows * strides.student, rows * strides.gradient);
        let stats = self.stats.split_at_mut(rows.min(self.stats.len()));
        let part = |first, rows, student, stats| Batch {
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
