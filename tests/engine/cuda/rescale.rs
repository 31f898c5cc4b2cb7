//! Gradients times a number in device memory.

use super::device::{Memory, gpu};
use crate::support::cuda::moved;
use fused_kd::cuda::{Error, Options};
use fused_kd::spec::{ArgumentError, Distance, FeatureSpec, Format, Preset, Relation};
use half::{bf16, f16};

/// An element's bits, and those of its product.
trait Bits: bytemuck::Pod + PartialEq + std::fmt::Debug {
    fn of(i: usize) -> Self;
    fn times(self, format: Format, factor: f32) -> Self;
    fn is_nan(self, format: Format) -> bool;
}

/// Patterns of all kinds: numbers, zeros of both signs, subnormal ones, infinities, NaN with payloads.
fn pattern(i: usize) -> u32 {
    (i as u32).wrapping_mul(0x9e37_79b9).rotate_left(7)
}

impl Bits for u32 {
    fn of(i: usize) -> Self {
        match i % 11 {
            0 => 0x8000_0000,
            1 => 0x7f80_0123,
            2 => 0x0000_0007,
            _ => pattern(i),
        }
    }
    fn times(self, _: Format, factor: f32) -> Self {
        (f32::from_bits(self) * factor).to_bits()
    }
    fn is_nan(self, _: Format) -> bool {
        f32::from_bits(self).is_nan()
    }
}

impl Bits for u16 {
    fn of(i: usize) -> Self {
        (pattern(i) >> 16) as u16
    }
    fn times(self, format: Format, factor: f32) -> Self {
        match format {
            Format::F16 => f16::from_f32(f16::from_bits(self).to_f32() * factor).to_bits(),
            _ => bf16::from_f32(bf16::from_bits(self).to_f32() * factor).to_bits(),
        }
    }
    fn is_nan(self, format: Format) -> bool {
        match format {
            Format::F16 => f16::from_bits(self).is_nan(),
            _ => bf16::from_bits(self).is_nan(),
        }
    }
}

/// Rows of so many elements, so far apart, that begin so far behind a vector boundary.
const SHAPES: [[usize; 4]; 10] = [
    [1, 1, 1, 0],
    [300, 3, 3, 1],
    [7, 8, 8, 0],
    [7, 10, 13, 3],
    [40, 100, 104, 0],
    [5, 257, 257, 5],
    [3, 2100, 2111, 7],
    [1, 5000, 5000, 0],
    [2, 9001, 9002, 2],
    [150, 600, 600, 1],
];

fn scales<B: Bits>(format: Format, factor: f32) {
    let Some(gpu) = gpu() else { return };
    let factor_at = Memory::of(gpu, &[factor]);
    for [rows, width, stride, offset] in SHAPES {
        let options = Options::default().formats(format, format);
        let plan = gpu.plan(&Preset::Lr.spec(), width, options).unwrap();
        let before: Vec<B> = (0..offset + rows * stride + 9).map(B::of).collect();
        let memory = Memory::of(gpu, &before);
        let gradient = memory.at() + (offset * size_of::<B>()) as u64;
        let _ = moved();
        let stream = gpu.stream().cu_stream();
        // SAFETY: all these were allocated for this.
        unsafe { plan.scale_gradient(stream, rows, gradient, Some(stride), factor_at.at()) }
            .unwrap();
        if let Some(moved) = moved() {
            let bytes = if factor == 1.0 {
                0
            } else {
                rows * width * size_of::<B>()
            };
            assert_eq!(moved, [bytes as u64; 2]);
        }
        for (i, (&was, &is)) in before.iter().zip(&memory.read::<B>()).enumerate() {
            let place = i.checked_sub(offset).map(|at| (at / stride, at % stride));
            let inside = place.is_some_and(|(row, class)| row < rows && class < width);
            let right = match inside && factor != 1.0 {
                true => was.times(format, factor),
                false => was,
            };
            let both_nan = inside && factor != 1.0 && right.is_nan(format) && is.is_nan(format);
            assert!(
                is == right || both_nan,
                "{rows}x{width} [{i}] {was:?}: {is:?}, not {right:?}"
            );
        }
    }
}

fn scales_every_type(factor: f32) {
    scales::<u32>(Format::F32, factor);
    scales::<u16>(Format::F16, factor);
    scales::<u16>(Format::Bf16, factor);
}

#[test]
fn every_element_is_multiplied() {
    scales_every_type(0.3);
}

#[test]
fn a_factor_of_one_leaves_every_bit_alone() {
    scales_every_type(1.0);
}

#[test]
fn special_factors_are_plain_arithmetic() {
    for factor in [-0.0, f32::INFINITY, f32::NAN, 1.0_f32.next_down(), -1.0] {
        scales::<u32>(Format::F32, factor);
        scales::<u16>(Format::Bf16, factor);
    }
}

#[test]
fn gradients_of_features_too() {
    let Some(gpu) = gpu() else { return };
    let spec = FeatureSpec {
        distance: Distance::L1,
        relation: Relation::Inherit,
    };
    let plan = gpu.feature_plan(&spec, 5, Options::default()).unwrap();
    let gradient = Memory::of(
        gpu,
        &[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
    );
    let factor = Memory::of(gpu, &[-2.0_f32]);
    let stream = gpu.stream().cu_stream();
    // SAFETY: all these were allocated for this.
    unsafe { plan.scale_gradient(stream, 2, gradient.at(), None, factor.at()) }.unwrap();
    let doubled: Vec<f32> = (1..=10).map(|i| -2.0 * i as f32).collect();
    assert_eq!(gradient.read::<f32>(), doubled);
}

#[test]
fn what_cannot_be_scaled_is_refused() {
    let Some(gpu) = gpu() else { return };
    let plan = gpu
        .plan(&Preset::Lr.spec(), 10, Options::default())
        .unwrap();
    let (memory, stream) = (Memory::of(gpu, &[1.0_f32; 20]), gpu.stream().cu_stream());
    let at = memory.at();
    let scale = |rows, gradient, stride, factor| {
        // SAFETY: what lies outside this memory is refused before anything is launched.
        unsafe { plan.scale_gradient(stream, rows, gradient, stride, factor) }
    };
    for (gradient, factor, argument) in [
        (0, at, "gradient"),
        (at + 2, at, "gradient"),
        (at, 0, "factor"),
    ] {
        let error = scale(2, gradient, None, factor).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Argument(ArgumentError::Address { argument: a, .. }) if a == argument
            ),
            "{error}"
        );
    }
    let error = scale(2, at, Some(9), at).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Argument(ArgumentError::Stride { given: 9, .. })
        ),
        "{error}"
    );
    assert_eq!(
        scale(1 << 31, at, None, at),
        Err(Error::Rows { given: 1 << 31 })
    );
    scale(0, 0, None, 0).unwrap();
    assert_eq!(memory.read::<f32>(), [1.0; 20]);
}
