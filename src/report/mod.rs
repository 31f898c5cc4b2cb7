//! Tables and files of what the harness found. Nothing here trains, and nothing here prints.

mod comparison;

pub use comparison::{BUDGET_COLUMNS, COLUMNS, budget_rows, files, preamble, rows};
