//! One launch of a kernel that takes both blocks of parameters.

use super::arguments::Arguments;
use super::driver::{self, LaunchAttribute, LaunchConfig};
use super::error::Error;
use super::regime::Geometry;
use crate::spec::RowParams;
use cudarc::driver::CudaFunction;
use cudarc::driver::result::launch_kernel;
use cudarc::driver::sys::CUstream;
use std::ptr;

/// `CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION`.
const CLUSTER_DIMENSION: u32 = 4;

/// Launches a kernel.
///
/// # Safety
/// As [`Plan::launch`](super::Plan::launch).
pub(super) unsafe fn start(
    stream: CUstream,
    kernel: &CudaFunction,
    geometry: Geometry,
    params: &RowParams,
    arguments: &Arguments,
) -> Result<(), Error> {
    let (mut params, mut arguments) = (*params, *arguments);
    let mut both = [(&raw mut params).cast(), (&raw mut arguments).cast()];
    if geometry.cluster == 1 {
        // SAFETY: the kernel takes these two blocks, which the driver copies; what they point to is the
        // caller's.
        unsafe {
            launch_kernel(
                kernel.cu_function(),
                (geometry.blocks, geometry.parts, 1),
                (geometry.threads, 1, 1),
                geometry.shared,
                stream,
                &mut both,
            )?;
        }
        return Ok(());
    }
    let launch = driver::clusters()?.launch;
    with_cluster(geometry, stream, |config| {
        // SAFETY: as before; the driver copies the configuration too.
        let status = unsafe {
            let (kernel, both) = (kernel.cu_function(), both.as_mut_ptr());
            launch(config, kernel, both, ptr::null_mut())
        };
        succeeded("cuLaunchKernelEx", status)
    })
}

/// How many clusters of this geometry the device runs at the same time: its multiprocessors come in
/// groups, which a cluster does not leave. None where partitions or limits leave too few.
pub(super) fn clusters_at_once(kernel: &CudaFunction, geometry: Geometry) -> Result<u32, Error> {
    let at_once = driver::clusters()?.at_once;
    let mut count = 0;
    with_cluster(geometry, ptr::null_mut(), |config| {
        // SAFETY: the driver reads the configuration and writes a number; nothing is launched.
        let status = unsafe { at_once(&raw mut count, kernel.cu_function(), config) };
        succeeded("cuOccupancyMaxActiveClusters", status)
    })?;
    Ok(u32::try_from(count).unwrap_or(0))
}

fn succeeded(function: &str, status: u32) -> Result<(), Error> {
    match status {
        0 => Ok(()),
        901 => Err(Error::CaptureInvalidated),
        _ => Err(Error::Device {
            message: format!("{function} failed with CUDA's error {status}"),
        }),
    }
}

/// The configuration of a launch with clusters, for as long as the call takes.
fn with_cluster(
    geometry: Geometry,
    stream: CUstream,
    call: impl FnOnce(*const LaunchConfig) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut value = [0; 16];
    value[..3].copy_from_slice(&[geometry.cluster, 1, 1]);
    let attribute = LaunchAttribute {
        id: CLUSTER_DIMENSION,
        _gap: 0,
        value,
    };
    call(&LaunchConfig {
        grid: [geometry.blocks, geometry.parts, 1],
        block: [geometry.threads, 1, 1],
        shared: geometry.shared,
        stream,
        attributes: &raw const attribute,
        attribute_count: 1,
    })
}
