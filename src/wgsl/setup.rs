//! Options, held against a device.

use super::error::{Error, Unavailable};
use super::layout::SLOTS;
use super::options::{Options, Regime, Subgroups};
use super::pipelines::Pipelines;
use super::regime::MOST_PARTS;
use super::source::{REDUCE_BYTES, Reduce};

/// What the kernels of a plan are made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) options: Options,
    /// Bytes of workgroup memory.
    pub(super) memory: u32,
    /// The least size of a subgroup, where subgroup operations may be used.
    pub(super) subgroup: Option<u32>,
    /// Whether the device has the bindings for split rows.
    pub(super) splits: bool,
}

/// Storage buffers that the row program binds; a split row needs one more.
const STORAGE_BUFFERS: u32 = 8;

impl Setup {
    pub(super) fn new(pipelines: &Pipelines, options: Options) -> Result<Self, Error> {
        let (device, limits) = (pipelines.device(), pipelines.limits());
        check_options(&options)?;
        check_limits(limits, &options)?;
        let subgroups = options.subgroups == Subgroups::Auto
            && device.features().contains(wgpu::Features::SUBGROUP);
        Ok(Self {
            options,
            memory: limits.max_compute_workgroup_storage_size,
            subgroup: subgroups.then(|| device.adapter_info().subgroup_min_size),
            splits: limits.max_storage_buffers_per_shader_stage > STORAGE_BUFFERS,
        })
    }

    /// How rows by so many lanes are reduced.
    pub(super) fn reduce(&self, lanes: u32) -> Reduce {
        Reduce::of(self.subgroup, lanes, self.options.workgroup)
    }
}

fn check_options(options: &Options) -> Result<(), Error> {
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

fn check_limits(limits: &wgpu::Limits, options: &Options) -> Result<(), Unavailable> {
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
            SLOTS,
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
