//! The adapter of tests that need no device of their own.

use fused_kd::wgsl::{Gpu, GpuOptions};
use std::sync::{Mutex, PoisonError};

/// Devices that no test has. A device does one thing after the other, and software devices compile
/// when they execute: tests side by side want one each, those in a row the same.
static FREE: Mutex<Vec<&'static Gpu>> = Mutex::new(Vec::new());

/// A device for as long as the thread of a test runs.
struct Lease(Option<&'static Gpu>);

thread_local!(static LEASE: Lease = Lease(take()));

impl Drop for Lease {
    fn drop(&mut self) {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.extend(self.0.take());
    }
}

fn take() -> Option<&'static Gpu> {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let make = || {
        let software = GpuOptions::default().software(true);
        let gpu = Gpu::new(&GpuOptions::default());
        let gpu = gpu.or_else(|_| Gpu::new(&software)).ok()?;
        Some(&*Box::leak(Box::new(gpu)))
    };
    free.or_else(make)
}

/// A GPU, else a software adapter; `None` after a skip.
pub(crate) fn gpu() -> Option<&'static Gpu> {
    let gpu = LEASE.with(|lease| lease.0);
    if gpu.is_none() {
        super::skip("wgpu", "apt-get install mesa-vulkan-drivers libvulkan1");
    }
    gpu
}
