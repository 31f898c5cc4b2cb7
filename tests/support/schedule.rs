//! The order in which the stand-in driver runs threads: for programs that are tests, and the crate's
//! own.

use std::sync::OnceLock;

/// The stand-in driver; a GPU's own has none of its functions.
pub(crate) fn driver() -> Option<&'static libloading::Library> {
    static DRIVER: OnceLock<Option<libloading::Library>> = OnceLock::new();
    // SAFETY: the engine has loaded the driver before.
    let driver = DRIVER.get_or_init(|| unsafe { libloading::Library::new("libcuda.so.1") }.ok());
    driver.as_ref()
}

/// Sets the order for this thread's launches; a GPU has its own.
pub(crate) fn schedule(seed: u64) {
    type SetSeed = unsafe extern "C" fn(u64);
    let Some(driver) = driver() else { return };
    // SAFETY: only the stand-in has a function of this name, and it has this type.
    if let Ok(set_seed) = unsafe { driver.get::<SetSeed>(c"simt_set_seed") } {
        // SAFETY: as before.
        unsafe { set_seed(seed) };
    }
}
