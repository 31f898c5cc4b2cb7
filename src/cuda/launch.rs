//! Launches: the sequence of a call's, and one of a kernel that takes both blocks of parameters.

use super::arguments::Arguments;
use super::current::Current;
use super::driver::{self, LaunchAttribute, LaunchConfig};
use super::error::Error;
use super::kernels::{Function, Kernels};
use super::operands::Call;
use super::options::Regime;
use super::regime::Geometry;
use crate::spec::{Reduction, RowParams};
use cudarc::driver::result::launch_kernel;
use cudarc::driver::sys::CUstream;
use cudarc::driver::{CudaContext, CudaFunction};
use std::ptr;
use std::sync::Arc;

/// `CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION`.
const CLUSTER_DIMENSION: u32 = 4;

/// Launches the calls of a plan: its rows' own kernels, with those of the batch as a whole around them.
#[derive(Debug)]
pub(super) struct Launcher {
    pub(super) kernels: Arc<Kernels>,
    /// Marks right and wrong rows, where a mean is per group.
    groups: Option<Function>,
    /// Counts the rows that a mean divides by.
    scale: Function,
    /// Adds up what rows lose.
    total: Function,
}

impl Launcher {
    pub(super) fn new(kernels: &Arc<Kernels>, reduction: Reduction) -> Result<Self, Error> {
        let per_group = reduction == Reduction::MeanPerGroup;
        Ok(Self {
            groups: per_group.then(|| kernels.batch("groups")).transpose()?,
            scale: kernels.batch("scale")?,
            total: kernels.batch("total")?,
            kernels: Arc::clone(kernels),
        })
    }

    /// Launches a call: what counts, the rows' kernels one after the other, and what adds up, each
    /// where there is something to do.
    ///
    /// # Safety
    /// Each address of the call is that of memory which kernels on this stream may access, large enough
    /// and of the types that the call says.
    pub(super) unsafe fn launch(
        &self,
        stream: CUstream,
        call: Call,
        kernels: &[Function],
        geometry: Geometry,
    ) -> Result<(), Error> {
        let (params, mut arguments) = (call.params, call.arguments);
        let stream = self.stream(stream)?;
        // SAFETY: the caller's; what one launch leaves to the next lies in the workspace.
        unsafe {
            if call.counts {
                if let Some(groups) = &self.groups {
                    let geometry = self.block_per_row(&params);
                    stream.start(groups, geometry, &params, &arguments)?;
                }
                stream.start(&self.scale, Geometry::BATCH, &params, &arguments)?;
                arguments.scale = arguments.scale_out;
            }
            if params.rows > 0 {
                for kernel in kernels {
                    stream.start(kernel, geometry, &params, &arguments)?;
                }
            }
            if arguments.total != 0 {
                stream.start(&self.total, Geometry::BATCH, &params, &arguments)?;
            }
        }
        Ok(())
    }

    /// The stream, ready for launches.
    pub(super) fn stream(&self, stream: CUstream) -> Result<Stream, Error> {
        Stream::of(&self.kernels.context, stream)
    }

    /// A block for each row, as far as there is room for blocks.
    pub(super) fn block_per_row(&self, params: &RowParams) -> Geometry {
        Regime::Any.geometry(params.rows, params.classes, 1, self.kernels.limits)
    }
}

/// A stream, whose context is this thread's current one for as long as the value lives.
pub(super) struct Stream {
    stream: CUstream,
    _current: Current,
}

impl Stream {
    fn of(context: &CudaContext, stream: CUstream) -> Result<Self, Error> {
        let _current = Current::of(context)?;
        Ok(Self { stream, _current })
    }

    /// Launches a kernel.
    ///
    /// # Safety
    /// As [`Launcher::launch`], of what this kernel accesses.
    pub(super) unsafe fn start(
        &self,
        kernel: &CudaFunction,
        geometry: Geometry,
        params: &RowParams,
        arguments: &Arguments,
    ) -> Result<(), Error> {
        let (mut params, mut arguments) = (*params, *arguments);
        let mut both = [(&raw mut params).cast(), (&raw mut arguments).cast()];
        if geometry.cluster == 1 {
            // SAFETY: the kernel takes these two blocks, which the driver copies; what they point to is
            // the caller's.
            unsafe {
                launch_kernel(
                    kernel.cu_function(),
                    (geometry.blocks, geometry.parts, 1),
                    (geometry.threads, 1, 1),
                    geometry.shared,
                    self.stream,
                    &mut both,
                )?;
            }
            return Ok(());
        }
        let launch = driver::clusters()?.launch;
        with_cluster(geometry, self.stream, |config| {
            // SAFETY: as before; the driver copies the configuration too.
            let status = unsafe {
                let (kernel, both) = (kernel.cu_function(), both.as_mut_ptr());
                launch(config, kernel, both, ptr::null_mut())
            };
            succeeded("cuLaunchKernelEx", status)
        })
    }
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
