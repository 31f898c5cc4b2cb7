//! The types that logits come in.

use crate::spec::Format;
use half::{bf16, f16};

/// A logit's type: `f32`, `f16` or `bf16`. Widening to `f32` is exact; a gradient is rounded to the
/// nearest value, ties to even.
pub trait Element: bytemuck::Pod + Send + Sync + sealed::Sealed {
    /// Which type it is.
    const FORMAT: Format;

    /// The value as `f32`, exactly.
    fn to_f32(self) -> f32;
    /// The nearest value of this type.
    fn from_f32(value: f32) -> Self;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for half::bf16 {}
}

impl Element for f32 {
    const FORMAT: Format = Format::F32;

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
    const FORMAT: Format = Format::F16;

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
    const FORMAT: Format = Format::Bf16;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn from_f32(value: f32) -> Self {
        Self::from_f32(value)
    }
}
