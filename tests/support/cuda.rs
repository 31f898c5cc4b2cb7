//! The device of all tests of the CUDA engine: a GPU, or the stand-in driver of `tests/simt`.

use fused_kd::cuda::Gpu;
use std::sync::OnceLock;

/// The first device; `None` after a skip.
pub(crate) fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| match Gpu::new(0) {
        Ok(gpu) => Some(gpu),
        Err(unavailable) => {
            let how = "in tests/simt: cargo run -- DIR, then LD_LIBRARY_PATH=DIR";
            super::skip("simt", &format!("{unavailable}; {how}"));
            None
        }
    });
    gpu.as_ref()
}
