//! How a plan is carried out.

use crate::spec::{Format, StatsLevel};

/// How a plan is carried out: the types of its logits, its records, and the shape of its kernels.
///
/// The default is f32 logits, full records, workgroups of 256, subgroup operations where the device
/// has them, and checked memory accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Options {
    pub(super) student: Format,
    pub(super) teacher: Format,
    pub(super) level: StatsLevel,
    pub(super) workgroup: u32,
    pub(super) subgroups: Subgroups,
    pub(super) checks: Checks,
    pub(super) regime: Option<Regime>,
}

/// Whether reductions may use subgroup operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subgroups {
    /// Where the device was requested with `wgpu::Features::SUBGROUP`.
    #[default]
    Auto,
    /// Never: through workgroup memory, in the same order on every device.
    Never,
}

/// What stands around the kernels' memory accesses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checks {
    /// Bounds and loops are checked, as in every other WGSL.
    #[default]
    Checked,
    /// Nothing: sizes are validated when buffers are bound, and no data is used as an index before
    /// it is compared with them.
    Unchecked,
}

/// How rows are spread over a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Regime {
    /// A row by this many invocations of one workgroup.
    Whole {
        /// A power of two, at most the workgroup size.
        lanes: u32,
    },
    /// A row by this many workgroups, one dispatch per phase.
    Split {
        /// A power of two of at least 2, at most 64 and the workgroup size.
        parts: u32,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            student: Format::F32,
            teacher: Format::F32,
            level: StatsLevel::Full,
            workgroup: 256,
            subgroups: Subgroups::Auto,
            checks: Checks::Checked,
            regime: None,
        }
    }
}

impl Options {
    /// The student's type, which is the gradient's too, and the teacher's.
    pub fn formats(mut self, student: Format, teacher: Format) -> Self {
        self.student = student;
        self.teacher = teacher;
        self
    }

    /// How much of each record is written.
    pub fn level(mut self, level: StatsLevel) -> Self {
        self.level = level;
        self
    }

    /// Invocations per workgroup: a power of two from 32 to 256 that the device allows.
    pub fn workgroup(mut self, invocations: u32) -> Self {
        self.workgroup = invocations;
        self
    }

    /// Whether reductions may use subgroup operations.
    pub fn subgroups(mut self, subgroups: Subgroups) -> Self {
        self.subgroups = subgroups;
        self
    }

    /// What stands around memory accesses.
    pub fn checks(mut self, checks: Checks) -> Self {
        self.checks = checks;
        self
    }

    /// For tests and measurements: this regime for every batch, instead of the one that its shape
    /// suggests.
    pub fn regime(mut self, regime: Regime) -> Self {
        self.regime = Some(regime);
        self
    }
}
