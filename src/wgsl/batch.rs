//! Batches in the caller's own buffers.

use crate::batch::{feature_batch, row_batch};

/// A place in a buffer, in bytes from its beginning.
#[derive(Clone, Copy, Debug)]
pub struct Slice<'a> {
    /// The caller's buffer, created with `wgpu::BufferUsages::STORAGE` on the plan's device.
    pub buffer: &'a wgpu::Buffer,
    /// Where the argument begins. A multiple of the size of an element for logits, features and
    /// gradient, and of the device's `min_storage_buffer_offset_alignment` for everything else.
    pub offset: u64,
}

impl<'a> From<&'a wgpu::Buffer> for Slice<'a> {
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0 }
    }
}

impl<'a> Slice<'a> {
    /// A place so many bytes into the buffer.
    #[must_use]
    pub fn new(buffer: &'a wgpu::Buffer, offset: u64) -> Self {
        Self { buffer, offset }
    }
}

row_batch! {
    /// A batch of logits in buffers: what a call reads and writes.
    ///
    /// Each argument is a buffer, or a [`Slice`] of one. A buffer that a call writes must not hold
    /// anything that it reads, except for the student's rows of a batch [in place](Self::in_place).
    #[derive(Clone, Copy, Debug)]
    pub struct Batch['a]['a] {
        student: impl Into<Slice<'a>> => Slice<'a>,
        written: impl Into<Slice<'a>> => Slice<'a>,
        teacher: impl Into<Slice<'a>> => Slice<'a>,
        labels: impl Into<Slice<'a>> => Slice<'a>,
        floats: impl Into<Slice<'a>> => Slice<'a>,
        scalar: impl Into<Slice<'a>> => Slice<'a>,
        stats: impl Into<Slice<'a>> => Slice<'a>,
        total: impl Into<Slice<'a>> => Slice<'a>,
        workspace: impl Into<Slice<'a>> => Slice<'a>,
    }
}

feature_batch! {
    /// A batch of features in buffers: what a call reads and writes.
    ///
    /// Each argument is a buffer, or a [`Slice`] of one. A buffer that a call writes must not hold
    /// anything that it reads, except for the student's rows of a batch [in place](Self::in_place).
    #[derive(Clone, Copy, Debug)]
    pub struct FeatureBatch['a]['a] {
        student: impl Into<Slice<'a>> => Slice<'a>,
        written: impl Into<Slice<'a>> => Slice<'a>,
        target: impl Into<Slice<'a>> => Slice<'a>,
        floats: impl Into<Slice<'a>> => Slice<'a>,
        scalar: impl Into<Slice<'a>> => Slice<'a>,
        distances: impl Into<Slice<'a>> => Slice<'a>,
        total: impl Into<Slice<'a>> => Slice<'a>,
        workspace: impl Into<Slice<'a>> => Slice<'a>,
    }
}
