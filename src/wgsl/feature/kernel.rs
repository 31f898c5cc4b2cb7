//! The kernels: the module, the bindings and the pipeline constants of each.

use super::super::layout::slot::{
    GRADIENT, PARAMS, SCALE, SCALE_OUT, STATS, STUDENT, TEACHER, TOTAL, UPSTREAM, WEIGHT, WORKSPACE,
};
use super::super::options::Regime;
use super::super::pipelines::Program;
use super::super::regime;
use super::super::setup::Setup;
use super::super::source::{Module, Store};

/// One dispatch's program. Distance and sign are in the parameter block, so that inheritance and
/// exploration share what is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wgsl) enum Kernel {
    /// 1/N, counted on the device, and upstream from there.
    Scale {
        /// Whether rows are counted; else the host knows how many there are.
        counts: bool,
    },
    /// Distances and gradients.
    Features {
        /// The student's features are read from where the gradient goes.
        in_place: bool,
    },
    /// Σ_b w_b dist_b.
    Total,
}

/// What a plan's kernels are made of, whatever the batch.
#[derive(Clone, Copy, Debug)]
pub(in crate::wgsl) struct Shape {
    pub(in crate::wgsl) width: u32,
    pub(in crate::wgsl) setup: Setup,
}

impl Shape {
    /// Lanes per row: the row program's table, up to a workgroup. Rows are never split.
    pub(super) fn lanes(&self) -> u32 {
        match self.setup.options.regime {
            Some(Regime::Whole { lanes }) => lanes,
            _ => regime::lanes(self.width, self.setup.options.workgroup),
        }
    }

    pub(in crate::wgsl) fn program(&self, kernel: Kernel) -> Program {
        let options = self.setup.options;
        let workgroup = options.workgroup;
        let lanes = match kernel {
            Kernel::Features { .. } => self.lanes(),
            Kernel::Scale { .. } | Kernel::Total => workgroup,
        };
        let reduce = self.setup.reduce(lanes);
        let mut constants = vec![("WORKGROUP", workgroup), ("LANES", lanes)];
        let (module, entry_point, slots): (_, _, &'static [u32]) = match kernel {
            Kernel::Scale { counts } => {
                constants.push(("REDUCTION", u32::from(counts)));
                let slots = &[PARAMS, WEIGHT, WORKSPACE, SCALE_OUT, UPSTREAM];
                (Module::Batch(reduce), "scale", slots)
            }
            Kernel::Features { in_place } => {
                let cache = regime::cache(self.width, workgroup, lanes, self.setup.memory);
                constants.extend([
                    ("STUDENT_FORMAT", options.student as u32),
                    ("TEACHER_FORMAT", options.teacher as u32),
                    ("IN_PLACE", u32::from(in_place)),
                    ("CACHE", cache),
                ]);
                let store = Store::of(options.student);
                let slots = &[PARAMS, SCALE, STUDENT, TEACHER, WEIGHT, GRADIENT, STATS];
                (Module::Feature(store, reduce), "features", slots)
            }
            Kernel::Total => {
                constants.push(("REDUCTION", 0));
                let slots = &[PARAMS, SCALE, WEIGHT, STATS, TOTAL];
                (Module::Batch(reduce), "total_distance", slots)
            }
        };
        Program {
            module,
            checks: options.checks,
            entry_point,
            constants,
            slots,
        }
    }
}
