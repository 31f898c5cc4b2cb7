//! The types that logits come in.

use super::simd::Vector;
use half::{bf16, f16};

/// A logit's type: `f32`, `f16` or `bf16`. Widening to `f32` is exact; a gradient is rounded to the
/// nearest value, ties to even.
pub trait Element: Copy + Send + Sync + sealed::Sealed + 'static {
    /// The value as `f32`, exactly.
    fn to_f32(self) -> f32;
    /// The nearest value of this type.
    fn from_f32(value: f32) -> Self;
}

mod sealed {
    pub trait Sealed {
        const AS_VALUE: super::Format;
    }
}

/// An [`Element`] as a value, so that a row program is compiled once and not once per type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    F32,
    F16,
    Bf16,
}

impl Format {
    pub(super) fn of<E: Element>() -> Self {
        E::AS_VALUE
    }

    /// Bytes per value.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// # Safety
    /// `at` is within the `len` values of this format at `start`, and they can be read.
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

impl sealed::Sealed for f32 {
    const AS_VALUE: Format = Format::F32;
}

impl sealed::Sealed for f16 {
    const AS_VALUE: Format = Format::F16;
}

impl sealed::Sealed for bf16 {
    const AS_VALUE: Format = Format::Bf16;
}

impl Element for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Element for f16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self.to_f32()
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Element for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
}
