//! The arguments of a call, in the caller's own buffers.

use super::super::buffers::{Gradient, Slice, Upstream};

/// What a call on features reads and writes: the student's features `x[B, D]`, the target's `y[B, D]`
/// and what else there is. Strides count elements, offsets bytes.
///
/// A buffer that a call writes must not hold anything that it reads.
#[derive(Clone, Copy, Debug)]
pub struct FeatureBuffers<'a> {
    pub(super) rows: usize,
    pub(super) student: Slice<'a>,
    pub(super) student_stride: Option<usize>,
    pub(super) target: Slice<'a>,
    pub(super) target_stride: Option<usize>,
    pub(super) gradient: Gradient<'a>,
    pub(super) gradient_stride: Option<usize>,
    pub(super) weight: Option<Slice<'a>>,
    pub(super) upstream: Upstream<'a>,
    pub(super) counted: Option<u64>,
    pub(super) distances: Option<Slice<'a>>,
    pub(super) total: Option<Slice<'a>>,
}

impl<'a> FeatureBuffers<'a> {
    /// `rows` rows of features, `D` elements apart. Without anything else a call writes nothing that
    /// can be seen.
    #[must_use]
    pub fn new(rows: usize, student: impl Into<Slice<'a>>, target: impl Into<Slice<'a>>) -> Self {
        Self {
            rows,
            student: student.into(),
            student_stride: None,
            target: target.into(),
            target_stride: None,
            gradient: Gradient::Nowhere,
            gradient_stride: None,
            weight: None,
            upstream: Upstream::Host(1.0),
            counted: None,
            distances: None,
            total: None,
        }
    }

    /// The gradient `g[B, D] = ∂total/∂x` apart from the features, in the student's type.
    #[must_use]
    pub fn gradient(mut self, gradient: impl Into<Slice<'a>>) -> Self {
        self.gradient = Gradient::Apart(gradient.into());
        self
    }

    /// The gradient over the student's features, with their stride.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        self.gradient = Gradient::InPlace;
        self
    }

    /// Elements from one row of the student's features to the next; `D` unless set. What lies between
    /// rows is never touched.
    #[must_use]
    pub fn student_stride(mut self, elements: usize) -> Self {
        self.student_stride = Some(elements);
        self
    }

    /// Elements from one row of the target's features to the next; `D` unless set.
    #[must_use]
    pub fn target_stride(mut self, elements: usize) -> Self {
        self.target_stride = Some(elements);
        self
    }

    /// Elements from one row of a gradient apart to the next; `D` unless set.
    #[must_use]
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }

    /// `w[B]` (f32): what each row's distance is multiplied by, finite and not negative; 1 unless set.
    /// Rows of weight 0 do not count in N.
    #[must_use]
    pub fn weight(mut self, weight: impl Into<Slice<'a>>) -> Self {
        self.weight = Some(weight.into());
        self
    }

    /// What total and gradient are multiplied by, known to the host; 1 unless set: λ with its
    /// schedule, the gradient that arrives from above, the loss scale for half-precision gradients.
    #[must_use]
    pub fn upstream(mut self, upstream: f32) -> Self {
        self.upstream = Upstream::Host(upstream);
        self
    }

    /// The same number (f32) in device memory, read each time that the call runs; it costs one more
    /// dispatch.
    #[must_use]
    pub fn upstream_in(mut self, upstream: impl Into<Slice<'a>>) -> Self {
        self.upstream = Upstream::Device(upstream.into());
        self
    }

    /// N, instead of counting this call's rows with a weight on the device, which costs a dispatch: for
    /// weights that the host knows, and for a batch that is one part of a larger one.
    #[must_use]
    pub fn counted(mut self, n: u64) -> Self {
        self.counted = Some(n);
        self
    }

    /// `dist[B]` (f32): each row's distance, without sign, weight and upstream.
    #[must_use]
    pub fn distances(mut self, distances: impl Into<Slice<'a>>) -> Self {
        self.distances = Some(distances.into());
        self
    }

    /// Where `total = ± upstream · (1/N) Σ_b w_b dist_b` (f32) is written; it costs one more dispatch.
    #[must_use]
    pub fn total(mut self, total: impl Into<Slice<'a>>) -> Self {
        self.total = Some(total.into());
        self
    }
}
