//! A plan: one feature loss over rows of D features on one device.

use super::super::call::Call;
use super::super::error::Error;
use super::super::gpu::Gpu;
use super::super::options::{Options, Regime};
use super::super::pipelines::Pipelines;
use super::super::plan::{check_limits, check_options, subgroup};
use super::buffers::FeatureBuffers;
use super::call;
use super::kernel::Shape;
use crate::spec::FeatureSpec;
use std::sync::Arc;

/// A feature loss over rows of `D` features on one device: checked once, bound to buffers as often as
/// they change, recorded as often as it runs.
///
/// ```no_run
/// use fused_kd::spec::{Distance, FeatureSpec, Relation};
/// use fused_kd::wgsl::{FeatureBuffers, FeaturePlan, Options, wgpu};
///
/// # fn step(
/// #     device: &wgpu::Device, encoder: &mut wgpu::CommandEncoder,
/// #     [features, factor, gradient]: [&wgpu::Buffer; 3],
/// # ) -> Result<(), fused_kd::wgsl::Error> {
/// let spec = FeatureSpec { distance: Distance::L1, relation: Relation::Explore };
/// let plan = FeaturePlan::new(device, &spec, 512, Options::default())?;
/// let buffers = FeatureBuffers::new(256, features, factor);
/// let call = plan.bind(&buffers.gradient(gradient).upstream(50.0))?; // λ
/// call.record(encoder);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FeaturePlan {
    pub(super) limits: wgpu::Limits,
    pub(super) spec: FeatureSpec,
    pub(super) shape: Shape,
    pub(super) pipelines: Arc<Pipelines>,
}

impl FeaturePlan {
    /// A plan for rows of `width` features. It compiles nothing yet: the first [`bind`](Self::bind)
    /// of each kind of batch does. Of the [`Options`] the level says nothing here, because a row's
    /// record is its distance, and the teacher's format is the target's.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`](crate::spec::SpecError::OutOfRange) for 0 features and for 2³¹ and more; [`Error::Option`] for an option
    /// outside its range, and for [`Regime::Split`];
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

    fn sharing(
        pipelines: &Arc<Pipelines>,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let width = FeatureSpec::check_width(width)?;
        let device = pipelines.device();
        let limits = device.limits();
        check_options(&options)?;
        if let Some(Regime::Split { parts }) = options.regime {
            return Err(Error::Option {
                option: "parts",
                given: parts,
                least: 1,
                most: 1,
            });
        }
        check_limits(&limits, &options)?;
        Ok(Self {
            spec: *spec,
            shape: Shape {
                width,
                options,
                memory: limits.max_compute_workgroup_storage_size,
                subgroup: subgroup(device, &options),
            },
            limits,
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
        self.shape.options
    }

    /// Checks a batch's buffers and binds them to one dispatch, which writes the gradient
    /// `∂total/∂x` and each row's distance, and to one more for
    /// `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, each where `buffers` has room for it; one
    /// before them counts weights that the host does not ([`FeatureBuffers::counted`]). Kernels are
    /// compiled when a batch first needs them; nothing runs.
    ///
    /// A row in which x or y holds NaN or ±∞, or whose weight is out of range, has the distance NaN
    /// and, unless its weight is 0, the gradient NaN, and makes the total NaN.
    ///
    /// # Errors
    /// [`Error`] names the argument. Buffers of another device, and destroyed ones, are wgpu's to
    /// find.
    pub fn bind(&self, buffers: &FeatureBuffers) -> Result<Call, Error> {
        call::bind(self, buffers)
    }
}

impl Gpu {
    /// A plan for features on this device; all of them share what is compiled.
    ///
    /// # Errors
    /// As [`FeaturePlan::new`].
    pub fn feature_plan(
        &self,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<FeaturePlan, Error> {
        FeaturePlan::sharing(&self.pipelines, spec, width, options)
    }
}
