//! Tables and files of what the harness found. Nothing here trains, and nothing here prints.

mod comparison;
mod run;

pub use comparison::{COLUMNS, curves_csv, preamble, results_csv, rows};
pub use run::{run_summary, run_tables};
