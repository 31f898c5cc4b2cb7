//! Batches in the device's memory as cudarc's views, whose lengths, contexts and lifetimes are checked.

use super::current::Current;
use super::error::Error;
use crate::batch::{
    Address, Element, Place, RawBatch, RawFeatureBatch, TypedAddress, Upstream, check,
    feature_batch, row_batch,
};
use crate::spec::RowStats;
use cudarc::driver::{
    CudaContext, CudaSlice, CudaStream, CudaView, CudaViewMut, DevicePtr, DevicePtrMut, DeviceRepr,
    DeviceSlice, SyncOnDrop, ValidAsZeroBits,
};
use std::sync::Arc;

// SAFETY: sixteen words, of which every pattern is a value.
unsafe impl DeviceRepr for RowStats {}
// SAFETY: as before.
unsafe impl ValidAsZeroBits for RowStats {}

/// Device memory that a call reads: a [`CudaView`], or all of a `&CudaSlice`.
#[derive(Debug)]
pub struct View<'a, T>(CudaView<'a, T>);

/// Device memory that a call writes: a [`CudaViewMut`], or all of a `&mut CudaSlice`.
#[derive(Debug)]
pub struct ViewMut<'a, T>(CudaViewMut<'a, T>);

impl<'a, T> From<CudaView<'a, T>> for View<'a, T> {
    fn from(view: CudaView<'a, T>) -> Self {
        Self(view)
    }
}

impl<'a, T> From<&'a CudaSlice<T>> for View<'a, T> {
    fn from(slice: &'a CudaSlice<T>) -> Self {
        Self(slice.as_view())
    }
}

impl<'a, T> From<CudaViewMut<'a, T>> for ViewMut<'a, T> {
    fn from(view: CudaViewMut<'a, T>) -> Self {
        Self(view)
    }
}

impl<'a, T> From<&'a mut CudaSlice<T>> for ViewMut<'a, T> {
    fn from(slice: &'a mut CudaSlice<T>) -> Self {
        Self(slice.as_view_mut())
    }
}

row_batch! {
    /// A batch of logits in device memory, as cudarc's slices and views: what a call reads and writes.
    #[derive(Debug)]
    pub struct Batch['a, S, T]['a, S, T] {
        student: impl Into<View<'a, S>> => View<'a, S>,
        written: impl Into<ViewMut<'a, S>> => ViewMut<'a, S>,
        teacher: impl Into<View<'a, T>> => View<'a, T>,
        labels: impl Into<View<'a, i32>> => View<'a, i32>,
        floats: impl Into<View<'a, f32>> => View<'a, f32>,
        scalar: impl Into<View<'a, f32>> => View<'a, f32>,
        stats: impl Into<ViewMut<'a, RowStats>> => ViewMut<'a, RowStats>,
        total: impl Into<ViewMut<'a, f32>> => ViewMut<'a, f32>,
        workspace: impl Into<ViewMut<'a, u8>> => ViewMut<'a, u8>,
    }
}

feature_batch! {
    /// A batch of features in device memory, as cudarc's slices and views: what a call reads and writes.
    #[derive(Debug)]
    pub struct FeatureBatch['a, S, T]['a, S, T] {
        student: impl Into<View<'a, S>> => View<'a, S>,
        written: impl Into<ViewMut<'a, S>> => ViewMut<'a, S>,
        target: impl Into<View<'a, T>> => View<'a, T>,
        floats: impl Into<View<'a, f32>> => View<'a, f32>,
        scalar: impl Into<View<'a, f32>> => View<'a, f32>,
        distances: impl Into<ViewMut<'a, f32>> => ViewMut<'a, f32>,
        total: impl Into<ViewMut<'a, f32>> => ViewMut<'a, f32>,
        workspace: impl Into<ViewMut<'a, u8>> => ViewMut<'a, u8>,
    }
}

impl<S: Element, T: Element> Batch<'_, S, T> {
    /// The batch by address, with the lengths that rows of so many classes ask for.
    pub(super) fn raw<'v>(&'v mut self, uses: &mut Uses<'v>) -> Result<RawBatch, Error> {
        let rows = uses.shape[0];
        Ok(RawBatch {
            rows,
            student: uses.student(&mut self.student, self.student_stride)?,
            student_stride: self.student_stride,
            teacher: uses.matrix(
                ["teacher", "teacher stride"],
                &self.teacher,
                self.teacher_stride,
            )?,
            teacher_stride: self.teacher_stride,
            labels: uses.vector("labels", &self.labels, rows)?,
            gradient: uses.gradient(self.gradient.as_mut(), self.gradient_stride)?,
            gradient_stride: self.gradient_stride,
            weight: uses.given("weight", self.weight.as_ref(), rows)?,
            kd_weight: uses.given("kd_weight", self.kd_weight.as_ref(), rows)?,
            tau: uses.given("tau", self.tau.as_ref(), rows)?,
            upstream: uses.upstream(&self.upstream)?,
            counts: self.counts,
            stats: uses.given("stats", self.stats.as_mut(), rows)?,
            total: uses.given("total", self.total.as_mut(), 1)?,
            workspace: uses.workspace(self.workspace.as_mut())?,
        })
    }
}

impl<S: Element, T: Element> FeatureBatch<'_, S, T> {
    /// The batch by address, with the lengths that rows of so many features ask for.
    pub(super) fn raw<'v>(&'v mut self, uses: &mut Uses<'v>) -> Result<RawFeatureBatch, Error> {
        let rows = uses.shape[0];
        Ok(RawFeatureBatch {
            rows,
            student: uses.student(&mut self.student, self.student_stride)?,
            student_stride: self.student_stride,
            target: uses.matrix(
                ["target", "target stride"],
                &self.target,
                self.target_stride,
            )?,
            target_stride: self.target_stride,
            gradient: uses.gradient(self.gradient.as_mut(), self.gradient_stride)?,
            gradient_stride: self.gradient_stride,
            weight: uses.given("weight", self.weight.as_ref(), rows)?,
            upstream: uses.upstream(&self.upstream)?,
            counted: self.counted,
            distances: uses.given("distances", self.distances.as_mut(), rows)?,
            total: uses.given("total", self.total.as_mut(), 1)?,
            workspace: uses.workspace(self.workspace.as_mut())?,
        })
    }
}

/// The most views of one call: those of a batch, and the temperatures that are computed for it.
const MOST: usize = 12;

/// The views of a call on a stream: each is checked and becomes an address, with a guard that records
/// its use when it is dropped, after the launches.
pub(super) struct Uses<'v> {
    stream: &'v Arc<CudaStream>,
    /// Rows, and elements of each.
    shape: [usize; 2],
    workspace_bytes: usize,
    guards: [Option<SyncOnDrop<'v>>; MOST],
    used: usize,
    /// Outlives the guards, which make their own contexts current.
    _current: Current,
}

impl<'v> Uses<'v> {
    /// No views yet, of a call with so many rows of so many elements, which needs so large a workspace.
    pub(super) fn new(
        stream: &'v Arc<CudaStream>,
        context: &Arc<CudaContext>,
        shape: [usize; 2],
        workspace_bytes: usize,
    ) -> Result<Self, Error> {
        if stream.context() != context {
            return Err(Error::OtherDevice);
        }
        Ok(Self {
            stream,
            shape,
            workspace_bytes,
            guards: [const { None }; MOST],
            used: 0,
            _current: Current::of(context)?,
        })
    }

    /// So many values.
    pub(super) fn vector<E>(
        &mut self,
        argument: &'static str,
        view: impl Used<'v, E>,
        needed: usize,
    ) -> Result<Address, Error> {
        check::length(argument, view.len(), needed, self.shape[0])?;
        self.address(view)
    }

    /// So many values, where they are given.
    fn given<E>(
        &mut self,
        argument: &'static str,
        view: Option<impl Used<'v, E>>,
        needed: usize,
    ) -> Result<Option<Address>, Error> {
        view.map(|view| self.vector(argument, view, needed))
            .transpose()
    }

    /// Rows of logits or of features.
    fn matrix<E: Element>(
        &mut self,
        names: [&'static str; 2],
        view: impl Used<'v, E>,
        stride: Option<usize>,
    ) -> Result<TypedAddress, Error> {
        let [rows, classes] = self.shape;
        check::matrix(names, view.len(), stride.unwrap_or(classes), rows, classes)?;
        let (address, format) = (self.address(view)?, E::FORMAT);
        Ok(TypedAddress { address, format })
    }

    fn student<E: Element>(
        &mut self,
        student: &'v mut Place<View<E>, ViewMut<E>>,
        stride: Option<usize>,
    ) -> Result<Place<TypedAddress, TypedAddress>, Error> {
        let names = ["student", "student stride"];
        Ok(match student {
            Place::Read(view) => Place::Read(self.matrix(names, &*view, stride)?),
            Place::InPlace(view) => Place::InPlace(self.matrix(names, view, stride)?),
        })
    }

    fn gradient<E: Element>(
        &mut self,
        gradient: Option<&'v mut ViewMut<E>>,
        stride: Option<usize>,
    ) -> Result<Option<TypedAddress>, Error> {
        let names = ["gradient", "gradient stride"];
        gradient
            .map(|view| self.matrix(names, view, stride))
            .transpose()
    }

    fn upstream(&mut self, upstream: &'v Upstream<View<f32>>) -> Result<Upstream<Address>, Error> {
        Ok(match upstream {
            Upstream::Known(upstream) => Upstream::Known(*upstream),
            Upstream::At(view) => Upstream::At(self.vector("upstream", view, 1)?),
        })
    }

    /// A workspace, which may be larger than it needs to be.
    fn workspace(&mut self, view: Option<&'v mut ViewMut<u8>>) -> Result<Option<Address>, Error> {
        let Some(view) = view else { return Ok(None) };
        let needed = self.workspace_bytes;
        check::length("workspace", view.len().min(needed), needed, self.shape[0])?;
        self.address(view).map(Some)
    }

    fn address<E>(&mut self, view: impl Used<'v, E>) -> Result<Address, Error> {
        if view.context() != self.stream.context() {
            return Err(Error::OtherDevice);
        }
        let (address, guard) = view.on(self.stream);
        self.guards[self.used] = Some(guard);
        self.used += 1;
        Ok(address.into())
    }
}

/// A view that is read, or one that is written.
pub(super) trait Used<'v, E> {
    fn len(&self) -> usize;
    fn context(&self) -> &Arc<CudaContext>;
    /// Its address, once the stream waits for what others do with it.
    fn on(self, stream: &'v CudaStream) -> (u64, SyncOnDrop<'v>);
}

impl<'v, E> Used<'v, E> for &'v View<'_, E> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn context(&self) -> &Arc<CudaContext> {
        self.0.stream().context()
    }

    fn on(self, stream: &'v CudaStream) -> (u64, SyncOnDrop<'v>) {
        self.0.device_ptr(stream)
    }
}

impl<'v, E> Used<'v, E> for &'v mut ViewMut<'_, E> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn context(&self) -> &Arc<CudaContext> {
        self.0.stream().context()
    }

    fn on(self, stream: &'v CudaStream) -> (u64, SyncOnDrop<'v>) {
        self.0.device_ptr_mut(stream)
    }
}
