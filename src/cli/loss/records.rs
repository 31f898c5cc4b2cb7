//! The per-row records, as structured arrays.

use crate::data::{Value, npy};
use crate::reference::ReferenceStats;
use crate::spec::{RowFlags, RowStats};
use std::io;
use std::path::Path;

/// One record per row, in the precision of the engine.
pub(super) enum Records {
    Single(Vec<RowStats>),
    Double(Vec<ReferenceStats>),
}

/// What a row came to.
pub(super) struct Outcome {
    pub(super) loss: f64,
    pub(super) kd: f64,
    pub(super) ce: f64,
    pub(super) tau: f64,
    pub(super) teacher_top: u32,
    pub(super) flags: RowFlags,
}

impl Records {
    /// One record, where there is one.
    pub(super) fn outcome(&self, row: usize) -> Option<Outcome> {
        match self {
            Self::Single(stats) => stats.get(row).map(single::outcome),
            Self::Double(stats) => stats.get(row).map(double::outcome),
        }
    }

    /// All records, in short.
    pub(super) fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        (0..).map_while(|row| self.outcome(row))
    }

    /// What happened to each row.
    pub(super) fn flags(&self) -> Vec<RowFlags> {
        match self {
            Self::Single(stats) => stats.iter().map(|row| row.flags).collect(),
            Self::Double(stats) => stats.iter().map(|row| row.flags).collect(),
        }
    }

    /// The type of their floats.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Single(_) => "f4",
            Self::Double(_) => "f8",
        }
    }

    /// Writes them as a structured array, a field for each of the record's.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Single(stats) => single::write(path, stats),
            Self::Double(stats) => double::write(path, stats),
        }
    }
}

macro_rules! records {
    ($($field:ident)*) => {
        records!(single, f32, RowStats, $($field)*);
        records!(double, f64, ReferenceStats, $($field)*);
    };
    ($precision:ident, $float:ty, $stats:ty, $($field:ident)*) => {
        mod $precision {
            use super::*;

            pub(super) fn outcome(row: &$stats) -> Outcome {
                Outcome {
                    loss: row.loss.into(),
                    kd: row.kd.into(),
                    ce: row.ce.into(),
                    tau: row.tau.into(),
                    teacher_top: row.teacher_top,
                    flags: row.flags,
                }
            }

            pub(super) fn write(path: &Path, stats: &[$stats]) -> io::Result<()> {
                let floats = [$(stringify!($field)),*].map(|name| (name, <$float>::DESCR));
                let words = ["teacher_top", "student_top", "flags"].map(|name| (name, u32::DESCR));
                let fields = floats.iter().chain(&words);
                let fields = fields.map(|(name, descr)| format!("('{name}', '{descr}')"));
                let descr = format!("[{}]", fields.collect::<Vec<_>>().join(", "));
                npy::write_as(path, &[stats.len()], &descr, stats, |out, row| {
                    $(row.$field.write(out)?;)*
                    row.teacher_top.write(out)?;
                    row.student_top.write(out)?;
                    row.flags.0.write(out)
                })
            }
        }
    };
}

records! {
    loss kd ce tau beta
    teacher_confidence teacher_ce teacher_entropy teacher_margin
    student_confidence student_entropy student_logit_margin el2n
}
