//! The arguments of a call, by their addresses in device memory.

use super::super::pointers::{Gradient, Upstream};
use cudarc::driver::sys::CUdeviceptr;

/// What a call on features reads and writes: the student's features `x[B, D]`, the target's `y[B, D]`
/// and what else there is, all in the device's memory. Strides count elements.
///
/// Features need no more alignment than their elements have; everything else is aligned to 4 bytes,
/// the workspace to 16.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct FeaturePointers {
    pub(super) rows: usize,
    pub(super) student: CUdeviceptr,
    pub(super) student_stride: Option<usize>,
    pub(super) target: CUdeviceptr,
    pub(super) target_stride: Option<usize>,
    pub(super) gradient: Gradient,
    pub(super) gradient_stride: Option<usize>,
    pub(super) weight: Option<CUdeviceptr>,
    pub(super) upstream: Upstream,
    pub(super) counted: Option<u64>,
    pub(super) distances: Option<CUdeviceptr>,
    pub(super) total: Option<CUdeviceptr>,
    pub(super) workspace: Option<CUdeviceptr>,
}

impl FeaturePointers {
    /// `rows` rows of features, `D` elements apart. Without anything else a call has nothing to
    /// write.
    pub fn new(rows: usize, student: CUdeviceptr, target: CUdeviceptr) -> Self {
        Self {
            rows,
            student,
            student_stride: None,
            target,
            target_stride: None,
            gradient: Gradient::Nowhere,
            gradient_stride: None,
            weight: None,
            upstream: Upstream::Host(1.0),
            counted: None,
            distances: None,
            total: None,
            workspace: None,
        }
    }

    /// The gradient `g[B, D] = ∂total/∂x` apart from the features, in the student's type.
    pub fn gradient(mut self, gradient: CUdeviceptr) -> Self {
        self.gradient = Gradient::Apart(gradient);
        self
    }

    /// The gradient over the student's features, with their stride.
    pub fn in_place(mut self) -> Self {
        self.gradient = Gradient::InPlace;
        self
    }

    /// Elements from one row of the student's features to the next; `D` unless set. What lies between
    /// rows is never written.
    pub fn student_stride(mut self, elements: usize) -> Self {
        self.student_stride = Some(elements);
        self
    }

    /// Elements from one row of the target's features to the next; `D` unless set.
    pub fn target_stride(mut self, elements: usize) -> Self {
        self.target_stride = Some(elements);
        self
    }

    /// Elements from one row of a gradient apart to the next; `D` unless set.
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }

    /// `w[B]` (f32): what each row's distance is multiplied by, finite and not negative; 1 unless set.
    /// Rows of weight 0 do not count in N.
    pub fn weight(mut self, weight: CUdeviceptr) -> Self {
        self.weight = Some(weight);
        self
    }

    /// What total and gradient are multiplied by, known to the host; 1 unless set: λ with its
    /// schedule, the gradient that arrives from above, the loss scale for half-precision gradients.
    pub fn upstream(mut self, upstream: f32) -> Self {
        self.upstream = Upstream::Host(upstream);
        self
    }

    /// The same number (f32) in device memory, read each time that the call runs.
    pub fn upstream_at(mut self, upstream: CUdeviceptr) -> Self {
        self.upstream = Upstream::Device(upstream);
        self
    }

    /// N, instead of counting this call's rows with a weight on the device, which costs a launch and a
    /// workspace: for weights that the host knows, and for a batch that is one part of a larger one.
    pub fn counted(mut self, n: u64) -> Self {
        self.counted = Some(n);
        self
    }

    /// `dist[B]` (f32): each row's distance, without sign, weight and upstream.
    pub fn distances(mut self, distances: CUdeviceptr) -> Self {
        self.distances = Some(distances);
        self
    }

    /// Where `total = ± upstream · (1/N) Σ_b w_b dist_b` (f32) is written; it costs one more launch,
    /// and a workspace.
    pub fn total(mut self, total: CUdeviceptr) -> Self {
        self.total = Some(total);
        self
    }

    /// Memory for what one launch leaves to the next, as much as
    /// [`FeaturePlan::workspace_bytes`](super::FeaturePlan::workspace_bytes) says; calls that do not
    /// run at the same time may share it.
    pub fn workspace(mut self, workspace: CUdeviceptr) -> Self {
        self.workspace = Some(workspace);
        self
    }
}
