//! What is bound where: the table that `shaders/` and the host share.

/// A number of the one bind group.
pub(super) mod slot {
    pub(crate) const PARAMS: u32 = 0;
    pub(crate) const SCALE: u32 = 1;
    pub(crate) const STUDENT: u32 = 2;
    pub(crate) const TEACHER: u32 = 3;
    pub(crate) const LABELS: u32 = 4;
    pub(crate) const WEIGHT: u32 = 5;
    pub(crate) const KD_WEIGHT: u32 = 6;
    pub(crate) const TAU: u32 = 7;
    pub(crate) const GRADIENT: u32 = 8;
    pub(crate) const STATS: u32 = 9;
    pub(crate) const WORKSPACE: u32 = 10;
    pub(crate) const TAU_OUT: u32 = 11;
    pub(crate) const SCALE_OUT: u32 = 12;
    pub(crate) const TOTAL: u32 = 13;
    pub(crate) const UPSTREAM: u32 = 14;
    /// The numbers of one operation of a training step, among those of many.
    pub(crate) const NUMBERS: u32 = 15;
}

/// The greatest number that the row program binds, and one more.
pub(super) const SLOTS: u32 = slot::UPSTREAM + 1;

/// How a slot is bound, the same in every kernel.
pub(super) fn binding_type(slot: u32) -> wgpu::BufferBindingType {
    match slot {
        slot::PARAMS | slot::SCALE | slot::NUMBERS => wgpu::BufferBindingType::Uniform,
        _ => wgpu::BufferBindingType::Storage {
            read_only: !is_written(slot),
        },
    }
}

/// Whether kernels may write what is bound here.
pub(super) fn is_written(slot: u32) -> bool {
    (slot::GRADIENT..=slot::TOTAL).contains(&slot)
}
