//! How a plan is carried out.

use crate::spec::{Format, StatsLevel};

/// How a plan is carried out: the types of its logits, its records, and which kernel.
///
/// The default is f32 logits, full records, and the regime that the table suggests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Options {
    pub(super) student: Format,
    pub(super) teacher: Format,
    pub(super) level: StatsLevel,
    pub(super) regime: Option<Regime>,
}

/// Who shares a row, and how they hold it. All but [`Any`](Regime::Any) are for forward KL on right
/// and on wrong rows, without standardised logits and without label smoothing, and for a student and
/// a teacher of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Regime {
    /// 8 lanes of a warp, in registers: 8 vectors of 16 bytes.
    Group8,
    /// 16 lanes of a warp, in registers: 32 vectors.
    Group16,
    /// A warp, in registers: 128 vectors.
    Warp,
    /// A block, in registers: 2048 vectors.
    Block,
    /// A block that takes one row after the other, in shared memory, where the next row arrives while
    /// the last one leaves: as many vectors as there is room for, 6720 in 227 KiB. Not for
    /// features.
    Ring,
    /// A ring over 2, 4 or 8 blocks, the fewest that hold the row together: a cluster, whose blocks run
    /// at the same time and exchange a few numbers per row, 53,760 vectors in 227 KiB each. From compute
    /// capability 9.0 (Hopper) on. Not for features.
    Cluster,
    /// A block that reads the row anew for every sweep, in vectors: rows of any size.
    Stream,
    /// Several blocks that share a row, for fewer rows than a GPU has multiprocessors: a launch for
    /// each of its phases, and parts of the row in the workspace between them. Rows of any size, but
    /// no probability shift; not for features.
    Split,
    /// A block that reads the row anew for every sweep, element by element: every specification,
    /// any two types, rows of any size.
    Any,
}

impl Regime {
    /// All of them, from the narrowest rows to any.
    pub const ALL: [Self; 9] = [
        Self::Group8,
        Self::Group16,
        Self::Warp,
        Self::Block,
        Self::Ring,
        Self::Cluster,
        Self::Stream,
        Self::Split,
        Self::Any,
    ];

    /// Its name, which its kernels have too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group8 => "group8",
            Self::Group16 => "group16",
            Self::Warp => "warp",
            Self::Block => "block",
            Self::Ring => "ring",
            Self::Cluster => "cluster",
            Self::Stream => "stream",
            Self::Split => "split",
            Self::Any => "any",
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

    /// For tests and measurements: this regime, instead of the one that the table suggests.
    pub fn regime(mut self, regime: Regime) -> Self {
        self.regime = Some(regime);
        self
    }
}
