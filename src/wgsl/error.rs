//! What this engine refuses, and why it may not be there at all.

use crate::spec::{ArgumentError, SpecError};

/// An engine that cannot run here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// No driver offers an adapter.
    #[error(
        "no {kind} adapter was found: install a driver for Vulkan, Metal or Direct3D 12 (in \
         software, on Debian: apt-get install mesa-vulkan-drivers libvulkan1)"
    )]
    NoAdapter {
        /// Whether a GPU or a software adapter was asked for.
        kind: &'static str,
    },
    /// The only adapter computes in software, which nobody asked for.
    #[error("{name} computes in software: install the GPU's driver, or ask for a software adapter")]
    SoftwareOnly {
        /// The adapter's name.
        name: String,
    },
    /// A device without what the kernels need.
    #[error(
        "the device's {limit} is {given}, but {needed} is needed: request the device with a larger \
         limit"
    )]
    Limit {
        /// The limit's name in `wgpu::Limits`.
        limit: &'static str,
        /// What the device has.
        given: u64,
        /// What would do.
        needed: u64,
    },
    /// An adapter that gives no device.
    #[error("{adapter} gives no device: {message}")]
    Device {
        /// The adapter's name.
        adapter: String,
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
    /// An option outside its range.
    #[error("{option} = {given} is out of range: it must be a power of two from {least} to {most}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// What was given.
        given: u32,
        /// The least value.
        least: u32,
        /// The greatest value.
        most: u32,
    },
    /// A plan that was not made by this [`Gpu`](super::Gpu).
    #[error("the plan is not one of this Gpu's: make it with Gpu::plan")]
    OtherDevice,
    /// A buffer that ends before its data.
    #[error(
        "{argument} needs {needed} bytes from byte {offset} of its buffer, which has {size} bytes"
    )]
    Size {
        /// The argument's name.
        argument: &'static str,
        /// Bytes that are needed, up to a whole number of words.
        needed: u64,
        /// The byte at which the argument begins.
        offset: u64,
        /// Bytes that the buffer has.
        size: u64,
    },
    /// An offset at which nothing can be bound.
    #[error(
        "{argument} begins at byte {given} of its buffer, which must be a multiple of {alignment}"
    )]
    Offset {
        /// The argument's name.
        argument: &'static str,
        /// The offset in bytes.
        given: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// A buffer that was not made for this use.
    #[error("{argument}'s buffer was created without wgpu::BufferUsages::STORAGE")]
    Usage {
        /// The argument's name.
        argument: &'static str,
    },
    /// A buffer that one dispatch would both read and write.
    #[error(
        "{read} and {written} are in one buffer, which no dispatch may both read and write: put one \
         of them into a buffer of its own"
    )]
    Shared {
        /// The argument that is read.
        read: &'static str,
        /// The argument that is written.
        written: &'static str,
    },
    /// Two arguments that are written to the same bytes.
    #[error("{first} and {second} overlap, and both are written")]
    Overlap {
        /// One argument.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Data that no binding, or no buffer, of this device can hold.
    #[error(
        "{argument} needs {needed} bytes in one piece, but the device's {limit} is {given}: request \
         the device with a larger limit, or give fewer rows"
    )]
    TooLarge {
        /// The argument's name.
        argument: &'static str,
        /// Bytes that are needed.
        needed: u64,
        /// The limit's name in `wgpu::Limits`.
        limit: &'static str,
        /// What the device has.
        given: u64,
    },
    /// A device that failed or was lost. What the call would have written is not to be used.
    #[error("the device failed: {message}")]
    Device {
        /// What the driver says.
        message: String,
    },
    /// A device without the memory for a call.
    #[error("the device is out of memory: give fewer rows, or free buffers")]
    OutOfMemory,
}
