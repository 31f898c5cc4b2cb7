//! What a device's limits mean for bindings and grids.

/// What offsets of bindings are multiples of.
pub(super) fn alignment(limits: &wgpu::Limits) -> u64 {
    u64::from(limits.min_storage_buffer_offset_alignment)
}

/// Bytes that one binding holds, and kernels can index by elements.
pub(super) fn binding_bytes(limits: &wgpu::Limits) -> u64 {
    limits
        .max_storage_buffer_binding_size
        .min(u64::from(u32::MAX))
        & !3
}

/// Bytes from one parameter block to the next.
pub(super) fn block_stride(limits: &wgpu::Limits) -> usize {
    limits.min_uniform_buffer_offset_alignment.max(256) as usize
}

/// So many workgroups, and in the second dimension what the first cannot hold.
pub(super) fn grid(limits: &wgpu::Limits, workgroups: u32) -> [u32; 2] {
    let x = workgroups.min(limits.max_compute_workgroups_per_dimension);
    [x, workgroups.div_ceil(x)]
}
