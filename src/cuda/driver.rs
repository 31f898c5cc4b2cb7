//! Whether NVIDIA's driver is there, asked without `cudarc`, whose first call would panic; and those of
//! its functions that `cudarc` binds only where the build's CUDA is as new as they are.

use super::error::{Error, Unavailable, not_loaded};
use cudarc::driver::sys::{CUfunction, CUresult, CUstream};
use cudarc::driver::{CudaFunction, DriverError};
use libloading::Library;
use std::ffi::c_void;
use std::sync::OnceLock;

#[cfg(not(windows))]
const NAMES: [&str; 2] = ["libcuda.so.1", "libcuda.so"];
#[cfg(windows)]
const NAMES: [&str; 1] = ["nvcuda.dll"];

/// CUDA 11.4, the oldest that `cudarc` binds; the kernels would be content with 11.0.
const NEEDED: i32 = 11040;

/// CUDA 11.8, the first with clusters.
const NEEDED_FOR_CLUSTERS: i32 = 11080;

/// Finds and keeps the driver, once.
pub(super) fn probe() -> Result<&'static Library, Unavailable> {
    static DRIVER: OnceLock<Result<Library, Unavailable>> = OnceLock::new();
    DRIVER.get_or_init(load).as_ref().map_err(Clone::clone)
}

/// `CUlaunchAttribute`, whose value may be an address.
#[repr(C, align(8))]
pub(super) struct LaunchAttribute {
    pub(super) id: u32,
    pub(super) _gap: u32,
    pub(super) value: [u32; 16],
}

/// `CUlaunchConfig`.
#[repr(C)]
pub(super) struct LaunchConfig {
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
    pub(super) shared: u32,
    pub(super) stream: CUstream,
    pub(super) attributes: *const LaunchAttribute,
    pub(super) attribute_count: u32,
}

const _: () = assert!(size_of::<LaunchAttribute>() == 72 && align_of::<LaunchAttribute>() == 8);
const _: () = assert!(size_of::<LaunchConfig>() == 56);

/// The driver's functions for clusters. Their status is a number: it may be one that `cudarc` does not
/// know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clusters {
    /// `cuLaunchKernelEx`.
    pub(super) launch: unsafe extern "C" fn(
        *const LaunchConfig,
        CUfunction,
        *mut *mut c_void,
        *mut *mut c_void,
    ) -> u32,
    /// `cuOccupancyMaxActiveClusters`.
    pub(super) at_once: unsafe extern "C" fn(*mut i32, CUfunction, *const LaunchConfig) -> u32,
}

/// Finds them, once.
pub(super) fn clusters() -> Result<Clusters, Unavailable> {
    static FOUND: OnceLock<Result<Clusters, Unavailable>> = OnceLock::new();
    let find = || {
        let library = probe()?;
        let too_old = |_| Unavailable::DriverTooOld {
            found: version(library),
            needed: NEEDED_FOR_CLUSTERS,
        };
        // SAFETY: the driver's functions of these names have these types.
        unsafe {
            Ok(Clusters {
                launch: *library.get(c"cuLaunchKernelEx").map_err(too_old)?,
                at_once: *library
                    .get(c"cuOccupancyMaxActiveClusters")
                    .map_err(too_old)?,
            })
        }
    };
    FOUND.get_or_init(find).clone()
}

/// `cuFuncLoad`, where the driver has it (CUDA 12.4): loads what lazy loading has left for the first launch.
pub(super) fn load_function(function: &CudaFunction) -> Result<(), Error> {
    type Load = unsafe extern "C" fn(CUfunction) -> CUresult;
    static FOUND: OnceLock<Option<Load>> = OnceLock::new();
    let library = probe()?;
    // SAFETY: the driver's function of this name has this type.
    let find = || unsafe { library.get::<Load>(c"cuFuncLoad").ok().map(|load| *load) };
    let Some(load) = FOUND.get_or_init(find) else {
        return Ok(());
    };
    // SAFETY: the function is one of a module that is loaded.
    match unsafe { load(function.cu_function()) } {
        CUresult::CUDA_SUCCESS => Ok(()),
        refused => Err(not_loaded(DriverError(refused))),
    }
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
    let found = version(&library);
    if found >= NEEDED {
        return Ok(library);
    }
    Err(Unavailable::DriverTooOld {
        found,
        needed: NEEDED,
    })
}

/// CUDA's version that the driver supports, 0 where it does not say.
fn version(library: &Library) -> i32 {
    type Version = unsafe extern "C" fn(*mut i32) -> i32;
    let mut found = 0;
    // SAFETY: the driver's function of this name has this type, and may be called before cuInit.
    let status = unsafe {
        library
            .get::<Version>(c"cuDriverGetVersion")
            .map(|get| get(&raw mut found))
    };
    if status.is_ok_and(|status| status == 0) {
        found
    } else {
        0
    }
}
