//! What this engine refuses, and why it may not be there at all.

use crate::spec::{ArgumentError, SpecError};

/// The system's message, with the library's name.
fn cause(name: &str, message: &str) -> String {
    match message.contains(name) {
        true => message.to_owned(),
        false => format!("{name}: {message}"),
    }
}

/// An engine that cannot run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The driver's library is not installed.
    #[error("NVIDIA's driver is not installed ({})", cause(name, message))]
    NoDriver {
        /// The library's name.
        name: &'static str,
        /// What the system's loader says.
        message: String,
    },
    /// A driver older than what the kernels need.
    #[error(
        "the driver supports CUDA {}.{}, but {}.{} is needed: install a newer driver",
        found / 1000, found % 1000 / 10, needed / 1000, needed % 1000 / 10
    )]
    DriverTooOld {
        /// CUDA's version, 1000 times the major number and 10 times the minor one.
        found: i32,
        /// The least version that would do.
        needed: i32,
    },
    /// There is no such device.
    #[error("no CUDA device {ordinal}: {message}")]
    NoDevice {
        /// Which device was asked for.
        ordinal: usize,
        /// What the driver says.
        message: String,
    },
    /// A GPU older than what the kernels are written for.
    #[error(
        "{name} has compute capability {}.{}, but 8.0 (Ampere) is needed",
        capability.0, capability.1
    )]
    DeviceTooOld {
        /// The device's name.
        name: String,
        /// Its compute capability.
        capability: (i32, i32),
    },
    /// A driver that does not take the kernels.
    #[error("the driver does not take the kernels: {message}")]
    Kernels {
        /// What the driver says.
        message: String,
    },
}

/// What a plan or a call refuses, before anything is written, and what fails on a device.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A specification that cannot be planned.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An argument that every engine refuses.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// A device on which the kernels cannot run.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A regime that does not carry out this plan.
    #[error("the regime {given} does not take this plan: {why}")]
    Regime {
        /// The regime's name.
        given: &'static str,
        /// What stands against it.
        why: &'static str,
    },
    /// A plan that was made on another device.
    #[error("the plan was made on another device than this Gpu's: make it with Gpu::plan")]
    OtherDevice,
    /// More rows than kernels count.
    #[error("{given} rows or values cannot be run at once: there must be less than 2^31")]
    Rows {
        /// The number of rows that was given.
        given: usize,
    },
    /// A stride that kernels cannot hold.
    #[error("{argument} = {given} is too large: it must be less than 2^32")]
    Stride {
        /// The argument's name.
        argument: &'static str,
        /// The stride in elements.
        given: usize,
    },
    /// What cannot be done while a graph is captured: not in a thread that captures one, and not beside
    /// a capture of another thread in the driver's global mode. The driver has invalidated the capture.
    #[error("{what} is not possible while a graph is captured: {remedy}")]
    Capturing {
        /// What was to be done.
        what: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A stream whose capture an earlier call has invalidated: it takes no launches until that ends.
    #[error(
        "the stream's graph capture was invalidated by an earlier call, such as one that makes a plan, \
         allocates or waits: end the capture, make that call before the next one"
    )]
    CaptureInvalidated,
    /// A device without the memory for a call.
    #[error("the device is out of memory: give fewer rows, or free memory")]
    OutOfMemory,
    /// A device that failed. What the call would have written is not to be used.
    #[error("the device failed: {message}")]
    Device {
        /// What the driver says.
        message: String,
    },
}

impl From<cudarc::driver::DriverError> for Error {
    fn from(error: cudarc::driver::DriverError) -> Self {
        use cudarc::driver::sys::CUresult;
        match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => Self::OutOfMemory,
            CUresult::CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED => Self::Capturing {
                what: "this call, which allocates, copies or waits,",
                remedy: "make it before the capture or after it, and capture launches alone",
            },
            CUresult::CUDA_ERROR_STREAM_CAPTURE_INVALIDATED => Self::CaptureInvalidated,
            _ => Self::Device {
                message: message(error),
            },
        }
    }
}

/// Why kernels were not loaded.
pub(super) fn not_loaded(error: cudarc::driver::DriverError) -> Error {
    match Error::from(error) {
        Error::Capturing { .. } | Error::CaptureInvalidated => Error::Capturing {
            what: "making a plan",
            remedy: "make the plan before the capture",
        },
        _ => Error::Unavailable(Unavailable::Kernels {
            message: message(error),
        }),
    }
}

/// The driver's name of an error and what it says of it.
pub(super) fn message(error: cudarc::driver::DriverError) -> String {
    let text = |text: Result<&std::ffi::CStr, _>| match text {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => "an unknown error".to_owned(),
    };
    let (name, what) = (text(error.error_name()), text(error.error_string()));
    if name == what {
        name
    } else {
        format!("{name}, {what}")
    }
}
