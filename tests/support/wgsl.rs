//! The adapter of tests that need no device of their own.

use fused_kd::wgsl::{Gpu, GpuOptions};
use std::sync::OnceLock;

/// A GPU, else a software adapter; `None` after a skip.
pub(crate) fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| {
        let software = GpuOptions::default().software(true);
        let gpu = Gpu::new(&GpuOptions::default());
        gpu.or_else(|_| Gpu::new(&software)).ok()
    });
    if gpu.is_none() {
        super::skip("wgpu", "apt-get install mesa-vulkan-drivers libvulkan1");
    }
    gpu.as_ref()
}
