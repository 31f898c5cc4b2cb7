//! A plan: one feature loss over rows of D features on one device.

use super::super::arguments::{Arguments, Scale};
use super::super::current::Current;
use super::super::driver;
use super::super::error::Error;
use super::super::gpu::Gpu;
use super::super::kernels::{Function, Kernels};
use super::super::launch::start;
use super::super::options::{Options, Regime};
use super::super::plan::{SCALE_BYTES, row_count, stride};
use super::super::pointers::{Gradient, Upstream, address, optional};
use super::super::regime::{self, Geometry};
use super::super::rescale::Rescale;
use super::pointers::FeaturePointers;
use crate::batch::check;
use crate::spec::{ArgumentError, FeatureSpec, Reduction, RowParams};
use bytemuck::Zeroable;
use cudarc::driver::CudaContext;
use cudarc::driver::sys::CUstream;
use std::sync::Arc;

/// A feature loss over rows of `D` features on one device: checked and loaded once, launched as often
/// as it runs.
#[derive(Debug)]
pub struct FeaturePlan {
    pub(in super::super) kernels: Arc<Kernels>,
    spec: FeatureSpec,
    width: u32,
    options: Options,
    regime: Regime,
    feature: Function,
    scale: Function,
    total: Function,
    pub(in super::super) rescale: Rescale,
}

impl FeaturePlan {
    /// A plan for rows of `width` features in this context. It loads the kernels, which the driver
    /// compiles for its GPU and keeps. Of the [`Options`] the level says nothing here, because a row's
    /// record is its distance, and the teacher's format is the target's.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`](crate::spec::SpecError::OutOfRange) for 0 features and for 2³¹ and
    /// more; [`Error::Regime`] for a regime that does not take such rows;
    /// [`Unavailable`](super::super::Unavailable) for a device or a driver that is too old;
    /// [`Error::Capturing`] while a graph is captured.
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
        Self::sharing(&self.kernels, spec, width, options)
    }

    pub(in super::super) fn sharing(
        kernels: &Arc<Kernels>,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<Self, Error> {
        let width = FeatureSpec::check_width(width)?;
        let regime = regime::choose_for_features(width, &options)?;
        Ok(Self {
            spec: *spec,
            width,
            options,
            regime,
            feature: kernels.feature(regime, options.student)?,
            scale: kernels.batch("scale")?,
            total: kernels.batch("total")?,
            rescale: Rescale::new(kernels, options.student, width)?,
            kernels: Arc::clone(kernels),
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

    /// Which kernel it runs.
    #[must_use]
    pub fn regime(&self) -> Regime {
        self.regime
    }

    /// Bytes of workspace that a call with so many rows needs: for the total, and for counts of its
    /// own.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize) -> usize {
        SCALE_BYTES.saturating_add(rows.saturating_mul(4))
    }

    /// Launches the kernel: it writes the gradient `∂total/∂x`, each row's distance and
    /// `total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)`, each where there is room for it. One
    /// launch, one more for the total, and one before them for weights that nobody has
    /// [counted](FeaturePointers::counted). Nothing is allocated, nothing waits: the call can be
    /// captured in a graph.
    ///
    /// A row in which x or y holds NaN or ±∞, or whose weight is out of range, has the distance NaN
    /// and, unless its weight is 0, the gradient NaN, and makes the total NaN.
    ///
    /// # Errors
    /// [`Error`] names the argument; nothing has been launched then.
    ///
    /// # Safety
    /// `stream` is a stream of the plan's context, or null for the default stream. Each address is
    /// that of memory which kernels on that stream may access: of `rows` elements, or of `rows` rows
    /// with their stride, of the types that the plan was made for, and of
    /// [`workspace_bytes`](Self::workspace_bytes). What is written overlaps nothing else, except for
    /// a gradient that is exactly [in place](FeaturePointers::in_place).
    pub unsafe fn launch(&self, stream: CUstream, pointers: &FeaturePointers) -> Result<(), Error> {
        let (params, mut arguments) = self.arguments(pointers)?;
        let counts = pointers.counted.is_none() && pointers.weight.is_some();
        let adds_up = arguments.total != 0;
        let workspace = match pointers.workspace {
            Some(given) => address("workspace", given, 16)?,
            None if counts || adds_up => {
                return Err(Error::Argument(ArgumentError::Missing {
                    argument: "workspace",
                    why: "one launch leaves something to the next; give as many bytes as workspace_bytes says",
                }));
            }
            None => 0,
        };
        let _current = Current::of(&self.kernels.context)?;
        if counts && params.rows > 0 {
            arguments.scale_out = workspace;
            // SAFETY: the caller's; the scale lies in the workspace.
            unsafe { start(stream, &self.scale, Geometry::BATCH, &params, &arguments)? };
            arguments.scale = workspace;
        }
        if adds_up {
            arguments.losses = workspace + SCALE_BYTES as u64;
        }
        if params.rows > 0 {
            let vectors = regime::vectors(self.options.student, self.width);
            let limits = self.kernels.limits;
            let geometry = self
                .regime
                .geometry(params.rows, self.width, vectors, limits);
            // SAFETY: the caller's.
            unsafe { start(stream, &self.feature, geometry, &params, &arguments)? };
        }
        if adds_up {
            // SAFETY: the caller's; the rows' shares lie in the workspace.
            unsafe { start(stream, &self.total, Geometry::BATCH, &params, &arguments)? };
        }
        Ok(())
    }

    /// Both blocks of parameters, checked, without what lies in the workspace.
    fn arguments(&self, pointers: &FeaturePointers) -> Result<(RowParams, Arguments), Error> {
        let rows = row_count(pointers.rows)?;
        let stride = |argument, given| stride(argument, given, self.width());
        let mut params = RowParams {
            rows,
            student_stride: stride("student stride", pointers.student_stride)?,
            teacher_stride: stride("target stride", pointers.target_stride)?,
            ..RowParams::of_features(&self.spec, self.width)
        };
        params.gradient_stride = match pointers.gradient {
            Gradient::Apart(_) => stride("gradient stride", pointers.gradient_stride)?,
            _ => params.student_stride,
        };
        let upstream = match pointers.upstream {
            Upstream::Host(upstream) => upstream,
            Upstream::Device(_) => 0.0,
        };
        check::upstream(upstream)?;
        let n = pointers.counted.unwrap_or(u64::from(rows));
        let inverse = if n == 0 { 0.0 } else { 1.0 / n as f32 };
        let mut arguments = Arguments {
            known: Scale {
                inverse_right: inverse,
                inverse_wrong: inverse,
                upstream,
            },
            reduction: Reduction::Mean as u32,
            student_format: self.options.student as u32,
            teacher_format: self.options.teacher as u32,
            total: optional("total", pointers.total)?,
            ..Arguments::zeroed()
        };
        if rows == 0 {
            return Ok((params, arguments));
        }
        let (student, target) = (self.options.student.bytes(), self.options.teacher.bytes());
        arguments.student = address("student", pointers.student, student)?;
        arguments.teacher = address("target", pointers.target, target)?;
        arguments.weight = optional("weight", pointers.weight)?;
        arguments.stats = optional("distances", pointers.distances)?;
        if let Upstream::Device(upstream) = pointers.upstream {
            arguments.upstream = address("upstream", upstream, 4)?;
        }
        arguments.gradient = match pointers.gradient {
            Gradient::Nowhere => 0,
            Gradient::InPlace => arguments.student,
            Gradient::Apart(gradient) => address("gradient", gradient, student)?,
        };
        Ok((params, arguments))
    }
}

impl Gpu {
    /// A plan for features on this device; all of them share what is loaded.
    ///
    /// # Errors
    /// As [`FeaturePlan::new`].
    pub fn feature_plan(
        &self,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<FeaturePlan, Error> {
        FeaturePlan::sharing(&self.kernels, spec, width, options)
    }
}
