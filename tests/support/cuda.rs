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
/// Bytes of logits that kernels have read, and of gradients that they have written, since this was
/// last asked for; a GPU does not count them.
pub(crate) fn moved() -> Option<[u64; 2]> {
    type Moved = unsafe extern "C" fn(*mut u64, *mut u64);
    // SAFETY: only the stand-in has a function of this name, and it has this type.
    let moved = unsafe { super::schedule::driver()?.get::<Moved>(c"simt_moved") }.ok()?;
    let [mut read, mut written] = [0; 2];
    // SAFETY: as before; it writes one number to each.
    unsafe { moved(&raw mut read, &raw mut written) };
    Some([read, written])
}
