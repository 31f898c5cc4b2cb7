//! How a plan is carried out.

use super::Isa;
use crate::spec::StatsLevel;

/// How a plan is carried out: its records, and with which instructions.
///
/// The default is full records, and the best instructions that the processor has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Options {
    pub(super) level: StatsLevel,
    pub(super) isa: Option<Isa>,
}

impl Options {
    /// How much of each record is written.
    pub fn level(mut self, level: StatsLevel) -> Self {
        self.level = level;
        self
    }

    /// For tests and measurements: these instructions, instead of the best that the processor has.
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }
}
