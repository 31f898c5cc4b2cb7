//! The arguments of a call as cudarc's views, with lengths and lifetimes that are checked.

use super::current::Current;
use super::error::Error;
use super::options::Options;
use super::plan::Plan;
use super::pointers::Pointers;
use crate::batch::{Counts, Element, check};
use crate::spec::{Format, RowStats};
use cudarc::driver::{
    CudaStream, CudaView, CudaViewMut, DevicePtr, DevicePtrMut, DeviceRepr, DeviceSlice,
    SyncOnDrop, ValidAsZeroBits,
};
use std::sync::Arc;

// SAFETY: sixteen words, of which every pattern is a value.
unsafe impl DeviceRepr for RowStats {}
// SAFETY: as before.
unsafe impl ValidAsZeroBits for RowStats {}

/// [`Pointers`] with types: what a call reads and writes, borrowed from the caller's slices.
#[derive(Debug)]
#[must_use]
pub struct Views<'a, S, T> {
    student: Student<'a, S>,
    student_stride: Option<usize>,
    gradient: Option<CudaViewMut<'a, S>>,
    gradient_stride: Option<usize>,
    teacher: CudaView<'a, T>,
    teacher_stride: Option<usize>,
    labels: CudaView<'a, i32>,
    weight: Option<CudaView<'a, f32>>,
    kd_weight: Option<CudaView<'a, f32>>,
    tau: Option<CudaView<'a, f32>>,
    upstream: f32,
    upstream_in: Option<CudaView<'a, f32>>,
    counts: Option<Counts>,
    stats: Option<CudaViewMut<'a, RowStats>>,
    total: Option<CudaViewMut<'a, f32>>,
    workspace: Option<CudaViewMut<'a, u8>>,
}

#[derive(Debug)]
pub(super) enum Student<'a, S> {
    Read(CudaView<'a, S>),
    InPlace(CudaViewMut<'a, S>),
}

impl<'a, S: Element, T: Element> Views<'a, S, T> {
    /// The student's and the teacher's logits, and the labels: one per row.
    pub fn new(
        student: CudaView<'a, S>,
        teacher: CudaView<'a, T>,
        labels: CudaView<'a, i32>,
    ) -> Self {
        Self::with(Student::Read(student), teacher, labels)
    }

    /// The same with the gradient over the student's logits.
    pub fn in_place(
        student: CudaViewMut<'a, S>,
        teacher: CudaView<'a, T>,
        labels: CudaView<'a, i32>,
    ) -> Self {
        Self::with(Student::InPlace(student), teacher, labels)
    }

    fn with(student: Student<'a, S>, teacher: CudaView<'a, T>, labels: CudaView<'a, i32>) -> Self {
        Self {
            student,
            student_stride: None,
            gradient: None,
            gradient_stride: None,
            teacher,
            teacher_stride: None,
            labels,
            weight: None,
            kd_weight: None,
            tau: None,
            upstream: 1.0,
            upstream_in: None,
            counts: None,
            stats: None,
            total: None,
            workspace: None,
        }
    }

    /// The gradient apart from the logits; [in place](Self::in_place) it has no use.
    pub fn gradient(mut self, gradient: CudaViewMut<'a, S>) -> Self {
        self.gradient = Some(gradient);
        self
    }

    /// See [`Pointers::student_stride`].
    pub fn student_stride(mut self, elements: usize) -> Self {
        self.student_stride = Some(elements);
        self
    }

    /// See [`Pointers::teacher_stride`].
    pub fn teacher_stride(mut self, elements: usize) -> Self {
        self.teacher_stride = Some(elements);
        self
    }

    /// See [`Pointers::gradient_stride`].
    pub fn gradient_stride(mut self, elements: usize) -> Self {
        self.gradient_stride = Some(elements);
        self
    }

    /// See [`Pointers::weight`].
    pub fn weight(mut self, weight: CudaView<'a, f32>) -> Self {
        self.weight = Some(weight);
        self
    }

    /// See [`Pointers::kd_weight`].
    pub fn kd_weight(mut self, kd_weight: CudaView<'a, f32>) -> Self {
        self.kd_weight = Some(kd_weight);
        self
    }

    /// See [`Pointers::tau`].
    pub fn tau(mut self, tau: CudaView<'a, f32>) -> Self {
        self.tau = Some(tau);
        self
    }

    /// See [`Pointers::upstream`].
    pub fn upstream(mut self, upstream: f32) -> Self {
        (self.upstream, self.upstream_in) = (upstream, None);
        self
    }

    /// See [`Pointers::upstream_at`].
    pub fn upstream_in(mut self, upstream: CudaView<'a, f32>) -> Self {
        self.upstream_in = Some(upstream);
        self
    }

    /// See [`Pointers::counts`].
    pub fn counts(mut self, counts: Counts) -> Self {
        self.counts = Some(counts);
        self
    }

    /// See [`Pointers::stats`].
    pub fn stats(mut self, stats: CudaViewMut<'a, RowStats>) -> Self {
        self.stats = Some(stats);
        self
    }

    /// See [`Pointers::total`].
    pub fn total(mut self, total: CudaViewMut<'a, f32>) -> Self {
        self.total = Some(total);
        self
    }

    /// See [`Pointers::workspace`].
    pub fn workspace(mut self, workspace: CudaViewMut<'a, u8>) -> Self {
        self.workspace = Some(workspace);
        self
    }

    /// The streams on which the views were allocated.
    fn streams(&self) -> [Option<&Arc<CudaStream>>; 11] {
        fn read<'v>(view: &'v Option<CudaView<f32>>) -> Option<&'v Arc<CudaStream>> {
            view.as_ref().map(DeviceSlice::stream)
        }
        let student = match &self.student {
            Student::Read(view) => view.stream(),
            Student::InPlace(view) => view.stream(),
        };
        [
            Some(student),
            Some(self.teacher.stream()),
            Some(self.labels.stream()),
            self.gradient.as_ref().map(DeviceSlice::stream),
            read(&self.weight),
            read(&self.kd_weight),
            read(&self.tau),
            read(&self.upstream_in),
            self.stats.as_ref().map(DeviceSlice::stream),
            self.total.as_ref().map(DeviceSlice::stream),
            self.workspace.as_ref().map(DeviceSlice::stream),
        ]
    }

    /// Lengths, as the CPU engine checks them; types and contexts, as the plan has them.
    fn check(&self, plan: &Plan) -> Result<(), Error> {
        let (rows, classes) = (self.labels.len(), plan.classes());
        let matrix = |names, given, stride: Option<usize>| {
            check::matrix(names, given, stride.unwrap_or(classes), rows, classes)
        };
        let student = match &self.student {
            Student::Read(view) => view.len(),
            Student::InPlace(view) => view.len(),
        };
        matrix(["student", "student stride"], student, self.student_stride)?;
        let teacher = self.teacher.len();
        matrix(["teacher", "teacher stride"], teacher, self.teacher_stride)?;
        if let Some(gradient) = &self.gradient {
            if let Student::InPlace(_) = self.student {
                let (argument, why) = ("gradient", "it is written over the student's logits");
                return Err(crate::spec::ArgumentError::Unused { argument, why }.into());
            }
            let names = ["gradient", "gradient stride"];
            matrix(names, gradient.len(), self.gradient_stride)?;
        }
        for (argument, view, needed) in [
            ("weight", &self.weight, rows),
            ("kd_weight", &self.kd_weight, rows),
            ("tau", &self.tau, rows),
            ("upstream", &self.upstream_in, 1),
        ] {
            if let Some(view) = view {
                check::length(argument, view.len(), needed, rows)?;
            }
        }
        if let Some(stats) = &self.stats {
            check::length("stats", stats.len(), rows, rows)?;
        }
        if let Some(total) = &self.total {
            check::length("total", total.len(), 1, rows)?;
        }
        if let Some(workspace) = &self.workspace {
            let needed = plan.workspace_bytes(rows);
            check::length("workspace", workspace.len().min(needed), needed, rows)?;
        }
        check_formats::<S, T>(plan.options(), "teacher")
    }
}

/// The address of what is only read, and the guard of its use.
pub(super) fn read<'v>(
    view: &'v Option<CudaView<f32>>,
    stream: &'v CudaStream,
) -> Option<(u64, SyncOnDrop<'v>)> {
    view.as_ref().map(|view| view.device_ptr(stream))
}

impl Plan {
    /// [`launch`](Self::launch) on cudarc's views, whose lengths it checks. Where the context tracks
    /// events, other streams wait for what this one writes.
    ///
    /// # Errors
    /// As [`launch`](Self::launch); [`ArgumentError::Length`](crate::spec::ArgumentError::Length)
    /// for a view that does not have the length that the others ask for; [`Error::Format`] for
    /// logits of another type than the plan's; [`Error::OtherDevice`] for a stream of another
    /// context.
    pub fn launch_views<S: Element, T: Element>(
        &self,
        stream: &Arc<CudaStream>,
        views: &mut Views<S, T>,
    ) -> Result<(), Error> {
        views.check(self)?;
        if views
            .streams()
            .into_iter()
            .flatten()
            .chain([stream])
            .any(|s| *s.context() != *self.kernels.context)
        {
            return Err(Error::OtherDevice);
        }
        let rows = views.labels.len();
        let _current = Current::of(&self.kernels.context)?;
        // Each address comes with a guard that records its use when it is dropped, after the launch.
        let in_place = matches!(views.student, Student::InPlace(_));
        let (student, _student) = match &mut views.student {
            Student::Read(view) => view.device_ptr(stream),
            Student::InPlace(view) => view.device_ptr_mut(stream),
        };
        let (teacher, _teacher) = views.teacher.device_ptr(stream);
        let (labels, _labels) = views.labels.device_ptr(stream);
        let gradient = views
            .gradient
            .as_mut()
            .map(|view| view.device_ptr_mut(stream));
        let (weight, kd_weight) = (read(&views.weight, stream), read(&views.kd_weight, stream));
        let (tau, upstream) = (read(&views.tau, stream), read(&views.upstream_in, stream));
        let stats = views.stats.as_mut().map(|view| view.device_ptr_mut(stream));
        let total = views.total.as_mut().map(|view| view.device_ptr_mut(stream));
        let workspace = views
            .workspace
            .as_mut()
            .map(|view| view.device_ptr_mut(stream));
        let at = |used: &Option<(u64, SyncOnDrop)>| used.as_ref().map(|&(at, _)| at);
        let mut pointers = Pointers {
            student_stride: views.student_stride,
            teacher_stride: views.teacher_stride,
            gradient_stride: views.gradient_stride,
            weight: at(&weight),
            kd_weight: at(&kd_weight),
            tau: at(&tau),
            counts: views.counts,
            stats: at(&stats),
            total: at(&total),
            workspace: at(&workspace),
            ..Pointers::new(rows, student, teacher, labels).upstream(views.upstream)
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

/// Whether these types are a plan's; `other` is what it calls the teacher's.
pub(super) fn check_formats<S: Element, T: Element>(
    options: Options,
    other: &'static str,
) -> Result<(), Error> {
    for (argument, given, planned) in [
        ("student", S::FORMAT, options.student),
        (other, T::FORMAT, options.teacher),
    ] {
        if given != planned {
            let [given, planned] = [given, planned].map(Format::name);
            return Err(Error::Format {
                argument,
                given,
                planned,
            });
        }
    }
    Ok(())
}
