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

/// The order in which the stand-in driver schedules threads; a GPU has its own.
pub(crate) fn schedule(seed: u64) {
    type SetSeed = unsafe extern "C" fn(u64);
    static DRIVER: OnceLock<Option<libloading::Library>> = OnceLock::new();
    // SAFETY: the engine has loaded the driver before.
    let driver = DRIVER.get_or_init(|| unsafe { libloading::Library::new("libcuda.so.1") }.ok());
    let Some(driver) = driver else { return };
    // SAFETY: only the stand-in has a function of this name, and it has this type.
    if let Ok(set_seed) = unsafe { driver.get::<SetSeed>(c"simt_set_seed") } {
        // SAFETY: as before.
        unsafe { set_seed(seed) };
    }
}
