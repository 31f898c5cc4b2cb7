//! A plan: one loss over rows of V classes on one device.

use super::arguments::{Arguments, Scale};
use super::current::Current;
use super::driver;
use super::error::Error;
use super::kernels::{Function, Kernels, Limits};
use super::launch::{clusters_at_once, start};
use super::options::{Options, Regime};
use super::pointers::{Gradient, Pointers, Upstream, address, optional};
use super::regime::{self, Geometry};
use super::rescale::Rescale;
use crate::batch::check;
use crate::spec::{ArgumentError, LossSpec, Reduction, RowParams, StatsLevel};
use bytemuck::Zeroable;
use cudarc::driver::CudaContext;
use cudarc::driver::sys::{CUdeviceptr, CUstream};
use std::slice;
use std::sync::Arc;

/// One loss over rows of `V` classes on one device: checked and loaded once, launched as often as it
/// runs.
#[derive(Debug)]
pub struct Plan {
    pub(super) kernels: Arc<Kernels>,
    spec: LossSpec,
    classes: u32,
    options: Options,
    regime: Regime,
    row: Function,
    /// How many clusters run at the same time, where rows have clusters.
    clusters: Option<u32>,
    split: Option<Split>,
    groups: Function,
    scale: Function,
    total: Function,
    omegas: Function,
    temperatures: Function,
    pub(super) rescale: Rescale,
}

/// What runs instead where there are few rows.
#[derive(Debug)]
struct Split {
    most_rows: u32,
    phases: [Function; 4],
}

/// Bytes of the workspace that hold a [`Scale`].
pub(super) const SCALE_BYTES: usize = 16;

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
        Self::sharing(&self.kernels, spec, classes, options)
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
            groups: kernels.batch("groups")?,
            scale: kernels.batch("scale")?,
            total: kernels.batch("total")?,
            omegas: kernels.batch("omegas")?,
            temperatures: kernels.batch("temperatures")?,
            rescale: Rescale::new(kernels, options.student, classes)?,
            kernels: Arc::clone(kernels),
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
        words_end(rows).saturating_add(parts)
    }

    fn split_for(&self, rows: usize) -> Option<&Split> {
        let split = self.split.as_ref();
        split.filter(|split| rows <= split.most_rows as usize)
    }

    /// The launch of the row program.
    fn geometry(&self, rows: u32) -> Geometry {
        let vectors = regime::vectors(self.options.student, self.classes);
        let regime = self.regime(rows as usize);
        let geometry = regime.geometry(rows, self.classes, vectors, self.kernels.limits);
        match (regime, self.clusters) {
            (Regime::Cluster, Some(at_once)) => geometry.with_clusters(at_once),
            _ => geometry,
        }
    }

    /// Launches the row program: it writes the gradient `∂total/∂s`, one record per row and
    /// `total = upstream · Σ_b loss_b · inv_n`, each where there is room for it. One launch, four where
    /// rows are [split](Regime::Split), which needs a workspace, and one more for the total; before them one or two where a mean has rows to count (a mean per group
    /// without [`Pointers::counts`], or a mean with weights). Nothing is allocated, nothing waits:
    /// the call can be captured in a graph.
    ///
    /// A row whose label is no class, or whose weight or temperature is out of range, is marked in
    /// its record ([`RowFlags`](crate::spec::RowFlags)), with loss and gradient 0.
    ///
    /// # Errors
    /// [`Error`] names the argument; nothing has been launched then.
    ///
    /// # Safety
    /// `stream` is a stream of the plan's context, or null for the default stream. Each address is
    /// that of memory which kernels on that stream may access: of `rows` elements, or of `rows` rows
    /// with their stride, of the types that the plan was made for, and of
    /// [`workspace_bytes`](Self::workspace_bytes). What is written overlaps nothing else, except for
    /// a gradient that is exactly [in place](Pointers::in_place).
    pub unsafe fn launch(&self, stream: CUstream, pointers: &Pointers) -> Result<(), Error> {
        let (params, mut arguments) = self.arguments(pointers)?;
        arguments.tau = optional("tau", pointers.tau)?;
        check::tau_is_expected(&self.spec, pointers.tau.is_some())?;
        let split = self.split_for(pointers.rows).filter(|_| params.rows > 0);
        let workspace = self.workspace(pointers, arguments.total != 0 || split.is_some())?;
        let after_scale = workspace.map_or(0, |at| at + SCALE_BYTES as u64);
        let _current = Current::of(&self.kernels.context)?;
        if params.rows > 0 && self.counts_on_device(pointers) {
            let marks = after_scale;
            let counting = Arguments {
                marks,
                scale_out: workspace.unwrap_or_default(),
                ..arguments
            };
            if self.spec.reduction() == Reduction::MeanPerGroup {
                let geometry = self.blocks_per_row(params.rows);
                // SAFETY: the caller's; the marks lie in the workspace.
                unsafe { start(stream, &self.groups, geometry, &params, &counting)? };
            }
            // SAFETY: as before.
            unsafe { start(stream, &self.scale, Geometry::BATCH, &params, &counting)? };
            arguments.scale = counting.scale_out;
        }
        if arguments.total != 0 {
            // Where the marks were, which nobody needs any more.
            arguments.losses = after_scale;
        }
        if params.rows > 0 {
            if split.is_some() {
                arguments.parts = workspace.unwrap_or_default() + words_end(pointers.rows) as u64;
            }
            let launches = split.map_or(slice::from_ref(&self.row), |split| &split.phases);
            let geometry = self.geometry(params.rows);
            for kernel in launches {
                // SAFETY: the caller's; the parts lie in the workspace.
                unsafe { start(stream, kernel, geometry, &params, &arguments)? };
            }
        }
        if arguments.total != 0 {
            // SAFETY: the caller's; the losses lie in the workspace.
            unsafe { start(stream, &self.total, Geometry::BATCH, &params, &arguments)? };
        }
        Ok(())
    }

    /// Launches what computes the temperatures of dynamic temperature distillation, `tau[B]` (f32),
    /// detached from the gradient: `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`. Rows with
    /// weight 0, with NaN, +∞ or nothing but masks, and rows that are refused do not enter the mean
    /// and get τ0, as all rows do where `Σ ω = 0`. It reads logits, labels and weights, and needs a
    /// workspace.
    ///
    /// # Errors
    /// As [`launch`](Self::launch); [`ArgumentError::Unused`] where the specification's temperature
    /// is not [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    ///
    /// # Safety
    /// As [`launch`](Self::launch); `tau` is the address of `rows` elements.
    pub unsafe fn launch_temperatures(
        &self,
        stream: CUstream,
        pointers: &Pointers,
        tau: CUdeviceptr,
    ) -> Result<(), Error> {
        check::dtd(&self.spec)?;
        let (params, mut arguments) = self.arguments(pointers)?;
        if params.rows == 0 {
            return Ok(());
        }
        let workspace = self.workspace(pointers, true)?.unwrap_or_default();
        arguments.omegas = workspace + SCALE_BYTES as u64;
        arguments.temperatures = address("tau", tau, 4)?;
        let _current = Current::of(&self.kernels.context)?;
        let geometry = self.blocks_per_row(params.rows);
        // SAFETY: the caller's; ω lies in the workspace.
        unsafe {
            start(stream, &self.omegas, geometry, &params, &arguments)?;
            start(
                stream,
                &self.temperatures,
                Geometry::BATCH,
                &params,
                &arguments,
            )
        }
    }

    /// Whether a mean has to count this call's rows before they run.
    fn counts_on_device(&self, pointers: &Pointers) -> bool {
        pointers.counts.is_none()
            && match self.spec.reduction() {
                Reduction::Sum => false,
                Reduction::Mean => pointers.weight.is_some(),
                Reduction::MeanPerGroup => true,
            }
    }

    /// A block for each row, as far as there is room for blocks.
    fn blocks_per_row(&self, rows: u32) -> Geometry {
        Regime::Any.geometry(rows, self.classes, 1, self.kernels.limits)
    }

    /// The workspace, where the call needs one.
    fn workspace(&self, pointers: &Pointers, needed: bool) -> Result<Option<u64>, Error> {
        match pointers.workspace {
            Some(given) => address("workspace", given, 16).map(Some),
            None if needed || self.counts_on_device(pointers) => Err(ArgumentError::Missing {
                argument: "workspace",
                why: "one launch leaves something to the next; give as many bytes as workspace_bytes says",
            }
            .into()),
            None => Ok(None),
        }
    }

    /// Both blocks of parameters, checked, without what belongs to one kind of launch alone.
    fn arguments(&self, pointers: &Pointers) -> Result<(RowParams, Arguments), Error> {
        let rows = row_count(pointers.rows)?;
        let stride = |argument, given| stride(argument, given, self.classes());
        let mut params = RowParams {
            rows,
            student_stride: stride("student stride", pointers.student_stride)?,
            teacher_stride: stride("teacher stride", pointers.teacher_stride)?,
            ..RowParams::new(&self.spec, self.classes, self.options.level)
        };
        params.gradient_stride = match pointers.gradient {
            Gradient::Apart(_) => stride("gradient stride", pointers.gradient_stride)?,
            _ => params.student_stride,
        };
        let mut arguments = Arguments {
            known: self.known(pointers),
            reduction: self.spec.reduction() as u32,
            student_format: self.options.student as u32,
            teacher_format: self.options.teacher as u32,
            total: optional("total", pointers.total)?,
            ..Arguments::zeroed()
        };
        if let Upstream::Host(upstream) = pointers.upstream {
            check::upstream(upstream)?;
        }
        let level = self.options.level;
        match (level, pointers.stats) {
            (StatsLevel::None, Some(_)) => {
                return Err(ArgumentError::Unused {
                    argument: "stats",
                    why: "the plan was made with StatsLevel::None",
                }
                .into());
            }
            (StatsLevel::None, None) => {}
            // Without room for them there are no records.
            (_, None) => params.stats_level = StatsLevel::None as u32,
            (_, Some(stats)) => arguments.stats = address("stats", stats, 4)?,
        }
        if rows == 0 {
            return Ok((params, arguments));
        }
        let (student, teacher) = (self.options.student.bytes(), self.options.teacher.bytes());
        arguments.student = address("student", pointers.student, student)?;
        arguments.teacher = address("teacher", pointers.teacher, teacher)?;
        arguments.labels = address("labels", pointers.labels, 4)?;
        arguments.weight = optional("weight", pointers.weight)?;
        arguments.kd_weight = optional("kd_weight", pointers.kd_weight)?;
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

    /// What the host knows of a mean and of what arrives from above.
    fn known(&self, pointers: &Pointers) -> Scale {
        let inverse = |n: u64| if n == 0 { 0.0 } else { 1.0 / n as f32 };
        let counts = pointers.counts;
        let [inverse_right, inverse_wrong] = match self.spec.reduction() {
            Reduction::Sum => [1.0; 2],
            Reduction::Mean => {
                [inverse(counts.map_or(pointers.rows as u64, |n| n.right + n.wrong)); 2]
            }
            Reduction::MeanPerGroup => {
                counts.map_or([0.0; 2], |n| [inverse(n.right), inverse(n.wrong)])
            }
        };
        let upstream = match pointers.upstream {
            Upstream::Host(upstream) => upstream,
            Upstream::Device(_) => 0.0,
        };
        Scale {
            inverse_right,
            inverse_wrong,
            upstream,
        }
    }
}

/// Bytes of the workspace up to the end of what has one word per row.
const fn words_end(rows: usize) -> usize {
    SCALE_BYTES.saturating_add(rows.saturating_mul(4))
}

/// As many rows as kernels count.
pub(super) fn row_count(given: usize) -> Result<u32, Error> {
    let rows = u32::try_from(given).ok().filter(|&rows| rows < 1 << 31);
    rows.ok_or(Error::Rows { given })
}

/// Elements from row to row, as many as a row has unless given.
pub(super) fn stride(
    argument: &'static str,
    given: Option<usize>,
    classes: usize,
) -> Result<u32, Error> {
    let given = given.unwrap_or(classes);
    if given < classes {
        return Err(Error::from(ArgumentError::Stride {
            argument,
            given,
            classes,
        }));
    }
    u32::try_from(given).map_err(|_| Error::Stride { argument, given })
}
