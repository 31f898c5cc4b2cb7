//! Distances of feature vectors: the row program's lanes and spans, with a kernel of their own.

use super::current::Current;
use super::driver;
use super::error::Error;
use super::kernels::{Function, Kernels};
use super::launch::Launcher;
use super::operands::{self, Operands};
use super::options::{Options, Regime};
use super::regime;
use super::rescale::Rescale;
use super::views::{FeatureBatch, Uses};
use crate::batch::{Address, Element, RawFeatureBatch};
use crate::spec::{FeatureSpec, Reduction, RowParams};
use cudarc::driver::sys::CUstream;
use cudarc::driver::{CudaContext, CudaStream};
use std::slice;
use std::sync::Arc;

/// A feature loss over rows of `D` features on one device: checked and loaded once, launched as often
/// as it runs.
///
/// # Which path runs
/// Rows of one type run in the first of these that applies, whatever their number: up to 29 f32 features
/// (57 of f16 or bf16) in [`Group8`](Regime::Group8), up to 125 (249) in [`Group16`](Regime::Group16), up
/// to 509 (1,017) in [`Warp`](Regime::Warp), up to 8,189 (16,377) in [`Block`](Regime::Block), and more in
/// [`Stream`](Regime::Stream). Rows of two types run in [`Any`](Regime::Any).
#[derive(Debug)]
pub struct FeaturePlan {
    pub(super) launcher: Launcher,
    spec: FeatureSpec,
    width: u32,
    options: Options,
    regime: Regime,
    feature: Function,
    rescale: Rescale,
}

impl FeaturePlan {
    /// A plan for rows of `width` features in this context. It loads the kernels, which the driver
    /// compiles for its GPU and keeps. Of the [`Options`] the level says nothing here, because a row's
    /// record is its distance, and the teacher's format is the target's.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`](crate::spec::SpecError::OutOfRange) for 0 features and for 2³¹ and
    /// more; [`Error::Regime`] for a regime that does not take such rows;
    /// [`Unavailable`](super::Unavailable) for a device or a driver that is too old; [`Error::Capturing`]
    /// while a graph is captured.
    pub fn new(
        context: &Arc<CudaContext>,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<Self, Error> {
        driver::probe()?;
        Self::sharing(&Arc::new(Kernels::new(context)?), spec, width, options)
    }

    /// Another plan in the same context, which shares what is loaded.
    ///
    /// # Errors
    /// As [`FeaturePlan::new`].
    pub fn with(&self, spec: &FeatureSpec, width: usize, options: Options) -> Result<Self, Error> {
        Self::sharing(&self.launcher.kernels, spec, width, options)
    }

    pub(super) fn sharing(
        kernels: &Arc<Kernels>,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let width = FeatureSpec::check_width(width)?;
        let regime = regime::choose_for_features(width, &options)?;
        let _current = Current::of(&kernels.context)?;
        Ok(Self {
            spec: *spec,
            width,
            options,
            regime,
            feature: kernels.feature(regime, options.student)?,
            rescale: Rescale::new(kernels, options.student, width)?,
            launcher: Launcher::new(kernels, Reduction::Mean)?,
        })
    }

    /// The loss that this plan computes.
    #[must_use]
    pub fn spec(&self) -> &FeatureSpec {
        &self.spec
    }

    /// D.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// How it is carried out.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Which kernel runs for so many rows. Of features their number says nothing.
    #[must_use]
    pub fn regime(&self, _rows: usize) -> Regime {
        self.regime
    }

    /// Bytes of workspace that a call with so many rows needs: for the total, and for counts of its
    /// own.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize) -> usize {
        operands::workspace_bytes(rows)
    }

    /// Launches the kernel over cudarc's slices and views, whose lengths it checks: it writes the gradient
    /// `∂total/∂x`, each row's distance and `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, each
    /// where the batch has room for it. Where the context tracks events, other streams wait for what this
    /// one writes.
    ///
    /// That is one launch, one more for a total, and one before them for weights that nobody has
    /// [counted](FeatureBatch::counted); more than one need a [workspace](FeatureBatch::workspace).
    /// Nothing is allocated, nothing waits: the call can be captured in a graph.
    ///
    /// A row in which x or y holds NaN or ±∞, or whose weight is out of range, has the distance NaN
    /// and, unless its weight is 0, the gradient NaN, and makes the total NaN.
    ///
    /// # Errors
    /// [`Error`] names the argument; nothing has been launched then. [`Error::OtherDevice`] is for
    /// memory or a stream of another context.
    pub fn launch<S: Element, T: Element>(
        &self,
        stream: &Arc<CudaStream>,
        mut batch: FeatureBatch<S, T>,
    ) -> Result<(), Error> {
        let context = &self.launcher.kernels.context;
        let shape = [batch.rows, self.width()];
        let workspace = self.workspace_bytes(batch.rows);
        let mut uses = Uses::new(stream, context, shape, workspace)?;
        let raw = batch.raw(&mut uses)?;
        // SAFETY: the views are of this context, have the lengths and types that were checked, and
        // those that are written are borrowed exclusively.
        unsafe { self.launch_raw(stream.cu_stream(), &raw) }
    }

    /// [`launch`](Self::launch) on addresses in device memory.
    ///
    /// # Errors
    /// As [`launch`](Self::launch);
    /// [`ArgumentError::Address`](crate::spec::ArgumentError::Address) for null and for what is not
    /// aligned, [`ArgumentError::Format`](crate::spec::ArgumentError::Format) for features of another
    /// type than the plan's.
    ///
    /// # Safety
    /// As [`Plan::launch_raw`](super::Plan::launch_raw), of features.
    pub unsafe fn launch_raw(
        &self,
        stream: CUstream,
        batch: &RawFeatureBatch,
    ) -> Result<(), Error> {
        let operands = Operands::of_features(batch)?;
        let loss = RowParams::of_features(&self.spec, self.width);
        let call = operands.call(loss, Reduction::Mean, self.options, false)?;
        let vectors = regime::vectors(self.options.student, self.width);
        let (rows, limits) = (call.params.rows, self.launcher.kernels.limits);
        let geometry = self.regime.geometry(rows, self.width, vectors, limits);
        let kernels = slice::from_ref(&self.feature);
        // SAFETY: the caller's.
        unsafe { self.launcher.launch(stream, call, kernels, geometry) }
    }

    /// [`Plan::scale_gradient`](super::Plan::scale_gradient) for rows of D features.
    ///
    /// # Errors
    /// As [`Plan::scale_gradient`](super::Plan::scale_gradient).
    ///
    /// # Safety
    /// As [`Plan::scale_gradient`](super::Plan::scale_gradient).
    pub unsafe fn scale_gradient(
        &self,
        stream: CUstream,
        rows: usize,
        gradient: impl Into<Address>,
        stride: Option<usize>,
        factor: impl Into<Address>,
    ) -> Result<(), Error> {
        let rescale = &self.rescale;
        // SAFETY: the caller's.
        unsafe { rescale.launch(&self.launcher, stream, rows, gradient, stride, factor) }
    }
}
