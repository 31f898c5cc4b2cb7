//! The per-row records, as structured arrays.

use crate::cli::npy;
use crate::reference::ReferenceStats;
use crate::spec::{RowFlags, RowStats};
use std::io;
use std::path::Path;

/// One record per row, in the precision of the engine.
pub(super) enum Records {
    Single(Vec<RowStats>),
    Double(Vec<ReferenceStats>),
}

impl Records {
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

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Single(stats) => {
                npy::write(path, &[stats.len()], stats.iter().map(SingleRecord::from))
            }
            Self::Double(stats) => {
                npy::write(path, &[stats.len()], stats.iter().map(DoubleRecord::from))
            }
        }
    }
}

/// Types that `npyz` writes, one field per field of the engines' own.
macro_rules! records {
    ($($field:ident)*) => {
        records!(SingleRecord, f32, RowStats, $($field)*);
        records!(DoubleRecord, f64, ReferenceStats, $($field)*);
    };
    ($record:ident, $float:ty, $stats:ty, $($field:ident)*) => {
        #[derive(npyz::Serialize, npyz::AutoSerialize)]
        struct $record {
            $($field: $float,)*
            teacher_top: u32,
            student_top: u32,
            flags: u32,
        }

        impl From<&$stats> for $record {
            fn from(stats: &$stats) -> Self {
                Self {
                    $($field: stats.$field,)*
                    teacher_top: stats.teacher_top,
                    student_top: stats.student_top,
                    flags: stats.flags.0,
                }
            }
        }
    };
}

records! {
    loss kd ce tau beta
    teacher_confidence teacher_ce teacher_entropy teacher_margin
    student_confidence student_entropy student_logit_margin el2n
}
