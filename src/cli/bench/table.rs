//! What was measured, for readers and for programs.

use super::cases::{Case, Timing};
use crate::cli::terminal;
use serde::Serialize;
use std::fmt::Write;

/// All cases of one engine.
#[derive(Serialize)]
pub(super) struct Measured {
    engine: &'static str,
    isa: String,
    threads: usize,
    cases: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    b: usize,
    v: usize,
    dtype: &'static str,
    spec: &'static str,
    median_s: f64,
    bytes: usize,
    gbs: f64,
    copy_gbs: f64,
    fraction: f64,
}

impl Row {
    fn new((case, timing): &(Case, Timing)) -> Self {
        let (bytes, per_second) = (case.bytes(), case.bytes() as f64 / timing.median);
        Self {
            b: case.shape.rows,
            v: case.shape.classes,
            dtype: case.format.name(),
            spec: case.preset.name(),
            median_s: timing.median,
            bytes,
            gbs: per_second / 1e9,
            copy_gbs: timing.copy / 1e9,
            fraction: per_second / timing.copy,
        }
    }
}

impl Measured {
    pub(super) fn new(
        (engine, isa, threads): (&'static str, String, usize),
        timings: &[(Case, Timing)],
    ) -> Self {
        Self {
            engine,
            isa,
            threads,
            cases: timings.iter().map(Row::new).collect(),
        }
    }

    pub(super) fn table(&self) -> String {
        let header = [
            "batch", "type", "loss", "time", "moved", "GB/s", "copy", "of copy", "",
        ];
        let mut table = terminal::table(header);
        for row in &self.cases {
            table.add_row([
                format!("{}×{}", row.b, row.v),
                row.dtype.to_owned(),
                row.spec.to_owned(),
                time(row.median_s),
                format!("{:.2} MB", row.bytes as f64 / 1e6),
                format!("{:.1}", row.gbs),
                format!("{:.1}", row.copy_gbs),
                format!("{:.0} %", 100.0 * row.fraction),
                bar(row.fraction),
            ]);
        }
        let mut text = table.trim_fmt();
        let threads = match self.threads {
            1 => "1 thread".to_owned(),
            n => format!("{n} threads"),
        };
        let _ = write!(text, "\n{} ({}), {threads}", self.engine, self.isa);
        text
    }
}

/// Three digits and a unit.
fn time(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s => (s, "s"),
    };
    let digits = match value {
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// Twenty columns are the whole; what is more than that is cut.
fn bar(fraction: f64) -> String {
    const EIGHTHS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (fraction.clamp(0.0, 1.0) * 160.0).round() as usize;
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|i| EIGHTHS[i]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_bars_are_short() {
        assert_eq!(time(1.234e-5), "12.3 µs");
        assert_eq!(time(0.002), "2.00 ms");
        assert_eq!(time(3.0), "3.00 s");
        assert_eq!(
            (bar(0.0), bar(0.5), bar(7.0)),
            (String::new(), "█".repeat(10), "█".repeat(20))
        );
        assert_eq!(bar(0.525), "██████████▌");
    }
}
