//! A plan: one feature loss over rows of D features on one device.

use super::super::arguments::{Arguments, Expected};
use super::super::batch::FeatureBatch;
use super::super::binder::{Binder, known_inverse};
use super::super::call::Call;
use super::super::error::Error;
use super::super::limits::alignment;
use super::super::options::{Options, Regime};
use super::super::pipelines::Pipelines;
use super::super::setup::Setup;
use super::super::workspace::{PerRow, Workspace};
use super::kernel::{Kernel, Shape};
use crate::batch::Counts;
use crate::spec::{ArgumentError, FeatureSpec, Reduction, RowParams};
use std::sync::Arc;

/// A feature loss over rows of `D` features on one device: checked once, bound to buffers as often as
/// they change, recorded as often as it runs.
///
/// ```no_run
/// use fused_kd::spec::{Distance, FeatureSpec, Relation};
/// use fused_kd::wgsl::{FeatureBatch, FeaturePlan, Options, wgpu};
///
/// # fn step(
/// #     device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder,
/// #     [features, factor, gradient]: [&wgpu::Buffer; 3],
/// # ) -> Result<(), fused_kd::wgsl::Error> {
/// let spec = FeatureSpec { distance: Distance::L1, relation: Relation::Explore };
/// let plan = FeaturePlan::new(device, &spec, 512, Options::default())?;
/// let batch = FeatureBatch::new(256, features, factor);
/// let call = plan.bind(&batch.gradient(gradient).upstream(50.0))?; // λ
/// call.record(encoder);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FeaturePlan {
    spec: FeatureSpec,
    shape: Shape,
    pipelines: Arc<Pipelines>,
}

impl FeaturePlan {
    /// A plan for rows of `width` features. It compiles nothing yet: the first [`bind`](Self::bind)
    /// of each kind of batch does. Of the [`Options`] the level says nothing here, because a row's
    /// record is its distance, and the teacher's format is the target's.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`](crate::spec::SpecError::OutOfRange) for 0 features and for 2³¹ and
    /// more; [`Error::Option`] for an option outside its range, and for [`Regime::Split`];
    /// [`Unavailable::Limit`](super::super::Unavailable::Limit) for a device that was requested with
    /// too small a limit.
    pub fn new(
        device: &wgpu::Device,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<Self, Error> {
        Self::sharing(&Arc::new(Pipelines::new(device)), spec, width, options)
    }

    /// Another plan on the same device, which shares what is compiled: one with another distance or
    /// sign compiles nothing.
    ///
    /// # Errors
    /// As [`FeaturePlan::new`].
    pub fn with(&self, spec: &FeatureSpec, width: usize, options: Options) -> Result<Self, Error> {
        Self::sharing(&self.pipelines, spec, width, options)
    }

    pub(in crate::wgsl) fn sharing(
        pipelines: &Arc<Pipelines>,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let width = FeatureSpec::check_width(width)?;
        if let Some(Regime::Split { parts }) = options.regime {
            return Err(Error::Option {
                option: "parts",
                given: parts,
                least: 1,
                most: 1,
            });
        }
        let setup = Setup::new(pipelines, options)?;
        Ok(Self {
            spec: *spec,
            shape: Shape { width, setup },
            pipelines: Arc::clone(pipelines),
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
        self.shape.width as usize
    }

    /// How it is carried out.
    pub fn options(&self) -> Options {
        self.shape.setup.options
    }

    /// Which path takes a batch of so many rows: rows are never split, and their number says nothing.
    /// Lanes are those of [`Plan`](super::super::Plan#which-path-runs).
    #[must_use]
    pub fn regime(&self, _rows: usize) -> Regime {
        Regime::Whole {
            lanes: self.shape.lanes(),
        }
    }

    /// Bytes of [`FeatureBatch::workspace`] that any call with so many rows needs: 4 per row, for
    /// distances that the batch has no room for, and up to 1 KB of padding.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize) -> u64 {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        Workspace::new(alignment(self.pipelines.limits()), rows, per_row(true)).bytes
    }

    /// Checks a batch's buffers and binds them to one dispatch, which writes the gradient
    /// `∂total/∂x` and each row's distance, and to one more for
    /// `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, each where the batch has room for it; one
    /// before them counts weights that the host does not ([`FeatureBatch::counted`]). Kernels are
    /// compiled when a batch first needs them; nothing runs.
    ///
    /// A call has device memory of its own: 256 bytes for the batch and for each chunk of it, and
    /// 16 bytes of scale; as much as [`workspace_bytes`](Self::workspace_bytes) says where the batch
    /// has no [workspace](FeatureBatch::workspace). It is freed with the call.
    ///
    /// A row in which x or y holds NaN or ±∞, or whose weight is out of range, has the distance NaN
    /// and, unless its weight is 0, the gradient NaN, and makes the total NaN.
    ///
    /// # Errors
    /// [`Error`] names the argument. Buffers of another device, and destroyed ones, are wgpu's to
    /// find.
    pub fn bind(&self, batch: &FeatureBatch) -> Result<Call, Error> {
        let arguments = Arguments::of_features(&self.expected(batch.rows)?, batch)?;
        let all = |right| Counts { right, wrong: 0 };
        let inverse = known_inverse(Reduction::Mean, batch.counted.map(all), &arguments);
        let mut binder = Binder::new(
            &self.pipelines,
            &arguments,
            &RowParams::of_features(&self.spec, self.shape.width),
            per_row(arguments.stats.is_none()),
            inverse,
        )?;
        if binder.scale_is_unknown() {
            let counts = inverse.is_none();
            binder.per_batch(self.shape.program(Kernel::Scale { counts }))?;
        }
        let in_place = arguments.in_place;
        let features = self.shape.program(Kernel::Features { in_place });
        let rows_per_workgroup = self.options().workgroup / self.shape.lanes();
        binder.per_chunk(&features, rows_per_workgroup);
        if arguments.total.is_some() {
            binder.total(&self.shape.program(Kernel::Total));
        }
        Ok(binder.call())
    }

    fn expected(&self, rows: usize) -> Result<Expected, ArgumentError> {
        let (limits, workspace) = (self.pipelines.limits(), self.workspace_bytes(rows));
        Expected::new(self.options(), limits, rows, self.shape.width, workspace)
    }

    pub(in crate::wgsl) fn pipelines(&self) -> &Arc<Pipelines> {
        &self.pipelines
    }
}

/// What a row leaves in the workspace: with `records`, its distance.
fn per_row(records: bool) -> PerRow {
    PerRow {
        record: 4 * u64::from(records),
        ..Default::default()
    }
}
