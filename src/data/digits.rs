//! The digits that are part of the crate; `data/README.md` says where they come from.

use std::path::Path;

use flate2::read::GzDecoder;

use super::csv::Table;
use super::{CsvOptions, DataError, Dataset};

const PACKED: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv.gz"));

pub(super) fn load() -> Result<Dataset, DataError> {
    let mut table = Table::new(Path::new("digits.csv.gz (embedded)"));
    let name = table.origin().to_path_buf();
    table.append(GzDecoder::new(PACKED), &name, CsvOptions::default())?;
    table.into_dataset("digits")
}
