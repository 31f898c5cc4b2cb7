//! Tables and files of what the harness found. Nothing here trains, and nothing here prints.

mod comparison;

pub use comparison::{COLUMNS, curves_csv, preamble, results_csv, rows};
