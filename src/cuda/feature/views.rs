//! The arguments of a call as cudarc's views, with lengths and lifetimes that are checked.

use super::super::current::Current;
use super::super::error::Error;
use super::super::views::{Student, check_formats, read};
use super::plan::FeaturePlan;
use super::pointers::FeaturePointers;
use crate::batch::{Element, check};
use crate::spec::ArgumentError;
use cudarc::driver::{
    CudaStream, CudaView, CudaViewMut, DevicePtr, DevicePtrMut, DeviceSlice, SyncOnDrop,
};
use std::sync::Arc;

/// [`FeaturePointers`] with types: what a call reads and writes, borrowed from the caller's slices.
#[derive(Debug)]
#[must_use]
pub struct FeatureViews<'a, S, T> {
    rows: usize,
    student: Student<'a, S>,
    student_stride: Option<usize>,
    gradient: Option<CudaViewMut<'a, S>>,
    gradient_stride: Option<usize>,
    target: CudaView<'a, T>,
    target_stride: Option<usize>,
    weight: Option<CudaView<'a, f32>>,
    upstream: f32,
    upstream_in: Option<CudaView<'a, f32>>,
    counted: Option<u64>,
    distances: Option<CudaViewMut<'a, f32>>,
    total: Option<CudaViewMut<'a, f32>>,
    workspace: Option<CudaViewMut<'a, u8>>,
}

impl<'a, S: Element, T: Element> FeatureViews<'a, S, T> {
    /// `rows` rows of the student's and of the target's features.
    pub fn new(rows: usize, student: CudaView<'a, S>, target: CudaView<'a, T>) -> Self {
        Self::with(rows, Student::Read(student), target)
    }

    /// The same with the gradient over the student's features.
    pub fn in_place(rows: usize, student: CudaViewMut<'a, S>, target: CudaView<'a, T>) -> Self {
        Self::with(rows, Student::InPlace(student), target)
    }

    fn with(rows: usize, student: Student<'a, S>, target: CudaView<'a, T>) -> Self {
        Self {
            rows,
            student,
            student_stride: None,
            gradient: None,
            gradient_stride: None,
            target,
            target_stride: None,
            weight: None,
            upstream: 1.0,
            upstream_in: None,
            counted: None,
            distances: None,
            total: None,
            workspace: None,
        }
    }

    /// The gradient apart from the features; [in place](Self::in_place) it has no use.
    pub fn gradient(mut self, gradient: CudaViewMut<'a, S>) -> Self {
        self.gradient = Some(gradient);
        self
    }

    /// See [`FeaturePointers::student_stride`].
    pub fn student_stride(mut self, elements: usize) -> Self {
        self.student_stride = Some(elements);
        self
    }

    /// See [`FeaturePointers::target_stride`].
    pub fn target_stride(mut self, elements: usize) -> Self {
        self.target_stride = Some(elements);
        self
    }

    /// See [`FeaturePointers::gradient_stride`].
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }

    /// See [`FeaturePointers::weight`].
    pub fn weight(mut self, weight: CudaView<'a, f32>) -> Self {
        self.weight = Some(weight);
        self
    }

    /// See [`FeaturePointers::upstream`].
    pub fn upstream(mut self, upstream: f32) -> Self {
        (self.upstream, self.upstream_in) = (upstream, None);
        self
    }

    /// See [`FeaturePointers::upstream_at`].
    pub fn upstream_in(mut self, upstream: CudaView<'a, f32>) -> Self {
        self.upstream_in = Some(upstream);
        self
    }

    /// See [`FeaturePointers::counted`].
    pub fn counted(mut self, n: u64) -> Self {
        self.counted = Some(n);
        self
    }

    /// See [`FeaturePointers::distances`].
    pub fn distances(mut self, distances: CudaViewMut<'a, f32>) -> Self {
        self.distances = Some(distances);
        self
    }

    /// See [`FeaturePointers::total`].
    pub fn total(mut self, total: CudaViewMut<'a, f32>) -> Self {
        self.total = Some(total);
        self
    }

    /// See [`FeaturePointers::workspace`].
    pub fn workspace(mut self, workspace: CudaViewMut<'a, u8>) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// The streams on which the views were allocated.
    fn streams(&self) -> [Option<&Arc<CudaStream>>; 8] {
        let student = match &self.student {
            Student::Read(view) => view.stream(),
            Student::InPlace(view) => view.stream(),
        };
        [
            Some(student),
            Some(self.target.stream()),
            self.gradient.as_ref().map(DeviceSlice::stream),
            self.weight.as_ref().map(DeviceSlice::stream),
            self.upstream_in.as_ref().map(DeviceSlice::stream),
            self.distances.as_ref().map(DeviceSlice::stream),
            self.total.as_ref().map(DeviceSlice::stream),
            self.workspace.as_ref().map(DeviceSlice::stream),
        ]
    }

    /// Lengths, as the CPU engine checks them; types, as the plan has them.
    fn check(&self, plan: &FeaturePlan) -> Result<(), Error> {
        let (rows, width) = (self.rows, plan.width());
        let matrix = |names, given, stride: Option<usize>| {
            check::matrix(names, given, stride.unwrap_or(width), rows, width)
        };
        let student = match &self.student {
            Student::Read(view) => view.len(),
            Student::InPlace(view) => view.len(),
        };
        matrix(["student", "student stride"], student, self.student_stride)?;
        let names = ["target", "target stride"];
        matrix(names, self.target.len(), self.target_stride)?;
        if let Some(gradient) = &self.gradient {
            if let Student::InPlace(_) = self.student {
                let (argument, why) = ("gradient", "it is written over the student's features");
                return Err(ArgumentError::Unused { argument, why }.into());
            }
            let names = ["gradient", "gradient stride"];
            matrix(names, gradient.len(), self.gradient_stride)?;
        }
        let workspace = plan.workspace_bytes(rows);
        let of = |view: &Option<CudaView<f32>>| view.as_ref().map(DeviceSlice::len);
        let of_mut = |view: &Option<CudaViewMut<f32>>| view.as_ref().map(DeviceSlice::len);
        for (argument, given, needed) in [
            ("weight", of(&self.weight), rows),
            ("upstream", of(&self.upstream_in), 1),
            ("distances", of_mut(&self.distances), rows),
            ("total", of_mut(&self.total), 1),
            (
                "workspace",
                self.workspace.as_ref().map(|w| w.len().min(workspace)),
                workspace,
            ),
        ] {
            check::length(argument, given.unwrap_or(needed), needed, rows)?;
        }
        check_formats::<S, T>(plan.options(), "target")
    }
}

impl FeaturePlan {
    /// [`launch`](Self::launch) on cudarc's views, whose lengths it checks. Where the context tracks
    /// events, other streams wait for what this one writes.
    ///
    /// # Errors
    /// As [`launch`](Self::launch); [`ArgumentError::Length`] for a view that does not have the length
    /// that the others ask for; [`Error::Format`] for features of another type than the plan's;
    /// [`Error::OtherDevice`] for a stream of another context.
    pub fn launch_views<S: Element, T: Element>(
        &self,
        stream: &Arc<CudaStream>,
        views: &mut FeatureViews<S, T>,
    ) -> Result<(), Error> {
        views.check(self)?;
        let streams = views.streams().into_iter().flatten();
        if streams
            .chain([stream])
            .any(|s| *s.context() != *self.kernels.context)
        {
            return Err(Error::OtherDevice);
        }
        let _current = Current::of(&self.kernels.context)?;
        // Each address comes with a guard that records its use when it is dropped, after the launch.
        let in_place = matches!(views.student, Student::InPlace(_));
        let (student, _student) = match &mut views.student {
            Student::Read(view) => view.device_ptr(stream),
            Student::InPlace(view) => view.device_ptr_mut(stream),
        };
        let (target, _target) = views.target.device_ptr(stream);
        let gradient = views.gradient.as_mut().map(|v| v.device_ptr_mut(stream));
        let weight = read(&views.weight, stream);
        let upstream = read(&views.upstream_in, stream);
        let distances = views.distances.as_mut().map(|v| v.device_ptr_mut(stream));
        let total = views.total.as_mut().map(|v| v.device_ptr_mut(stream));
        let workspace = views.workspace.as_mut().map(|v| v.device_ptr_mut(stream));
        let at = |used: &Option<(u64, SyncOnDrop)>| used.as_ref().map(|&(at, _)| at);
        let mut pointers = FeaturePointers {
            student_stride: views.student_stride,
            target_stride: views.target_stride,
            gradient_stride: views.gradient_stride,
            weight: at(&weight),
            counted: views.counted,
            distances: at(&distances),
            total: at(&total),
            workspace: at(&workspace),
            ..FeaturePointers::new(views.rows, student, target).upstream(views.upstream)
        };
        if let Some(upstream) = at(&upstream) {
            pointers = pointers.upstream_at(upstream);
        }
        if let Some(gradient) = at(&gradient) {
            pointers = pointers.gradient(gradient);
        } else if in_place {
            pointers = pointers.in_place();
        }
        // SAFETY: the views are of this context, have the lengths and types that were checked, and
        // those that are written are borrowed exclusively.
        unsafe { self.launch(stream.cu_stream(), &pointers) }
    }
}
