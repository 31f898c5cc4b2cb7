//! `summary.json`: what was computed, and what came of it.

use super::inputs::InputTypes;
use crate::spec::{LossSpec, Revision, RowFlags};
use serde::{Serialize, Serializer};
use std::fmt;

/// What was computed, and what came of it.
#[derive(Serialize)]
pub(super) struct Summary {
    pub(super) engine: &'static str,
    pub(super) preset: &'static str,
    pub(super) spec: LossSpec,
    pub(super) rows: usize,
    pub(super) classes: usize,
    pub(super) dtypes: Types,
    pub(super) upstream: f64,
    pub(super) total: Total,
    pub(super) counts: Counts,
    pub(super) warnings: Vec<String>,
}

/// The types of the arrays that came and of those that went.
#[derive(Serialize)]
pub(super) struct Types {
    #[serde(flatten)]
    pub(super) inputs: InputTypes,
    pub(super) gradient: &'static str,
    pub(super) stats: &'static str,
}

/// The total; JSON has no number for "nan", "inf" and "-inf", which are strings there.
pub(super) struct Total(pub(super) f64);

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            nan if nan.is_nan() => f.write_str("nan"),
            value => value.fmt(f),
        }
    }
}

impl Serialize for Total {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.is_finite() {
            true => serializer.serialize_f64(self.0),
            false => serializer.collect_str(self),
        }
    }
}

/// How many rows are what; a row may be several things. Right is every row that is not wrong.
#[derive(Serialize)]
pub(super) struct Counts {
    right: usize,
    wrong: usize,
    /// Wrong rows, where the specification revises their target.
    revised: usize,
    ignored: usize,
    nonfinite: usize,
    infinite: usize,
    off: usize,
    unselected: usize,
}

impl Counts {
    pub(super) fn new(spec: &LossSpec, flags: &[RowFlags]) -> Self {
        let count = |flag| flags.iter().filter(|row| row.contains(flag)).count();
        let wrong = count(RowFlags::WRONG);
        Self {
            right: flags.len() - wrong,
            wrong,
            revised: match spec.revision() {
                Revision::None => 0,
                _ => wrong,
            },
            ignored: count(RowFlags::IGNORED),
            nonfinite: count(RowFlags::NONFINITE),
            infinite: count(RowFlags::INFINITE),
            off: count(RowFlags::OFF),
            unselected: count(RowFlags::UNSELECTED),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "teacher right on {}, wrong on {}",
            self.right, self.wrong
        )?;
        for (count, what) in [
            (self.revised, "revised"),
            (self.ignored, "without a label"),
            (self.nonfinite, "with NaN"),
            (self.infinite, "with an infinite loss"),
            (self.off, "of weight 0"),
            (self.unselected, "not supervised by the teacher"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// For people.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self {
            preset,
            engine,
            total,
            counts,
            ..
        } = self;
        let reduction = self.spec.reduction();
        writeln!(
            f,
            "loss   {total} ({preset}, {}, engine {engine})",
            reduction.name()
        )?;
        write!(
            f,
            "rows   {}, {} classes: {counts}",
            self.rows, self.classes
        )
    }
}
