//! Formats as they are in memory, widened and narrowed on the way.

use crate::cpu::simd::Vector;
use crate::spec::Format;
use half::{bf16, f16};

impl Format {
    /// # Safety
    /// The value at `at` from `start` on is of this format and can be read.
    #[inline(always)]
    pub(super) unsafe fn get(self, start: *const u8, at: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { self.load::<f32>(start, at) }
    }

    /// # Safety
    /// `V::LANES` values of this format from the one at `at` on can be read.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(self, start: *const u8, at: usize) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => V::load(start.cast::<f32>().add(at)),
                Self::F16 => V::load_f16(start.cast::<f16>().add(at)),
                Self::Bf16 => V::load_bf16(start.cast::<bf16>().add(at)),
            }
        }
    }

    /// # Safety
    /// `V::LANES` values of this format from the one at `at` on can be written.
    #[inline(always)]
    pub(super) unsafe fn store<V: Vector>(self, values: V, start: *mut u8, at: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => values.store(start.cast::<f32>().add(at)),
                Self::F16 => values.store_f16(start.cast::<f16>().add(at)),
                Self::Bf16 => values.store_bf16(start.cast::<bf16>().add(at)),
            }
        }
    }
}
