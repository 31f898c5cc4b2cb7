//! Memory that an engine keeps values in.

use super::super::current::{Current, Guarded};
use cudarc::driver::{CudaSlice, CudaStream, CudaView, DevicePtr};
use std::sync::{Arc, Mutex};

/// What nobody owns any more, but calls that have not been launched yet may still name.
pub(super) type Abandoned = Arc<Guarded<Mutex<Vec<CudaSlice<u32>>>>>;

/// So many words of 32 bits on the device: numbers, or labels and indices.
pub(crate) struct Buf {
    memory: Option<CudaSlice<u32>>,
    address: u64,
    len: usize,
    abandoned: Abandoned,
}

impl Buf {
    /// The first `len` words of this memory; `None` where there was none to be had, and nothing will
    /// run.
    pub(super) fn new(
        memory: Option<CudaSlice<u32>>,
        len: usize,
        stream: &Arc<CudaStream>,
        abandoned: &Abandoned,
    ) -> Self {
        Self {
            address: memory.as_ref().map_or(0, |m| m.device_ptr(stream).0),
            memory,
            len,
            abandoned: Arc::clone(abandoned),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The address of the first `len` words.
    ///
    /// # Panics
    /// Where there are fewer: operations must not reach beyond their buffers.
    pub(super) fn at(&self, len: usize) -> u64 {
        assert!(len <= self.len, "{len} values of {}", self.len);
        self.address
    }

    /// The memory of the first `len` words, if there are any.
    pub(super) fn memory(&self, len: usize) -> Option<CudaView<'_, u32>> {
        let memory = self.memory.as_ref().filter(|_| len > 0)?;
        Some(memory.slice(..len))
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let _current = Current::kept();
        if let (Some(memory), Ok(mut abandoned)) = (self.memory.take(), self.abandoned.lock()) {
            abandoned.push(memory);
        }
    }
}
