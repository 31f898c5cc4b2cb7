//! Eight lanes of AVX2 with fused multiplication and addition.

use super::{Mask, ROUND, Task, Vector};
use half::{bf16, f16};
use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

/// Exists only where [`is_available`] said yes.
#[derive(Clone, Copy)]
pub(crate) struct F32x8(__m256);

/// All bits of a lane, or none; as above.
#[derive(Clone, Copy)]
pub(crate) struct M32x8(__m256);

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[target_feature(enable = "avx2,fma,f16c")]
fn run<T: Task>(task: T) -> T::Output {
    task.run()
}

/// What [`Vector::outline`] runs.
mod outlined {
    #[inline(never)]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn run<T: super::Task>(task: T) -> T::Output {
        task.run()
    }
}

/// All bits of the first `n` lanes, of at most 8.
#[inline(always)]
fn first(n: usize) -> __m256i {
    const WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the instructions are there; the window begins within the first half.
    unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(8 - n.min(8)).cast()) }
}

/// The first `n` of eight values of 16 bits: four, two and one of them, the last ones first.
///
/// # Safety
/// `n` values can be read.
#[inline(always)]
unsafe fn load_first_halves(from: *const u16, n: usize) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        let (mut values, mut end) = (_mm_setzero_si128(), from.add(n));
        if n & 1 != 0 {
            end = end.sub(1);
            values = _mm_cvtsi32_si128(i32::from(end.read()));
        }
        if n & 2 != 0 {
            end = end.sub(2);
            let two = _mm_cvtsi32_si128(end.cast::<i32>().read_unaligned());
            values = _mm_or_si128(_mm_slli_si128::<4>(values), two);
        }
        if n & 4 != 0 {
            values = _mm_unpacklo_epi64(_mm_loadl_epi64(from.cast()), values);
        }
        values
    }
}

/// Writes the first `n` of eight values of 16 bits.
///
/// # Safety
/// `n` values can be written.
#[inline(always)]
unsafe fn store_first_halves(mut values: __m128i, mut to: *mut u16, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if n & 4 != 0 {
            _mm_storel_epi64(to.cast(), values);
            (values, to) = (_mm_srli_si128::<8>(values), to.add(4));
        }
        if n & 2 != 0 {
            to.cast::<i32>().write_unaligned(_mm_cvtsi128_si32(values));
            (values, to) = (_mm_srli_si128::<4>(values), to.add(2));
        }
        if n & 1 != 0 {
            to.write(_mm_extract_epi16::<0>(values) as u16);
        }
    }
}

/// Operators as instructions.
macro_rules! operators {
    ($vector:ident: $($name:ident $function:ident $instruction:ident)*) => {$(
        impl $name for $vector {
            type Output = Self;

            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                // SAFETY: the type exists only where its instructions do.
                Self(unsafe { $instruction(self.0, other.0) })
            }
        }
    )*};
}

operators!(F32x8: Add add _mm256_add_ps Sub sub _mm256_sub_ps Mul mul _mm256_mul_ps Div div _mm256_div_ps);
operators!(M32x8: BitAnd bitand _mm256_and_ps BitOr bitor _mm256_or_ps);

impl Not for M32x8 {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_xor_ps(self.0, Self::splat(true).0) })
    }
}

impl Mask for M32x8 {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_castsi256_ps(_mm256_set1_epi32(-i32::from(value))) })
    }

    #[inline(always)]
    fn any(self) -> bool {
        self.bits() != 0
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        // SAFETY: the instructions are there.
        unsafe { _mm256_movemask_ps(self.0) as u32 }
    }
}

impl F32x8 {
    #[inline(always)]
    fn from_f16(bits: __m128i) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_cvtph_ps(bits) })
    }

    #[inline(always)]
    fn from_bf16(bits: __m128i) -> Self {
        // SAFETY: the instructions are there.
        unsafe {
            let lanes = _mm256_cvtepu16_epi32(bits);
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(lanes)))
        }
    }

    #[inline(always)]
    fn to_f16(self) -> __m128i {
        // SAFETY: the instructions are there.
        unsafe { _mm256_cvtps_ph::<0>(self.0) }
    }

    #[inline(always)]
    fn to_bf16(self) -> __m128i {
        // SAFETY: the instructions are there.
        unsafe {
            // To nearest, ties to even; adding to a NaN could carry into its sign.
            let bits = _mm256_castps_si256(self.0);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF));
            let rounded = _mm256_castsi256_ps(_mm256_add_epi32(bits, half));
            let nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0);
            let quiet = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FC0_0000));
            let rounded = _mm256_castps_si256(_mm256_blendv_ps(rounded, quiet, nan));
            let lanes = _mm256_srli_epi32::<16>(rounded);
            // Packing works within halves.
            let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(lanes, lanes));
            _mm256_castsi256_si128(packed)
        }
    }

    /// The first `n` lanes, then `rest`.
    #[inline(always)]
    fn or_rest(self, n: usize, rest: f32) -> Self {
        // SAFETY: the instructions are there.
        let mask = M32x8(unsafe { _mm256_castsi256_ps(first(n)) });
        Self::select(mask, self, Self::splat(rest))
    }

    /// The lanes combined as a tree.
    #[inline(always)]
    fn fold(self, combine: impl Fn(f32, f32) -> f32) -> f32 {
        let mut lanes = [0.0; 8];
        // SAFETY: eight lanes are written.
        unsafe { self.store(lanes.as_mut_ptr()) };
        let [a, b, c, d, e, f, g, h] = lanes;
        let fours = [combine(a, e), combine(b, f), combine(c, g), combine(d, h)];
        combine(combine(fours[0], fours[2]), combine(fours[1], fours[3]))
    }
}

impl Vector for F32x8 {
    const LANES: usize = 8;
    type Mask = M32x8;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn mul_sub(self, factor: Self, subtrahend: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_fmsub_ps(self.0, factor.0, subtrahend.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn lt(self, other: Self) -> M32x8 {
        // SAFETY: the instructions are there.
        M32x8(unsafe { _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0) })
    }

    #[inline(always)]
    fn eq(self, other: Self) -> M32x8 {
        // SAFETY: the instructions are there.
        M32x8(unsafe { _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0) })
    }

    #[inline(always)]
    fn select(mask: M32x8, yes: Self, no: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, mask.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe {
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)
        })
    }

    #[inline(always)]
    fn ldexp(self, n: Self) -> Self {
        // An integer in f32's lowest bits, so that no conversion is needed.
        let n = Self::splat(-127.0).max(n) + Self::splat(ROUND + 127.0);
        // SAFETY: the instructions are there.
        let power =
            unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(n.0))) };
        self * Self(power)
    }

    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        // SAFETY: the instructions are there.
        unsafe {
            let bits = _mm256_castps_si256(self.0);
            let fraction = _mm256_and_si256(bits, _mm256_set1_epi32(0x007F_FFFF));
            let mantissa = _mm256_or_si256(fraction, _mm256_set1_epi32(0x3F80_0000));
            let exponent = _mm256_cvtepi32_ps(_mm256_srli_epi32::<23>(bits));
            let exponent = Self(exponent) - Self::splat(127.0);
            (Self(_mm256_castsi256_ps(mantissa)), exponent)
        }
    }

    #[inline(always)]
    fn replace(self, lane: usize, value: f32) -> Self {
        // SAFETY: the instructions are there.
        let here = unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let here = _mm256_cmpeq_epi32(lanes, _mm256_set1_epi32(lane as i32));
            M32x8(_mm256_castsi256_ps(here))
        };
        Self::select(here, Self::splat(value), self)
    }

    #[inline(always)]
    fn reduce_sum(self) -> f32 {
        self.fold(|a, b| a + b)
    }

    #[inline(always)]
    fn reduce_max(self) -> f32 {
        self.fold(|a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn prefetch_to_write(at: *const u8) {
        // SAFETY: nothing is read; where this instruction is unknown, it does nothing.
        unsafe { asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags)) }
    }

    #[inline(always)]
    fn vectorize<T: Task>(task: T) -> T::Output {
        // SAFETY: the type is named only after `is_available` said yes.
        unsafe { run(task) }
    }

    #[inline(always)]
    fn outline<T: Task>(task: T) -> T::Output {
        // SAFETY: as above.
        unsafe { outlined::run(task) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> Self {
        // SAFETY: the caller's promise.
        Self::from_f16(unsafe { _mm_loadu_si128(from.cast()) })
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller's promise.
        Self::from_bf16(unsafe { _mm_loadu_si128(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_stream_ps(to, self.0) }
    }

    #[inline(always)]
    fn fence() {
        // SAFETY: the instructions are there.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut f16) {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(to.cast(), self.to_f16()) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(to.cast(), self.to_bf16()) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize, rest: f32) -> Self {
        // SAFETY: the caller's promise; lanes that are masked out are not read.
        Self(unsafe { _mm256_maskload_ps(from, first(n)) }).or_rest(n, rest)
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: the caller's promise; lanes that are masked out are not written.
        unsafe { _mm256_maskstore_ps(to, first(n), self.0) }
    }

    #[inline(always)]
    unsafe fn load_first_f16(from: *const f16, n: usize, rest: f32) -> Self {
        // SAFETY: the caller's promise.
        let values = Self::from_f16(unsafe { load_first_halves(from.cast(), n) });
        values.or_rest(n, rest)
    }

    #[inline(always)]
    unsafe fn store_first_f16(self, to: *mut f16, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { store_first_halves(self.to_f16(), to.cast(), n) }
    }

    #[inline(always)]
    unsafe fn load_first_bf16(from: *const bf16, n: usize, rest: f32) -> Self {
        // SAFETY: the caller's promise.
        let values = Self::from_bf16(unsafe { load_first_halves(from.cast(), n) });
        values.or_rest(n, rest)
    }

    #[inline(always)]
    unsafe fn store_first_bf16(self, to: *mut bf16, n: usize) {
        // SAFETY: the caller's promise.
        unsafe { store_first_halves(self.to_bf16(), to.cast(), n) }
    }
}
