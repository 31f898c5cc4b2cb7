//! The arguments of a call, in the caller's own buffers.

use crate::batch::Counts;

/// A place in a buffer, in bytes from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// The caller's buffer, created with `wgpu::BufferUsages::STORAGE` on the plan's device.
    pub buffer: &'a wgpu::Buffer,
    /// Where the argument begins. A multiple of the size of an element for logits and gradient, and
    /// of the device's `min_storage_buffer_offset_alignment` for everything else.
    pub offset: u64,
}

impl<'a> From<&'a wgpu::Buffer> for Slice<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0 }
    }
}

impl<'a> Slice<'a> {
    /// A place so many bytes into the buffer.
    #[must_use]
    pub fn new(buffer: &'a wgpu::Buffer, offset: u64) -> Self {
        Self { buffer, offset }
    }
}

/// What a call reads and writes: the student's logits `s[B, V]`, the teacher's `t[B, V]`, the labels
/// `y[B]` (i32) and what else there is. Strides count elements, offsets bytes.
///
/// A buffer that a call writes must not hold anything that it reads.
#[derive(Clone, Copy, Debug)]
pub struct Buffers<'a> {
    pub(super) rows: usize,
    pub(super) student: Slice<'a>,
    pub(super) student_stride: Option<usize>,
    pub(super) teacher: Slice<'a>,
    pub(super) teacher_stride: Option<usize>,
    pub(super) labels: Slice<'a>,
    pub(super) gradient: Gradient<'a>,
    pub(super) gradient_stride: Option<usize>,
    pub(super) weight: Option<Slice<'a>>,
    pub(super) kd_weight: Option<Slice<'a>>,
    pub(super) tau: Option<Slice<'a>>,
    pub(super) upstream: Upstream<'a>,
    pub(super) counts: Option<Counts>,
    pub(super) stats: Option<Slice<'a>>,
    pub(super) total: Option<Slice<'a>>,
    pub(super) workspace: Option<Slice<'a>>,
}

/// Where the gradient goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gradient<'a> {
    Nowhere,
    Apart(Slice<'a>),
    InPlace,
}

/// What everything is multiplied by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upstream<'a> {
    Host(f32),
    Device(Slice<'a>),
}

impl<'a> Buffers<'a> {
    /// `rows` rows of logits, `V` elements apart, and their labels: classes, or
    /// [`IGNORE`](crate::spec::IGNORE). Without anything else a call writes its records alone.
    #[must_use]
    pub fn new(
        rows: usize,
        student: impl Into<Slice<'a>>,
        teacher: impl Into<Slice<'a>>,
        labels: impl Into<Slice<'a>>,
    ) -> Self {
        Self {
            rows,
            student: student.into(),
            student_stride: None,
            teacher: teacher.into(),
            teacher_stride: None,
            labels: labels.into(),
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
    #[must_use]
    pub fn gradient(mut self, gradient: impl Into<Slice<'a>>) -> Self {
        self.gradient = Gradient::Apart(gradient.into());
        self
    }

    /// The gradient over the student's logits, with their stride.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.gradient = Gradient::InPlace;
        self
    }

    /// Elements from one row of the student's logits to the next; `V` unless set. What lies between
    /// rows is never touched.
    #[must_use]
    pub fn student_stride(mut self, elements: usize) -> Self {
        self.student_stride = Some(elements);
        self
    }

    /// Elements from one row of the teacher's logits to the next; `V` unless set.
    #[must_use]
    pub fn teacher_stride(mut self, elements: usize) -> Self {
        self.teacher_stride = Some(elements);
        self
    }

    /// Elements from one row of a gradient apart to the next; `V` unless set.
    #[must_use]
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }

    /// `w[B]` (f32): what each row's loss is multiplied by, finite and not negative; 1 unless set.
    #[must_use]
    pub fn weight(mut self, weight: impl Into<Slice<'a>>) -> Self {
        self.weight = Some(weight.into());
        self
    }

    /// `kd_weight[B]` (f32): what each row's λ_kd is multiplied by, finite and not negative; 1
    /// unless set. Data selection sets it to 0 on rows that the teacher does not supervise.
    #[must_use]
    pub fn kd_weight(mut self, kd_weight: impl Into<Slice<'a>>) -> Self {
        self.kd_weight = Some(kd_weight.into());
        self
    }

    /// `tau[B]` (f32): the temperatures, for
    /// [`Temperature::PerRow`](crate::spec::Temperature::PerRow) and, from
    /// [`Plan::bind_temperatures`](super::Plan::bind_temperatures),
    /// [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    #[must_use]
    pub fn tau(mut self, tau: impl Into<Slice<'a>>) -> Self {
        self.tau = Some(tau.into());
        self
    }

    /// What total and gradient are multiplied by, known to the host; 1 unless set. It is the
    /// gradient that arrives from above, and the loss scale for half-precision gradients.
    #[must_use]
    pub fn upstream(mut self, upstream: f32) -> Self {
        self.upstream = Upstream::Host(upstream);
        self
    }

    /// The same number (f32) in device memory, read each time that the call runs.
    #[must_use]
    pub fn upstream_in(mut self, upstream: impl Into<Slice<'a>>) -> Self {
        self.upstream = Upstream::Device(upstream.into());
        self
    }

    /// The counts that a mean divides by, instead of counting this call's rows on the device: for a
    /// batch that is one part of a larger one.
    #[must_use]
    pub fn counts(mut self, counts: Counts) -> Self {
        self.counts = Some(counts);
        self
    }

    /// One [`RowStats`](crate::spec::RowStats) record per row, 64 bytes each.
    #[must_use]
    pub fn stats(mut self, stats: impl Into<Slice<'a>>) -> Self {
        self.stats = Some(stats.into());
        self
    }

    /// Where `total = upstream · Σ_b loss_b · inv_n` (f32) is written; it costs one more dispatch.
    #[must_use]
    pub fn total(mut self, total: impl Into<Slice<'a>>) -> Self {
        self.total = Some(total.into());
        self
    }

    /// Memory of the caller's for what one dispatch leaves to the next, as much as
    /// [`Plan::workspace_bytes`](super::Plan::workspace_bytes) says; calls that do not run at the
    /// same time may share it. Without it a call has its own.
    #[must_use]
    pub fn workspace(mut self, workspace: impl Into<Slice<'a>>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }
}
