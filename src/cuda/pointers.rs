//! The arguments of a call, by their addresses in device memory.

use super::error::Error;
use crate::batch::Counts;
use cudarc::driver::sys::CUdeviceptr;

/// What a call reads and writes: the student's logits `s[B, V]`, the teacher's `t[B, V]`, the labels
/// `y[B]` (i32) and what else there is, all in the device's memory. Strides count elements.
///
/// Logits need no more alignment than their elements have; everything else is aligned to 4 bytes,
/// the workspace to 16.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Pointers {
    pub(super) rows: usize,
    pub(super) student: CUdeviceptr,
    pub(super) student_stride: Option<usize>,
    pub(super) teacher: CUdeviceptr,
    pub(super) teacher_stride: Option<usize>,
    pub(super) labels: CUdeviceptr,
    pub(super) gradient: Gradient,
    pub(super) gradient_stride: Option<usize>,
    pub(super) weight: Option<CUdeviceptr>,
    pub(super) kd_weight: Option<CUdeviceptr>,
    pub(super) tau: Option<CUdeviceptr>,
    pub(super) upstream: Upstream,
    pub(super) counts: Option<Counts>,
    pub(super) stats: Option<CUdeviceptr>,
    pub(super) total: Option<CUdeviceptr>,
    pub(super) workspace: Option<CUdeviceptr>,
}

/// Where the gradient goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Gradient {
    Nowhere,
    Apart(CUdeviceptr),
    InPlace,
}

/// What everything is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Upstream {
    Host(f32),
    Device(CUdeviceptr),
}

impl Pointers {
    /// `rows` rows of logits, `V` elements apart, and their labels: classes, or
    /// [`IGNORE`](crate::spec::IGNORE). Without anything else a call has nothing to write.
    pub fn new(
        rows: usize,
        student: CUdeviceptr,
        teacher: CUdeviceptr,
        labels: CUdeviceptr,
    ) -> Self {
        Self {
            rows,
            student,
            student_stride: None,
            teacher,
            teacher_stride: None,
            labels,
            gradient: Gradient::Nowhere,
            gradient_stride: None,
            weight: None,
            kd_weight: None,
            tau: None,
            upstream: Upstream::Host(1.0),
            counts: None,
            stats: None,
            total: None,
            workspace: None,
        }
    }

    /// The gradient `g[B, V] = ∂total/∂s` apart from the logits, in the student's type.
    pub fn gradient(mut self, gradient: CUdeviceptr) -> Self {
        self.gradient = Gradient::Apart(gradient);
        self
    }

    /// The gradient over the student's logits, with their stride.
    pub fn in_place(mut self) -> Self {
        self.gradient = Gradient::InPlace;
        self
    }

    /// Elements from one row of the student's logits to the next; `V` unless set. What lies between
    /// rows is never written.
    pub fn student_stride(mut self, elements: usize) -> Self {
        self.student_stride = Some(elements);
        self
    }

    /// Elements from one row of the teacher's logits to the next; `V` unless set.
    pub fn teacher_stride(mut self, elements: usize) -> Self {
        self.teacher_stride = Some(elements);
        self
    }

    /// Elements from one row of a gradient apart to the next; `V` unless set.
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }

    /// `w[B]` (f32): what each row's loss is multiplied by, finite and not negative; 1 unless set.
    pub fn weight(mut self, weight: CUdeviceptr) -> Self {
        self.weight = Some(weight);
        self
    }

    /// `kd_weight[B]` (f32): what each row's λ_kd is multiplied by, finite and not negative; 1
    /// unless set. Data selection sets it to 0 on rows that the teacher does not supervise.
    pub fn kd_weight(mut self, kd_weight: CUdeviceptr) -> Self {
        self.kd_weight = Some(kd_weight);
        self
    }

    /// `tau[B]` (f32): the temperatures, for
    /// [`Temperature::PerRow`](crate::spec::Temperature::PerRow) and, from
    /// [`Plan::launch_temperatures`](super::Plan::launch_temperatures),
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn tau(mut self, tau: CUdeviceptr) -> Self {
        self.tau = Some(tau);
        self
    }

    /// What total and gradient are multiplied by, known to the host; 1 unless set. It is the
    /// gradient that arrives from above, and the loss scale for half-precision gradients.
    pub fn upstream(mut self, upstream: f32) -> Self {
        self.upstream = Upstream::Host(upstream);
        self
    }

    /// The same number (f32) in device memory, read each time that the call runs.
    pub fn upstream_at(mut self, upstream: CUdeviceptr) -> Self {
        self.upstream = Upstream::Device(upstream);
        self
    }

    /// The counts that a mean divides by, instead of counting this call's rows on the device: for a
    /// batch that is one part of a larger one.
    pub fn counts(mut self, counts: Counts) -> Self {
        self.counts = Some(counts);
        self
    }

    /// One [`RowStats`](crate::spec::RowStats) record per row, 64 bytes each.
    pub fn stats(mut self, stats: CUdeviceptr) -> Self {
        self.stats = Some(stats);
        self
    }

    /// Where `total = upstream · Σ_b loss_b · inv_n` (f32) is written; it costs one more launch, and
    /// a workspace.
    pub fn total(mut self, total: CUdeviceptr) -> Self {
        self.total = Some(total);
        self
    }

    /// Memory for what one launch leaves to the next, as much as
    /// [`Plan::workspace_bytes`](super::Plan::workspace_bytes) says; calls that do not run at the
    /// same time may share it.
    pub fn workspace(mut self, workspace: CUdeviceptr) -> Self {
        self.workspace = Some(workspace);
        self
    }
}

/// The address, which must be that of something.
pub(super) fn address(
    argument: &'static str,
    given: CUdeviceptr,
    alignment: usize,
) -> Result<u64, Error> {
    let alignment = alignment as u64;
    if given != 0 && given.is_multiple_of(alignment) {
        Ok(given)
    } else {
        Err(Error::Address {
            argument,
            given,
            alignment,
        })
    }
}

/// The address, or 0 where there is nothing.
pub(super) fn optional(argument: &'static str, given: Option<CUdeviceptr>) -> Result<u64, Error> {
    given.map_or(Ok(0), |given| address(argument, given, 4))
}
