//! The results, for people and for programs.

use super::Timing;
use super::cases::Case;
use crate::cli::terminal;
use comfy_table::ColumnConstraint;
use serde::Serialize;
use std::fmt;

/// All cases on one engine.
#[derive(Serialize)]
pub(super) struct Results {
    pub(super) engine: &'static str,
    /// The instructions that it runs in.
    pub(super) isa: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device: Option<String>,
    pub(super) cases: Vec<Measured>,
}

/// One case.
#[derive(Serialize)]
pub(super) struct Measured {
    b: usize,
    v: usize,
    dtype: &'static str,
    spec: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    noise: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    regime: Option<&'static str>,
    median_s: f64,
    bytes: usize,
    gbs: f64,
    copy_gbs: f64,
    fraction: f64,
}

impl Measured {
    pub(super) fn new(case: &Case, timing: &Timing) -> Self {
        let bytes = case.bytes();
        let speed = bytes as f64 / timing.call;
        Self {
            b: case.shape.rows,
            v: case.shape.classes,
            dtype: case.format.name(),
            spec: case.preset.name(),
            noise: case.noise,
            regime: timing.regime,
            median_s: timing.call,
            bytes,
            gbs: speed / 1e9,
            copy_gbs: timing.copy / 1e9,
            fraction: speed / timing.copy,
        }
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "engine {}, {}", self.engine, self.isa)?;
        match self.threads {
            Some(1) => write!(f, ", 1 thread")?,
            Some(n) => write!(f, ", {n} threads")?,
            None => {}
        }
        if let Some(device) = &self.device {
            write!(f, ", {device}")?;
        }
        // The same in all cases.
        if let Some(noise) = self.cases.first().and_then(|case| case.noise) {
            write!(f, ", noise {noise}")?;
        }
        let header = [
            "shape",
            "type",
            "loss",
            "regime",
            "time",
            "moved",
            "GB/s",
            "copy",
            "of the copy's speed",
        ];
        let mut table = terminal::table(header);
        for case in &self.cases {
            table.add_row([
                format!("{}x{}", case.b, case.v),
                case.dtype.to_owned(),
                case.spec.to_owned(),
                case.regime.unwrap_or_default().to_owned(),
                time(case.median_s),
                bytes(case.bytes),
                format!("{:.1}", case.gbs),
                format!("{:.1}", case.copy_gbs),
                format!("{:.2} {}", case.fraction, bar(case.fraction)),
            ]);
        }
        let has_regimes = self.cases.iter().any(|case| case.regime.is_some());
        if let Some(column) = table.column_mut(REGIME).filter(|_| !has_regimes) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        write!(f, "\n{}", table.trim_fmt())
    }
}

/// The column that only engines with regimes have.
const REGIME: usize = 3;

pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} µs", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

fn bytes(bytes: usize) -> String {
    match bytes as f64 {
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.2} GB", b / 1e9),
    }
}

/// As long as the fraction, in twentieths; beyond 1 it ends in a mark.
fn bar(fraction: f64) -> String {
    let twentieths = (fraction * 20.0).round().clamp(0.0, 20.0) as usize;
    let beyond = if fraction > 1.025 { "▸" } else { "" };
    "█".repeat(twentieths) + beyond
}
