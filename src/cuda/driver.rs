//! Whether NVIDIA's driver is there, asked without `cudarc`, whose first call would panic.

use super::error::Unavailable;
use libloading::Library;
use std::sync::OnceLock;

#[cfg(not(windows))]
const NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
#[cfg(windows)]
const NAMES: [&str; 1] = ["nvcuda.dll"];

/// CUDA 11.4, the oldest that `cudarc` binds; the kernels would be content with 11.0.
const NEEDED: i32 = 11040;

/// Finds and keeps the driver, once.
pub(super) fn probe() -> Result<(), Unavailable> {
    static DRIVER: OnceLock<Result<Library, Unavailable>> = OnceLock::new();
    DRIVER
        .get_or_init(load)
        .as_ref()
        .map(|_| ())
        .map_err(Clone::clone)
}

fn load() -> Result<Library, Unavailable> {
    let mut missing = None;
    for name in NAMES {
        // SAFETY: loading the driver runs its initialisers, which is what its users are for.
        match unsafe { Library::new(name) } {
            Ok(library) => return new_enough(library),
            Err(error) => {
                let why = std::error::Error::source(&error).map(ToString::to_string);
                missing.get_or_insert_with(|| why.unwrap_or_else(|| error.to_string()));
            }
        }
    }
    Err(Unavailable::NoDriver {
        name: NAMES[0],
        message: missing.unwrap_or_default(),
    })
}

fn new_enough(library: Library) -> Result<Library, Unavailable> {
    type Version = unsafe extern "C" fn(*mut i32) -> i32;
    let mut found = 0;
    // SAFETY: the driver's function of this name has this type, and may be called before cuInit.
    let status = unsafe {
        library
            .get::<Version>(c"cuDriverGetVersion")
            .map(|get| get(&raw mut found))
    };
    if status.is_ok_and(|status| status == 0) && found >= NEEDED {
        return Ok(library);
    }
    Err(Unavailable::DriverTooOld {
        found,
        needed: NEEDED,
    })
}
