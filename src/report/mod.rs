//! Tables, pages and files of what the harness found. Nothing here trains, and nothing here prints.

mod files;
mod page;
mod provenance;
mod run;
mod scale;
mod svg;
mod table;

pub use files::files;
pub use page::html;
pub use provenance::Provenance;
pub use run::{run_summary, run_tables};
pub use table::{
    BUDGET_COLUMNS, COLUMNS, SIMILARITY_COLUMNS, budget_rows, preamble, rows, similarity_rows,
};
