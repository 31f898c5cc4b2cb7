//! What the integration tests share.
#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod browser;
#[cfg(feature = "cuda")]
pub(crate) mod cuda;
pub(crate) mod npy;
#[cfg(feature = "cuda")]
pub(crate) mod schedule;
mod skip;
#[cfg(feature = "wgpu")]
pub(crate) mod wgsl;

pub(crate) use skip::skip;

use std::env;
use std::path::{Path, PathBuf};

/// The directory of the data sets that are too large to commit: `FUSED_KD_DATA`, else
/// `../shared/data` beside the package. `None`, after [`skip`], when there is no such directory.
pub(crate) fn data_dir() -> Option<PathBuf> {
    data("")
}

/// A file or directory in [`data_dir`]; `None`, after [`skip`], when it is absent.
pub(crate) fn data(relative: &str) -> Option<PathBuf> {
    let root = env::var_os("FUSED_KD_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = root.join(relative);
    if path.exists() {
        return Some(path);
    }
    skip(
        "data",
        &format!(
            "put the data sets `optdigits` and `mnist-t10k` into a directory and set FUSED_KD_DATA \
             to it (looked for {})",
            path.display()
        ),
    );
    None
}
