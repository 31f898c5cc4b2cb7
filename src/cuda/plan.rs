//! A plan: one loss over rows of V classes on one device.

use super::current::Current;
use super::driver;
use super::error::Error;
use super::kernels::{Function, Kernels};
use super::launch::{Launcher, clusters_at_once};
use super::operands::{self, Call, Operands, address};
use super::options::{Options, Regime};
use super::regime::{self, Geometry, Limits};
use super::rescale::Rescale;
use super::views::{Batch, Uses, ViewMut};
use crate::batch::{Address, Element, RawBatch, check};
use crate::spec::{LossSpec, RowParams};
use cudarc::driver::sys::CUstream;
use cudarc::driver::{CudaContext, CudaStream};
use std::slice;
use std::sync::Arc;

/// One loss over rows of `V` classes on one device: checked and loaded once, launched as often as it
/// runs.
///
/// # Which path runs
/// [`regime`](Self::regime) says it for a number of rows. Forward KL on right and on wrong rows, without
/// standardised logits and without label smoothing, of a student and a teacher of one type, runs in the
/// first of these that applies:
///
/// | rows | classes in f32 | in f16, bf16 | regime |
/// |---|---|---|---|
/// | up to half as many as the GPU has multiprocessors, without probability shift | from 8,190 | from 16,378 | [`Split`](Regime::Split) |
/// | any | up to 29 | up to 57 | [`Group8`](Regime::Group8) |
/// | any | up to 125 | up to 249 | [`Group16`](Regime::Group16) |
/// | any | up to 509 | up to 1,017 | [`Warp`](Regime::Warp) |
/// | any | up to 8,189 | up to 16,377 | [`Block`](Regime::Block) |
/// | any | up to 26,877 (Hopper; less with less shared memory) | up to 53,753 | [`Ring`](Regime::Ring) |
/// | any | up to 215,037 (Hopper and later only) | up to 430,073 | [`Cluster`](Regime::Cluster) |
/// | any | more | more | [`Stream`](Regime::Stream) |
///
/// Everything else runs in [`Any`](Regime::Any).
#[derive(Debug)]
pub struct Plan {
    pub(super) launcher: Launcher,
    spec: LossSpec,
    classes: u32,
    options: Options,
    regime: Regime,
    row: Function,
    /// How many clusters run at the same time, where rows have clusters.
    clusters: Option<u32>,
    split: Option<Split>,
    omegas: Function,
    temperatures: Function,
    rescale: Rescale,
}

/// What runs instead where there are few rows.
#[derive(Debug)]
struct Split {
    most_rows: u32,
    phases: [Function; 4],
}

impl Plan {
    /// A plan for rows of `classes` classes in this context. It loads the kernels, which the driver
    /// compiles for its GPU and keeps: launches load nothing, and the first can be captured in a graph.
    ///
    /// # Errors
    /// [`SpecError::Classes`](crate::spec::SpecError::Classes) for 0 classes and for 2³¹ and more;
    /// [`Error::Regime`] for a regime that does not carry out this specification;
    /// [`Unavailable`](super::Unavailable) for a device or a driver that is too old; [`Error::Capturing`]
    /// while a graph is captured.
    pub fn new(
        context: &Arc<CudaContext>,
        spec: &LossSpec,
        classes: usize,
        options: Options,
    ) -> Result<Self, Error> {
        driver::probe()?;
        Self::sharing(&Arc::new(Kernels::new(context)?), spec, classes, options)
    }

    /// Another plan in the same context, which shares what is loaded.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with(&self, spec: &LossSpec, classes: usize, options: Options) -> Result<Self, Error> {
        Self::sharing(&self.launcher.kernels, spec, classes, options)
    }

    /// The regime of such rows, and how many of their clusters run at the same time. Where not even one
    /// does, they go where they would go without clusters.
    fn regime_and_clusters(
        kernels: &Kernels,
        spec: &LossSpec,
        classes: u32,
        options: &Options,
    ) -> Result<(Regime, Option<u32>), Error> {
        let regime = regime::choose(spec, classes, options, kernels.limits)?;
        if regime != Regime::Cluster {
            return Ok((regime, None));
        }
        let row = kernels.row(regime, options.student)?;
        let vectors = regime::vectors(options.student, classes);
        let all = regime.geometry(u32::MAX, classes, vectors, kernels.limits);
        let at_once = clusters_at_once(&row, all)?;
        if at_once > 0 {
            return Ok((regime, Some(at_once)));
        }
        let limits = Limits {
            clusters: false,
            ..kernels.limits
        };
        Ok((regime::choose(spec, classes, options, limits)?, None))
    }

    pub(super) fn sharing(
        kernels: &Arc<Kernels>,
        spec: &LossSpec,
        classes: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let classes = LossSpec::check_classes(classes)?;
        let _current = Current::of(&kernels.context)?;
        let (regime, clusters) = Self::regime_and_clusters(kernels, spec, classes, &options)?;
        let split = match regime::most_split_rows(spec, classes, &options, kernels.limits)? {
            0 => None,
            most_rows => Some(Split {
                most_rows,
                phases: kernels.split(options.student)?,
            }),
        };
        Ok(Self {
            spec: *spec,
            classes,
            options,
            regime,
            row: kernels.row(regime, options.student)?,
            clusters,
            split,
            omegas: kernels.batch("omegas")?,
            temperatures: kernels.batch("temperatures")?,
            rescale: Rescale::new(kernels, options.student, classes)?,
            launcher: Launcher::new(kernels, spec.reduction())?,
        })
    }

    /// The loss that this plan computes.
    #[must_use]
    pub fn spec(&self) -> &LossSpec {
        &self.spec
    }

    /// V.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes as usize
    }

    /// How it is carried out.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Which kernel runs for so many rows.
    #[must_use]
    pub fn regime(&self, rows: usize) -> Regime {
        match self.split_for(rows) {
            Some(_) => Regime::Split,
            None => self.regime,
        }
    }

    /// Bytes of workspace that a call with so many rows needs: for rows that are split, for the total,
    /// for counts of its own, and for dynamic temperatures.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize) -> usize {
        let parts = match self.split_for(rows) {
            Some(_) => self.geometry(rows as u32).part_bytes(rows),
            None => 0,
        };
        operands::workspace_bytes(rows).saturating_add(parts)
    }

    fn split_for(&self, rows: usize) -> Option<&Split> {
        let split = self.split.as_ref();
        split.filter(|split| rows <= split.most_rows as usize)
    }

    /// The launch of the row program.
    fn geometry(&self, rows: u32) -> Geometry {
        let vectors = regime::vectors(self.options.student, self.classes);
        let regime = self.regime(rows as usize);
        let geometry = regime.geometry(rows, self.classes, vectors, self.launcher.kernels.limits);
        match (regime, self.clusters) {
            (Regime::Cluster, Some(at_once)) => geometry.with_clusters(at_once),
            _ => geometry,
        }
    }

    /// Launches the row program over cudarc's slices and views, whose lengths it checks: it writes the
    /// gradient `∂total/∂s`, one record per row and `total = upstream · Σ_b loss_b · inv_n`, each where
    /// the batch has room for it. Where the context tracks events, other streams wait for what this one
    /// writes.
    ///
    /// That is one launch, or four where rows are [split](Regime::Split), and one more for a total;
    /// before them two where a mean per group has rows to count, and one where a mean with weights has,
    /// unless the caller gives [`Batch::counts`]. What has more than one launch needs a
    /// [workspace](Batch::workspace). Nothing is allocated, nothing waits: the call can be captured in a
    /// graph.
    ///
    /// A row whose label is no class, or whose weight or temperature is out of range, is marked in
    /// its record ([`RowFlags`](crate::spec::RowFlags)), with loss and gradient 0.
    ///
    /// # Errors
    /// [`Error`] names the argument; nothing has been launched then. [`Error::OtherDevice`] is for
    /// memory or a stream of another context.
    pub fn launch<S: Element, T: Element>(
        &self,
        stream: &Arc<CudaStream>,
        mut batch: Batch<S, T>,
    ) -> Result<(), Error> {
        let mut uses = self.uses(stream, batch.rows)?;
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
    /// aligned, [`ArgumentError::Format`](crate::spec::ArgumentError::Format) for logits of another type
    /// than the plan's.
    ///
    /// # Safety
    /// `stream` is a stream of the plan's context, or null for the default stream. Each address is
    /// that of memory which kernels on that stream may access: of `rows` elements, or of `rows` rows
    /// with their stride, and of [`workspace_bytes`](Self::workspace_bytes). What is written overlaps
    /// nothing else, except for a gradient that is exactly [in place](RawBatch::in_place).
    pub unsafe fn launch_raw(&self, stream: CUstream, batch: &RawBatch) -> Result<(), Error> {
        check::stats_are_expected(self.options.level, batch.stats.is_some())?;
        check::tau_is_expected(&self.spec, batch.tau.is_some())?;
        let split = self.split_for(batch.rows).filter(|_| batch.rows > 0);
        let call = self.call(&Operands::of_logits(batch)?, split.is_some())?;
        let kernels = split.map_or(slice::from_ref(&self.row), |split| &split.phases);
        let geometry = self.geometry(call.params.rows);
        // SAFETY: the caller's; the parts of split rows lie in the workspace.
        unsafe { self.launcher.launch(stream, call, kernels, geometry) }
    }

    /// Launches what computes the temperatures of dynamic temperature distillation, `tau[B]` (f32),
    /// detached from the gradient: `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`. Rows with
    /// weight 0, with NaN, +∞ or nothing but masks, and rows that are refused do not enter the mean
    /// and get τ0, as all rows do where `Σ ω = 0`. It reads logits, labels and weights, and needs a
    /// workspace; the batch can be launched next, with [`Batch::tau`].
    ///
    /// # Errors
    /// As [`launch`](Self::launch); [`ArgumentError::Unused`](crate::spec::ArgumentError::Unused) where
    /// the specification's temperature is not [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn launch_temperatures<'t, S: Element, T: Element>(
        &self,
        stream: &Arc<CudaStream>,
        batch: &mut Batch<S, T>,
        tau: impl Into<ViewMut<'t, f32>>,
    ) -> Result<(), Error> {
        let (rows, mut tau) = (batch.rows, tau.into());
        let mut uses = self.uses(stream, rows)?;
        let raw = batch.raw(&mut uses)?;
        let tau = uses.vector("tau", &mut tau, rows)?;
        // SAFETY: as in `launch`.
        unsafe { self.launch_raw_temperatures(stream.cu_stream(), &raw, tau) }
    }

    /// [`launch_temperatures`](Self::launch_temperatures) on addresses in device memory.
    ///
    /// # Errors
    /// As [`launch_raw`](Self::launch_raw) and [`launch_temperatures`](Self::launch_temperatures).
    ///
    /// # Safety
    /// As [`launch_raw`](Self::launch_raw); `tau` is the address of `rows` elements.
    pub unsafe fn launch_raw_temperatures(
        &self,
        stream: CUstream,
        batch: &RawBatch,
        tau: impl Into<Address>,
    ) -> Result<(), Error> {
        check::dtd(&self.spec)?;
        check::stats_are_expected(self.options.level, batch.stats.is_some())?;
        let mut operands = Operands::of_logits(batch)?;
        operands.tau = None;
        let mut call = self.call(&operands, batch.rows > 0)?;
        if call.params.rows == 0 {
            return Ok(());
        }
        call.arguments.temperatures = address("tau", tau.into(), 4)?;
        let stream = self.launcher.stream(stream)?;
        let geometry = self.launcher.block_per_row(&call.params);
        // SAFETY: the caller's; ω lies in the workspace.
        unsafe {
            stream.start(&self.omegas, geometry, &call.params, &call.arguments)?;
            let (kernel, geometry) = (&self.temperatures, Geometry::BATCH);
            stream.start(kernel, geometry, &call.params, &call.arguments)
        }
    }

    /// Multiplies a gradient of `rows` rows in place by one number in device memory (f32), and returns
    /// at once, on the device, where that is 1: for a factor that is known only after the gradient, such
    /// as PyTorch's `grad_output`, which the host need not wait for. Products are rounded to the nearest,
    /// ties to even; a factor of 1 leaves every bit alone. `stride` counts elements from row to row, V
    /// unless given, and what lies between rows is not touched. One launch, which can be captured in a
    /// graph. A factor that is known before is cheaper as
    /// [`Batch::upstream_at`](super::Batch::upstream_at).
    ///
    /// # Errors
    /// [`Error`] names the argument; nothing has been launched then.
    ///
    /// # Safety
    /// `stream` is a stream of the plan's context, or null for the default stream. `gradient` is the
    /// address of memory which kernels on that stream may write: `rows` rows with their stride, of the
    /// student's type. `factor` is that of an f32 which they may read, and which is not part of them.
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

    /// The batch's views on a stream.
    fn uses<'v>(&self, stream: &'v Arc<CudaStream>, rows: usize) -> Result<Uses<'v>, Error> {
        let context = &self.launcher.kernels.context;
        let shape = [rows, self.classes()];
        Uses::new(stream, context, shape, self.workspace_bytes(rows))
    }

    fn call(&self, operands: &Operands, leaves: bool) -> Result<Call, Error> {
        let loss = RowParams::new(&self.spec, self.classes, self.options.level);
        operands.call(loss, self.spec.reduction(), self.options, leaves)
    }
}
