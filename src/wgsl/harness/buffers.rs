//! Words on the device, and the pool that they go back to: what an epoch frees, the next one is given,
//! and with it everything that was bound to it.

use super::super::error::Error;
use super::super::gpu::Gpu;
use super::super::limits::binding_bytes;
use super::super::pieces::too_large;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Numbers, labels or indices on the device, four bytes each.
pub(crate) struct Buf {
    pub(super) len: usize,
    pub(super) room: Room,
    pool: Pool,
}

/// A device buffer, and the number that tells it from others.
#[derive(Clone)]
pub(super) struct Room {
    pub(super) buffer: wgpu::Buffer,
    pub(super) id: u32,
}

/// Rooms that nobody holds, by their words and numbers: the lowest number first, so that the same
/// requests are always given the same rooms.
#[derive(Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Shelves>>);

#[derive(Default)]
struct Shelves {
    free: BTreeMap<(usize, u32), wgpu::Buffer>,
    made: u32,
}

impl Buf {
    /// One that looks as if it held so many words, after a failure: nothing reads it.
    pub(super) fn standing_for(&self, len: usize) -> Self {
        Self {
            len,
            room: self.room.clone(),
            pool: Pool::default(),
        }
    }
}

impl Drop for Buf {
    fn drop(&mut self) {
        let Room { buffer, id } = self.room.clone();
        self.pool.lock().free.insert((words(self.len), id), buffer);
    }
}

/// No buffer is empty.
fn words(len: usize) -> usize {
    len.max(1)
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rooms that were ever made.
    #[cfg(test)]
    pub(super) fn made(&self) -> u32 {
        self.lock().made
    }

    /// Room for so many words, and whether it was used before: then anything may be in it.
    pub(super) fn take(&self, gpu: &Gpu, len: usize) -> Result<(Buf, bool), Error> {
        let (needed, limit) = (4 * len as u64, binding_bytes(&gpu.device.limits()));
        if needed > limit {
            return Err(too_large("a matrix of the training", needed, limit));
        }
        let mut shelves = self.lock();
        let shelf = (words(len), 0)..=(words(len), u32::MAX);
        let found = shelves.free.range(shelf).next().map(|(&key, _)| key);
        let (room, used) = match found.and_then(|key| shelves.free.remove_entry(&key)) {
            Some(((_, id), buffer)) => (Room { buffer, id }, true),
            None => {
                let buffer = gpu.guarded(|| gpu.room("training", 4 * words(len)))?;
                shelves.made += 1;
                let id = shelves.made;
                (Room { buffer, id }, false)
            }
        };
        drop(shelves);
        let pool = self.clone();
        Ok((Buf { len, room, pool }, used))
    }
}
