//! The results, for people and for programs.

use super::cases::Case;
use super::timing::Timing;
use crate::cli::layout;
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

impl Measured {
    /// Cells of the table; a regime stands behind the type, where the engine has a choice.
    fn row(&self) -> [String; 8] {
        let regime = self
            .regime
            .map_or(String::new(), |regime| format!(", {regime}"));
        [
            format!("{}x{}", self.b, self.v),
            format!("{}{regime}", self.dtype),
            self.spec.to_owned(),
            time(self.median_s),
            bytes(self.bytes),
            format!("{:.1}", self.gbs),
            format!("{:.1}", self.copy_gbs),
            format!("{:.2} {}", self.fraction, bar(self.fraction)),
        ]
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
        let has_regimes = self.cases.iter().any(|case| case.regime.is_some());
        let header = [
            "shape",
            if has_regimes { "type, regime" } else { "type" },
            "loss",
            "time",
            "moved",
            "GB/s",
            "copy GB/s",
            "speed ÷ copy",
        ];
        let rows: Vec<_> = self.cases.iter().map(Measured::row).collect();
        write!(f, "\n{}", layout::table(header, &rows))
    }
}

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

/// As long as the fraction, in tenths; beyond 1 it ends in a mark.
fn bar(fraction: f64) -> String {
    let tenths = (fraction * 10.0).round().clamp(0.0, 10.0) as usize;
    let beyond = if fraction > 1.05 { "▸" } else { "" };
    "█".repeat(tenths) + beyond
}
