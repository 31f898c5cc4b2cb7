//! A plan: one loss over rows of V classes on one device.

use super::arguments::{Arguments, Expected};
use super::batch::{Batch, Slice};
use super::binder::{Binder, known_inverse};
use super::call::Call;
use super::error::Error;
use super::kernel::{Kernel, Part, Shape};
use super::limits::alignment;
use super::options::{Options, Regime};
use super::pipelines::Pipelines;
use super::setup::Setup;
use super::workspace::{PerRow, Workspace};
use crate::batch::check;
use crate::spec::{ArgumentError, LossSpec, Reduction, RowParams, RowStats, StatsLevel};
use std::sync::Arc;

/// One loss over rows of `V` classes on one device: checked once, bound to buffers as often as they
/// change, recorded as often as it runs.
///
/// # Which path runs
///
/// Unless [`Options::regime`] sets it, the shape of a batch does ([`Plan::regime`]), with workgroups of
/// 256 as follows:
///
/// | batch | regime | dispatches |
/// |---|---|---|
/// | fewer than 129 rows of 8,192 classes and more | [`Split`](Regime::Split): each row by `min(256 / rows, V / 4096, 64)` workgroups, rounded down to a power of two | one per phase, four to eight |
/// | V ≤ 4, 16, 64, 512 | [`Whole`](Regime::Whole): each row by 4, 8, 16, 32 lanes, several rows to a workgroup | one |
/// | all others | [`Whole`](Regime::Whole): each row by a workgroup | one |
///
/// A device with eight storage buffers per stage splits no rows. A whole row is read once, into
/// workgroup memory, where there is room for both of its sides: with 16 KiB, up to 192 classes, and
/// from 513 to 1,536; other rows are read anew for every sweep. Before the row program, up to two
/// dispatches find out what the host does not know (counts, upstream in device memory), and one after
/// it adds up the total. Batches beyond the device's bindings or grids take as many of these as they
/// have chunks.
#[derive(Debug)]
pub struct Plan {
    shape: Shape,
    pipelines: Arc<Pipelines>,
}

impl Plan {
    /// A plan for rows of `classes` classes. It compiles nothing yet: the first
    /// [`bind`](Self::bind) of each kind of batch does.
    ///
    /// # Errors
    /// [`SpecError::Classes`](crate::spec::SpecError::Classes) for 0 classes and for 2³¹ and more;
    /// [`Error::Option`] for an option outside its range;
    /// [`Unavailable::Limit`](super::Unavailable::Limit) for a device that was requested with too
    /// small a limit.
    pub fn new(
        device: &wgpu::Device,
        spec: &LossSpec,
        classes: usize,
        options: Options,
    ) -> Result<Self, Error> {
        Self::sharing(&Arc::new(Pipelines::new(device)), spec, classes, options)
    }

    /// Another plan on the same device, which shares what is compiled: a loss that differs in
    /// weights, temperatures or other numbers alone, as along a schedule, compiles nothing.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn with(&self, spec: &LossSpec, classes: usize, options: Options) -> Result<Self, Error> {
        Self::sharing(&self.pipelines, spec, classes, options)
    }

    pub(super) fn sharing(
        pipelines: &Arc<Pipelines>,
        spec: &LossSpec,
        classes: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let shape = Shape {
            spec: *spec,
            classes: LossSpec::check_classes(classes)?,
            setup: Setup::new(pipelines, options)?,
        };
        let pipelines = Arc::clone(pipelines);
        Ok(Self { shape, pipelines })
    }

    /// The loss that this plan computes.
    #[must_use]
    pub fn spec(&self) -> &LossSpec {
        &self.shape.spec
    }

    /// V.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.shape.classes as usize
    }

    /// How it is carried out.
    pub fn options(&self) -> Options {
        self.shape.setup.options
    }

    /// Which path takes a batch of so many rows.
    #[must_use]
    pub fn regime(&self, rows: usize) -> Regime {
        self.shape.regime(u32::try_from(rows).unwrap_or(u32::MAX))
    }

    /// Bytes of [`Batch::workspace`] that any call with so many rows needs: 68 per row, for marks and
    /// for the records of a total without [`Batch::stats`]; 256 per row and part where rows are split;
    /// up to 1 KB of padding.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize) -> u64 {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let per_row = self.per_row(rows, true);
        Workspace::new(alignment(self.pipelines.limits()), rows, per_row).bytes
    }

    /// What a row leaves in the workspace; with `records`, its record too.
    fn per_row(&self, rows: u32, records: bool) -> PerRow {
        PerRow {
            mark: 4,
            record: u64::from(records) * size_of::<RowStats>() as u64,
            parts: match self.shape.regime(rows) {
                Regime::Split { parts } => parts,
                Regime::Whole { .. } => 0,
            },
        }
    }

    /// Checks a batch's buffers and binds them to the row program, which writes the gradient
    /// `∂total/∂s`, one record per row and `total = upstream · Σ_b loss_b · inv_n`, each where the
    /// batch has room for it. Kernels are compiled when a batch first needs them; nothing runs.
    ///
    /// A call has device memory of its own: 256 bytes for the batch and for each chunk of it, and
    /// 16 bytes of scale; as much as [`workspace_bytes`](Self::workspace_bytes) says where the batch
    /// has no [workspace](Batch::workspace). It is freed with the call.
    ///
    /// A row whose label is no class, or whose weight or temperature is out of range, is marked in
    /// its record ([`RowFlags`](crate::spec::RowFlags)), with loss and gradient 0.
    ///
    /// # Errors
    /// [`Error`] names the argument. Buffers of another device, and destroyed ones, are wgpu's to
    /// find.
    pub fn bind(&self, batch: &Batch) -> Result<Call, Error> {
        let (spec, level) = (&self.shape.spec, self.options().level);
        check::stats_are_expected(level, batch.stats.is_some())?;
        check::tau_is_expected(spec, batch.tau.is_some())?;
        let arguments = Arguments::of_rows(&self.expected(batch.rows)?, batch)?;
        // A total is the sum of recorded losses.
        let (level, records) = match (&arguments.stats, &arguments.total) {
            (Some(_), _) => (level, false),
            (None, Some(_)) => (StatsLevel::Loss, true),
            (None, None) => (StatsLevel::None, false),
        };
        let inverse = known_inverse(spec.reduction(), batch.counts, &arguments);
        let mut binder = Binder::new(
            &self.pipelines,
            &arguments,
            &RowParams::new(spec, self.shape.classes, level),
            self.per_row(arguments.rows, records),
            inverse,
        )?;
        if binder.scale_is_unknown() {
            self.scale(&mut binder, inverse.is_none())?;
        }
        self.row_program(&mut binder, &arguments, level);
        if arguments.total.is_some() {
            binder.total(&self.shape.program(Kernel::Total));
        }
        Ok(binder.call())
    }

    /// Counts rows, where `counts` says so, and reads upstream.
    fn scale(&self, binder: &mut Binder, counts: bool) -> Result<(), Error> {
        if counts && self.shape.spec.reduction() == Reduction::MeanPerGroup {
            self.rows_whole(binder, Kernel::Groups);
        }
        binder.per_batch(self.shape.program(Kernel::Scale { counts }))
    }

    fn row_program(&self, binder: &mut Binder, arguments: &Arguments, level: StatsLevel) {
        let in_place = arguments.in_place;
        let row = |part| Kernel::Row {
            in_place,
            level,
            part,
        };
        match self.shape.regime(arguments.rows) {
            Regime::Whole { .. } => self.rows_whole(binder, row(Part::Whole)),
            Regime::Split { parts } => {
                for block in binder.chunks() {
                    for phase in self.shape.phases() {
                        let program = self.shape.program(row(Part::Phase { parts, phase }));
                        binder.add(program, block, block.rows() * parts);
                    }
                }
            }
        }
    }

    /// A kernel that works on whole rows.
    fn rows_whole(&self, binder: &mut Binder, kernel: Kernel) {
        let rows_per_workgroup = self.shape.rows_per_workgroup(kernel);
        binder.per_chunk(&self.shape.program(kernel), rows_per_workgroup);
    }

    /// Binds the launch that computes the temperatures of dynamic temperature distillation,
    /// `tau[B]` (f32), detached from the gradient:
    /// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`. Rows with weight 0, with NaN, +∞ or
    /// nothing but masks, and rows that are refused do not enter the mean and get τ0, as all rows
    /// do where `Σ ω = 0`. It reads logits, labels and weights; record it before the call that
    /// takes its [`Batch::tau`].
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`ArgumentError::Unused`] where the specification's temperature is
    /// not [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn bind_temperatures<'a>(
        &self,
        batch: &Batch<'a>,
        tau: impl Into<Slice<'a>>,
    ) -> Result<Call, Error> {
        check::dtd(&self.shape.spec)?;
        let expected = self.expected(batch.rows)?;
        let arguments = Arguments::of_temperatures(&expected, batch, tau.into())?;
        let mut binder = Binder::new(
            &self.pipelines,
            &arguments,
            &RowParams::new(&self.shape.spec, self.shape.classes, StatsLevel::None),
            PerRow {
                mark: 4,
                ..Default::default()
            },
            None,
        )?;
        if arguments.rows > 0 {
            self.rows_whole(&mut binder, Kernel::Omegas);
            binder.per_batch(self.shape.program(Kernel::Temperatures))?;
        }
        Ok(binder.call())
    }

    fn expected(&self, rows: usize) -> Result<Expected, ArgumentError> {
        let (limits, workspace) = (self.pipelines.limits(), self.workspace_bytes(rows));
        Expected::new(self.options(), limits, rows, self.shape.classes, workspace)
    }

    pub(super) fn pipelines(&self) -> &Arc<Pipelines> {
        &self.pipelines
    }
}
