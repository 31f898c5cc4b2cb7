//! A plan: one loss over rows of V classes on one device.

use super::buffers::{Buffers, Slice};
use super::call::Call;
use super::error::{Error, Unavailable};
use super::kernel::Shape;
use super::limits::{alignment, binding_bytes};
use super::options::{Options, Regime, Subgroups};
use super::pipelines::Pipelines;
use super::regime::MOST_PARTS;
use super::source::REDUCE_BYTES;
use super::workspace::Workspace;
use crate::spec::LossSpec;
use std::sync::Arc;

/// One loss over rows of `V` classes on one device: checked once, bound to buffers as often as they
/// change, recorded as often as it runs.
#[derive(Debug)]
pub struct Plan {
    pub(super) limits: wgpu::Limits,
    pub(super) shape: Shape,
    pub(super) pipelines: Arc<Pipelines>,
}

/// Storage buffers that the row program binds; a split row needs one more.
const STORAGE_BUFFERS: u32 = 8;

impl Plan {
    /// A plan for rows of `classes` classes. It compiles nothing yet: the first
    /// [`bind`](Self::bind) of each kind of batch does.
    ///
    /// # Errors
    /// [`SpecError::Classes`](crate::spec::SpecError::Classes) for 0 classes and for 2³¹ and more;
    /// [`Error::Option`] for an option outside its range; [`Unavailable::Limit`] for a device that
    /// was requested with too small a limit.
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
        let device = pipelines.device();
        let classes = LossSpec::check_classes(classes)?;
        let limits = device.limits();
        check_options(&options)?;
        check_limits(&limits, &options)?;
        let shape = Shape {
            spec: *spec,
            classes,
            options,
            memory: limits.max_compute_workgroup_storage_size,
            subgroup: subgroup(device, &options),
            splits: limits.max_storage_buffers_per_shader_stage > STORAGE_BUFFERS,
        };
        Ok(Self {
            limits,
            shape,
            pipelines: Arc::clone(pipelines),
        })
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
        self.shape.options
    }

    /// The regime of a batch of so many rows.
    #[must_use]
    pub fn regime(&self, rows: usize) -> Regime {
        self.shape.regime(u32::try_from(rows).unwrap_or(u32::MAX))
    }

    /// Bytes of workspace that a call with so many rows needs.
    #[must_use]
    pub fn workspace_bytes(&self, rows: usize) -> u64 {
        Workspace::new(self, u32::try_from(rows).unwrap_or(u32::MAX)).bytes
    }

    /// Checks a batch's buffers and binds them to the row program, which writes the gradient
    /// `∂total/∂s`, one record per row and `total = upstream · Σ_b loss_b · inv_n`, each where
    /// `buffers` has room for it. Kernels are compiled when a batch first needs them; nothing runs.
    ///
    /// A row whose label is no class, or whose weight or temperature is out of range, is marked in
    /// its record ([`RowFlags`](crate::spec::RowFlags)), with loss and gradient 0.
    ///
    /// # Errors
    /// [`Error`] names the argument. Buffers of another device, and destroyed ones, are wgpu's to
    /// find.
    pub fn bind(&self, buffers: &Buffers) -> Result<Call, Error> {
        Call::row_program(self, buffers)
    }

    /// Binds the launch that computes the temperatures of dynamic temperature distillation,
    /// `tau[B]` (f32), detached from the gradient:
    /// `τ_b = max(τ_min, τ0 + bias · (mean_j ω_j − ω_b))`. Rows with weight 0, with NaN, +∞ or
    /// nothing but masks, and rows that are refused do not enter the mean and get τ0, as all rows
    /// do where `Σ ω = 0`. It reads logits, labels and weights; record it before the call that
    /// takes its [`Buffers::tau`].
    ///
    /// # Errors
    /// As [`bind`](Self::bind); [`ArgumentError::Unused`](crate::spec::ArgumentError::Unused) where
    /// the specification's temperature is not [`Temperature::Dtd`](crate::spec::Temperature::Dtd).
    pub fn bind_temperatures<'a>(
        &self,
        buffers: &Buffers<'a>,
        tau: impl Into<Slice<'a>>,
    ) -> Result<Call, Error> {
        Call::temperatures(self, buffers, tau.into())
    }

    pub(super) fn device(&self) -> &wgpu::Device {
        self.pipelines.device()
    }

    pub(super) fn alignment(&self) -> u64 {
        alignment(&self.limits)
    }

    pub(super) fn binding_bytes(&self) -> u64 {
        binding_bytes(&self.limits)
    }
}

/// The least size of a subgroup, where subgroup operations may be used.
pub(super) fn subgroup(device: &wgpu::Device, options: &Options) -> Option<u32> {
    let allowed = options.subgroups == Subgroups::Auto
        && device.features().contains(wgpu::Features::SUBGROUP);
    allowed.then(|| device.adapter_info().subgroup_min_size)
}

pub(super) fn check_options(options: &Options) -> Result<(), Error> {
    let power_of_two = |option, given: u32, least, most| {
        if given.is_power_of_two() && (least..=most).contains(&given) {
            Ok(())
        } else {
            Err(Error::Option {
                option,
                given,
                least,
                most,
            })
        }
    };
    power_of_two("workgroup", options.workgroup, 32, 256)?;
    match options.regime {
        Some(Regime::Whole { lanes }) => power_of_two("lanes", lanes, 1, options.workgroup),
        Some(Regime::Split { parts }) => {
            power_of_two("parts", parts, 2, MOST_PARTS.min(options.workgroup))
        }
        None => Ok(()),
    }
}

pub(super) fn check_limits(limits: &wgpu::Limits, options: &Options) -> Result<(), Unavailable> {
    let split = u32::from(matches!(options.regime, Some(Regime::Split { .. })));
    let workgroup = options.workgroup;
    for (limit, given, needed) in [
        (
            "max_storage_buffers_per_shader_stage",
            limits.max_storage_buffers_per_shader_stage,
            STORAGE_BUFFERS + split,
        ),
        (
            "max_bindings_per_bind_group",
            limits.max_bindings_per_bind_group,
            super::layout::SLOTS,
        ),
        (
            "max_compute_invocations_per_workgroup",
            limits.max_compute_invocations_per_workgroup,
            workgroup,
        ),
        (
            "max_compute_workgroup_size_x",
            limits.max_compute_workgroup_size_x,
            workgroup,
        ),
        (
            "max_compute_workgroup_storage_size",
            limits.max_compute_workgroup_storage_size,
            // One more word where no logits are cached.
            workgroup * REDUCE_BYTES + 16,
        ),
    ] {
        if given < needed {
            return Err(Unavailable::Limit {
                limit,
                given: given.into(),
                needed: needed.into(),
            });
        }
    }
    Ok(())
}
