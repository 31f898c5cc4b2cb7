//! The kernels: the module, the bindings and the pipeline constants of each.

use super::layout::slot::{
    GRADIENT, KD_WEIGHT, LABELS, PARAMS, SCALE, SCALE_OUT, STATS, STUDENT, TAU, TAU_OUT, TEACHER,
    TOTAL, UPSTREAM, WEIGHT, WORKSPACE,
};
use super::options::Regime;
use super::pipelines::Program;
use super::regime;
use super::setup::Setup;
use super::source::{Module, Span, Store};
use crate::spec::{Divergence, LossSpec, Reduction, RowParams, StatsLevel, Temperature};

/// One dispatch's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kernel {
    /// Whether the teacher is right, per row.
    Groups,
    /// ω of dynamic temperature distillation, per row.
    Omegas,
    /// 1/N, counted on the device, and upstream from there.
    Scale {
        /// Whether rows are counted; else the host knows how many there are.
        counts: bool,
    },
    /// τ of dynamic temperature distillation from all ω.
    Temperatures,
    /// The row program.
    Row {
        /// The student's logits are read from where the gradient goes.
        in_place: bool,
        level: StatsLevel,
        part: Part,
    },
    /// Σ_b loss_b · inv_n.
    Total,
}

/// How much of the row program a dispatch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Whole,
    Phase { parts: u32, phase: u32 },
}

impl Kernel {
    pub(super) fn entry_point(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Omegas => "omegas",
            Self::Scale { .. } => "scale",
            Self::Temperatures => "temperatures",
            Self::Row { .. } => "row",
            Self::Total => "total",
        }
    }

    /// What it binds.
    pub(super) fn slots(self) -> &'static [u32] {
        const SPLIT: [u32; 11] = [
            PARAMS, SCALE, STUDENT, TEACHER, LABELS, WEIGHT, KD_WEIGHT, TAU, GRADIENT, STATS,
            WORKSPACE,
        ];
        const WHOLE: &[u32] = SPLIT.split_at(10).0;
        match self {
            Self::Groups => &[PARAMS, TEACHER, LABELS, WEIGHT, WORKSPACE],
            Self::Omegas => &[PARAMS, STUDENT, TEACHER, LABELS, WEIGHT, WORKSPACE],
            Self::Scale { .. } => &[PARAMS, WEIGHT, WORKSPACE, SCALE_OUT, UPSTREAM],
            Self::Temperatures => &[PARAMS, WORKSPACE, TAU_OUT],
            Self::Row { part, .. } => match part {
                Part::Whole => WHOLE,
                Part::Phase { .. } => &SPLIT,
            },
            Self::Total => &[PARAMS, SCALE, STATS, TOTAL],
        }
    }
}

/// What a plan's kernels are made of, whatever the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) spec: LossSpec,
    pub(super) classes: u32,
    pub(super) setup: Setup,
}

impl Shape {
    pub(super) fn regime(&self, rows: u32) -> Regime {
        let chosen = || {
            regime::choose(
                rows,
                self.classes,
                self.setup.options.workgroup,
                self.setup.splits,
            )
        };
        self.setup.options.regime.unwrap_or_else(chosen)
    }

    /// Lanes per row; a split row's parts and a batch have whole workgroups.
    pub(super) fn lanes(&self, kernel: Kernel) -> u32 {
        let workgroup = self.setup.options.workgroup;
        match (kernel, self.setup.options.regime) {
            (Kernel::Scale { .. } | Kernel::Temperatures | Kernel::Total, _) => workgroup,
            (Kernel::Row { part, .. }, _) if part != Part::Whole => workgroup,
            (_, Some(Regime::Whole { lanes })) => lanes,
            _ => regime::lanes(self.classes, workgroup),
        }
    }

    /// Rows per workgroup of a kernel that works on whole rows.
    pub(super) fn rows_per_workgroup(&self, kernel: Kernel) -> u32 {
        self.setup.options.workgroup / self.lanes(kernel)
    }

    pub(super) fn program(&self, kernel: Kernel) -> Program {
        Program {
            module: self.module(kernel),
            checks: self.setup.options.checks,
            entry_point: kernel.entry_point(),
            constants: self.constants(kernel),
            slots: kernel.slots(),
        }
    }

    pub(super) fn module(&self, kernel: Kernel) -> Module {
        let reduce = self.setup.reduce(self.lanes(kernel));
        let store = Store::of(self.setup.options.student);
        match kernel {
            Kernel::Groups | Kernel::Omegas => Module::Prologue(reduce),
            Kernel::Scale { .. } | Kernel::Temperatures | Kernel::Total => Module::Batch(reduce),
            Kernel::Row { part, .. } => match part {
                Part::Whole => Module::Row(store, reduce, Span::Whole),
                Part::Phase { .. } => Module::Row(store, reduce, Span::Split),
            },
        }
    }

    /// The constants of a kernel's pipeline: those that its module declares.
    pub(super) fn constants(&self, kernel: Kernel) -> Vec<(&'static str, u32)> {
        let (lanes, workgroup) = (self.lanes(kernel), self.setup.options.workgroup);
        let mut constants = vec![("WORKGROUP", workgroup), ("LANES", lanes)];
        let formats = [
            ("STUDENT_FORMAT", self.setup.options.student as u32),
            ("TEACHER_FORMAT", self.setup.options.teacher as u32),
        ];
        match kernel {
            Kernel::Groups | Kernel::Omegas => constants.extend(formats),
            Kernel::Scale { .. } | Kernel::Temperatures | Kernel::Total => {
                let counts = kernel == Kernel::Scale { counts: true };
                // With nothing to count, the host's numbers stay.
                let reduction = match self.spec.reduction() {
                    Reduction::Mean if counts => 1,
                    Reduction::MeanPerGroup if counts => 2,
                    _ => 0,
                };
                constants.push(("REDUCTION", reduction));
            }
            Kernel::Row {
                in_place,
                level,
                part,
            } => {
                let params = RowParams::new(&self.spec, self.classes, level);
                let cache = match part {
                    Part::Whole => regime::cache(self.classes, workgroup, lanes, self.setup.memory),
                    // Each phase reads its part once.
                    Part::Phase { .. } => 1,
                };
                constants.extend(formats);
                constants.extend([
                    ("IN_PLACE", u32::from(in_place)),
                    ("CACHE", cache),
                    ("RIGHT_DIVERGENCE", params.right_divergence),
                    ("WRONG_DIVERGENCE", params.wrong_divergence),
                    ("REVISION", params.revision),
                    ("TEMPERATURE", params.temperature),
                    ("STATS_LEVEL", params.stats_level),
                ]);
                if let Part::Phase { parts, phase } = part {
                    constants.extend([("PARTS", parts), ("PHASE", phase)]);
                }
            }
        }
        constants
    }

    /// The phases of a split row, in order: those that this specification has.
    pub(super) fn phases(&self) -> Vec<u32> {
        let centred = |divergence| {
            matches!(
                divergence,
                Divergence::ReverseKl
                    | Divergence::JensenShannon { .. }
                    | Divergence::TotalVariation
                    | Divergence::MseProbs
            )
        };
        let [right, wrong] = [self.spec.right(), self.spec.wrong()];
        let mean = centred(right.divergence) || centred(wrong.divergence);
        let standardised = matches!(self.spec.temperature(), Temperature::Standardised { .. });
        let phases = [
            (1, true),
            (2, standardised),
            (3, standardised),
            (4, true),
            (5, mean),
            (6, standardised),
            (7, true),
            (8, true),
        ];
        let runs = phases.into_iter().filter(|&(_, runs)| runs);
        runs.map(|(phase, _)| phase).collect()
    }
}
