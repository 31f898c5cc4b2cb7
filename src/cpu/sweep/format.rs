//! Formats as they are in memory, widened and narrowed on the way, and which of them code is compiled for.

use crate::batch::Element;
use crate::cpu::simd::Vector;
use crate::spec::Format;
use half::{bf16, f16};
use std::slice;

/// Which formats code is compiled for.
pub(crate) trait Formats: Copy {
    /// Whether it is one format alone.
    const IS_KNOWN: bool;

    /// The format, to the compiler as far as it is known.
    fn resolve(format: Format) -> Format;
}

macro_rules! only {
    ($($name:ident $format:ident)*) => {$(
        /// The format of this name alone.
        #[derive(Clone, Copy)]
        pub(crate) struct $name;

        impl Formats for $name {
            const IS_KNOWN: bool = true;

            #[inline(always)]
            fn resolve(_: Format) -> Format {
                Format::$format
            }
        }
    )*};
}

only!(OnlyF32 F32 OnlyF16 F16 OnlyBf16 Bf16);

/// Names as `$F` the formats that student and teacher have, as far as code is compiled for them alone.
macro_rules! with_formats {
    ($formats:expr, $F:ident => $body:expr) => {
        match $formats {
            [$crate::spec::Format::F32, $crate::spec::Format::F32] => {
                type $F = $crate::cpu::sweep::OnlyF32;
                $body
            }
            [$crate::spec::Format::Bf16, $crate::spec::Format::Bf16] => {
                type $F = $crate::cpu::sweep::OnlyBf16;
                $body
            }
            _ => {
                type $F = $crate::cpu::sweep::AnyFormat;
                $body
            }
        }
    };
}
pub(in crate::cpu) use with_formats;

/// Each of them, asked for at every access.
#[derive(Clone, Copy)]
pub(crate) struct AnyFormat;

impl Formats for AnyFormat {
    const IS_KNOWN: bool = false;

    #[inline(always)]
    fn resolve(format: Format) -> Format {
        format
    }
}

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

    /// The first `n` values from the one at `at` on, then `rest`.
    ///
    /// # Safety
    /// `n` values of this format can be read there, fewer than `V::LANES`.
    #[inline(always)]
    pub(super) unsafe fn load_first<V: Vector>(
        self,
        start: *const u8,
        at: usize,
        n: usize,
        rest: f32,
    ) -> V {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => V::load_first(start.cast::<f32>().add(at), n, rest),
                Self::F16 => V::load_first_f16(start.cast::<f16>().add(at), n, rest),
                Self::Bf16 => V::load_first_bf16(start.cast::<bf16>().add(at), n, rest),
            }
        }
    }

    /// Writes the first `n` values from the one at `at` on.
    ///
    /// # Safety
    /// `n` values of this format can be written there, fewer than `V::LANES`.
    #[inline(always)]
    pub(super) unsafe fn store_first<V: Vector>(
        self,
        values: V,
        start: *mut u8,
        at: usize,
        n: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => values.store_first(start.cast::<f32>().add(at), n),
                Self::F16 => values.store_first_f16(start.cast::<f16>().add(at), n),
                Self::Bf16 => values.store_first_bf16(start.cast::<bf16>().add(at), n),
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

    /// The first `n` values from the one at `at` on, at most `N`, then 0. The format is asked for once, so
    /// that the compiler makes vectors of the loop.
    ///
    /// # Safety
    /// `n` values of this format can be read there.
    #[inline(always)]
    pub(super) unsafe fn load_block<const N: usize>(
        self,
        start: *const u8,
        at: usize,
        n: usize,
    ) -> [f32; N] {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => widen(start.cast::<f32>().add(at), n),
                Self::F16 => widen(start.cast::<f16>().add(at), n),
                Self::Bf16 => widen(start.cast::<bf16>().add(at), n),
            }
        }
    }

    /// Writes values from the one at `at` on.
    ///
    /// # Safety
    /// As many values of this format can be written there.
    #[inline(always)]
    pub(super) unsafe fn store_block(self, values: &[f32], start: *mut u8, at: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::F32 => narrow(values, start.cast::<f32>().add(at)),
                Self::F16 => narrow(values, start.cast::<f16>().add(at)),
                Self::Bf16 => narrow(values, start.cast::<bf16>().add(at)),
            }
        }
    }
}

/// The first `n` values, then 0.
///
/// # Safety
/// They can be read.
#[inline(always)]
unsafe fn widen<E: Element, const N: usize>(from: *const E, n: usize) -> [f32; N] {
    // SAFETY: the caller's promise.
    let values = unsafe { slice::from_raw_parts(from, n) };
    let mut block = [0.0; N];
    for (lane, value) in block.iter_mut().zip(values) {
        *lane = value.to_f32();
    }
    block
}

/// Writes values, rounded.
///
/// # Safety
/// As many can be written.
#[inline(always)]
unsafe fn narrow<E: Element>(values: &[f32], to: *mut E) {
    // SAFETY: the caller's promise.
    let to = unsafe { slice::from_raw_parts_mut(to, values.len()) };
    for (to, value) in to.iter_mut().zip(values) {
        *to = E::from_f32(*value);
    }
}
