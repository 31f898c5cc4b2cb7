//! Eight lanes of plain Rust: loops without branches, which compilers make vectors of.

use super::{Mask, ROUND, Task, Vector};
use half::{bf16, f16};
use std::array::from_fn;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub(crate) struct F32x8([f32; LANES]);

/// All bits of a lane, or none.
#[derive(Clone, Copy)]
pub(crate) struct M32x8([u32; LANES]);

/// Operators, lane by lane.
macro_rules! by_lane {
    ($vector:ident: $($name:ident $function:ident $operator:tt)*) => {$(
        impl $name for $vector {
            type Output = Self;

            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                Self(from_fn(|i| self.0[i] $operator other.0[i]))
            }
        }
    )*};
}

by_lane!(F32x8: Add add + Sub sub - Mul mul * Div div /);
by_lane!(M32x8: BitAnd bitand & BitOr bitor |);

impl Not for M32x8 {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0.map(|lane| !lane))
    }
}

impl Mask for M32x8 {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        Self([u32::from(value).wrapping_neg(); LANES])
    }

    #[inline(always)]
    fn any(self) -> bool {
        self.0.iter().fold(0, |any, lane| any | lane) != 0
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        let lanes = self.0.iter().enumerate();
        lanes.fold(0, |bits, (i, lane)| bits | (lane & 1) << i)
    }
}

impl F32x8 {
    #[inline(always)]
    fn compare(self, other: Self, holds: impl Fn(f32, f32) -> bool) -> M32x8 {
        M32x8(from_fn(|i| {
            u32::from(holds(self.0[i], other.0[i])).wrapping_neg()
        }))
    }

    /// The lanes combined as a tree.
    #[inline(always)]
    fn fold(self, combine: impl Fn(f32, f32) -> f32) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        let fours = [combine(a, e), combine(b, f), combine(c, g), combine(d, h)];
        combine(combine(fours[0], fours[2]), combine(fours[1], fours[3]))
    }
}

impl Vector for F32x8 {
    const LANES: usize = LANES;
    // Four times the code, for a few per cent of short rows' time.
    type Mask = M32x8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let larger = |a: f32, b: f32| if a > b { a } else { b };
        Self(from_fn(|i| larger(self.0[i], other.0[i])))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.map(f32::abs))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.map(f32::sqrt))
    }

    #[inline(always)]
    fn lt(self, other: Self) -> M32x8 {
        self.compare(other, |a, b| a < b)
    }

    #[inline(always)]
    fn eq(self, other: Self) -> M32x8 {
        self.compare(other, |a, b| a == b)
    }

    #[inline(always)]
    fn select(mask: M32x8, yes: Self, no: Self) -> Self {
        let choose = |m: u32, a: f32, b: f32| f32::from_bits(m & a.to_bits() | !m & b.to_bits());
        Self(from_fn(|i| choose(mask.0[i], yes.0[i], no.0[i])))
    }

    #[inline(always)]
    fn ldexp(self, n: Self) -> Self {
        // An integer in f32's lowest bits, so that no conversion is needed.
        let n = Self::splat(-127.0).max(n) + Self::splat(ROUND + 127.0);
        let power = |n: f32| f32::from_bits(n.to_bits() << 23);
        Self(from_fn(|i| self.0[i] * power(n.0[i])))
    }

    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        let mantissa = |x: f32| f32::from_bits(x.to_bits() & 0x007F_FFFF | 0x3F80_0000);
        let exponent = |x: f32| (x.to_bits() >> 23) as i32 as f32 - 127.0;
        (Self(self.0.map(mantissa)), Self(self.0.map(exponent)))
    }

    #[inline(always)]
    fn replace(mut self, lane: usize, value: f32) -> Self {
        self.0[lane] = value;
        self
    }

    #[inline(always)]
    fn reduce_sum(self) -> f32 {
        self.fold(|a, b| a + b)
    }

    #[inline(always)]
    fn reduce_max(self) -> f32 {
        self.fold(|a, b| if a > b { a } else { b })
    }

    #[inline(never)]
    fn vectorize<T: Task>(task: T) -> T::Output {
        task.run()
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; an array of floats needs no more than their alignment.
        Self(unsafe { from.cast::<[f32; LANES]>().read() })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> Self {
        // SAFETY: as above.
        Self(unsafe { from.cast::<[f16; LANES]>().read() }.map(f16::to_f32))
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: as above.
        let lanes = unsafe { from.cast::<[u16; LANES]>().read() };
        Self(lanes.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { to.cast::<[f32; LANES]>().write(self.0) }
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut f16) {
        // SAFETY: as above.
        unsafe { to.cast::<[f16; LANES]>().write(self.0.map(f16::from_f32)) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        // SAFETY: as above.
        unsafe { to.cast::<[bf16; LANES]>().write(self.0.map(bf16::from_f32)) }
    }
}
