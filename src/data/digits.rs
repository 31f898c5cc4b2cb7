//! The digits that are part of the crate; `data/README.md` says where they come from.

use std::path::Path;

use flate2::read::GzDecoder;

use super::csv::Table;
use super::csv::options::CsvOptions;
use super::dataset::Dataset;
use super::error::DataError;

const PACKED: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.csv.gz"));

pub(super) fn load() -> Result<Dataset, DataError> {
    let name = Path::new("digits.csv.gz (embedded)");
    let mut table = Table::new(name, None);
    let options = CsvOptions::default();
    table.append(Box::new(GzDecoder::new(PACKED)), name, &options)?;
    // Its columns are no user's.
    let digits = table.into_dataset("digits", &options)?;
    Ok(digits.with_columns(None, None, String::new()))
}
