//! The types that logits come in.

/// A type of logits; widening to `f32` is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Single precision, 4 bytes.
    #[default]
    F32,
    /// IEEE 754 half precision, 2 bytes.
    F16,
    /// The upper half of single precision, 2 bytes.
    Bf16,
}

impl Format {
    /// Bytes per logit.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The name, as in Rust.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}
