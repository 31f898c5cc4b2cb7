//! The CUDA engine's host side: what it refuses, what it launches, and how it fails. On the stand-in
//! driver of `tests/simt`, or on a GPU, where what needs injected failures is skipped.

mod arguments;
mod batches;
mod beside;
mod capture;
mod clusters;
mod device;
mod failures;
mod features;
mod outputs;
mod rescale;
mod traffic;
mod views;
