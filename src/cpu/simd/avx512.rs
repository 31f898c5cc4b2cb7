//! Sixteen lanes of AVX-512.

use super::{Mask, Task, Vector};
use half::{bf16, f16};
use std::arch::asm;
use std::arch::x86_64::*;
use std::f32::consts::SQRT_2;
use std::ops::{Add, Div, Mul, Sub};

/// Exists only where [`is_available`] said yes.
#[derive(Clone, Copy)]
pub(crate) struct F32x16(__m512);

/// Two vectors that begin where lines of the cache do: a load across two lines takes twice as long.
#[repr(align(64))]
struct Table([i32; 32]);

/// The bits of 2^(j/32) less those that j has where a count of 32nds becomes an exponent.
static TABLE: Table = {
    let (mut bits, mut j) = ([0; 32], 0);
    while j < 32 {
        bits[j as usize] = POWERS[j as usize].to_bits() as i32 - (j << 18);
        j += 1;
    }
    Table(bits)
};

/// 2^(j/32).
const POWERS: [f32; 32] = [
    1.0,
    1.021_897_2,
    1.044_273_7,
    1.067_140_5,
    1.090_507_7,
    1.114_386_8,
    1.138_788_6,
    1.163_724_9,
    1.189_207_1,
    1.215_247_4,
    1.241_857_8,
    1.269_051,
    1.296_839_6,
    1.325_236_7,
    1.354_255_6,
    1.383_91,
    SQRT_2,
    1.445_180_8,
    1.476_826_2,
    1.509_164_5,
    1.542_210_8,
    1.575_980_9,
    1.610_490_3,
    1.645_755_5,
    1.681_792_9,
    1.718_619_3,
    1.756_252_2,
    1.794_709_1,
    1.834_008_1,
    1.874_167_7,
    1.915_206_6,
    1.957_144_1,
];

pub(super) fn is_available() -> bool {
    // The system keeps these registers only where it is asked for all of them.
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn run<T: Task>(task: T) -> T::Output {
    task.run()
}

/// What [`Vector::outline`] runs.
mod outlined {
    #[inline(never)]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
    pub(super) fn run<T: super::Task>(task: T) -> T::Output {
        task.run()
    }
}

/// Operators as instructions.
macro_rules! operators {
    ($($name:ident $function:ident $instruction:ident)*) => {$(
        impl $name for F32x16 {
            type Output = Self;

            #[inline(always)]
            fn $function(self, other: Self) -> Self {
                // SAFETY: the type exists only where its instructions do.
                Self(unsafe { $instruction(self.0, other.0) })
            }
        }
    )*};
}

operators!(Add add _mm512_add_ps Sub sub _mm512_sub_ps Mul mul _mm512_mul_ps Div div _mm512_div_ps);

impl Mask for u16 {
    #[inline(always)]
    fn splat(value: bool) -> Self {
        if value { Self::MAX } else { 0 }
    }

    #[inline(always)]
    fn any(self) -> bool {
        self != 0
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
}

impl F32x16 {
    #[inline(always)]
    fn from_f16(bits: __m256i) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_cvtph_ps(bits) })
    }

    #[inline(always)]
    fn from_bf16(bits: __m256i) -> Self {
        // SAFETY: the instructions are there.
        unsafe {
            let lanes = _mm512_cvtepu16_epi32(bits);
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(lanes)))
        }
    }

    #[inline(always)]
    fn to_f16(self) -> __m256i {
        // SAFETY: the instructions are there.
        unsafe { _mm512_cvtps_ph::<0>(self.0) }
    }

    #[inline(always)]
    fn to_bf16(self) -> __m256i {
        // SAFETY: the instructions are there.
        unsafe {
            // Adding to a NaN could carry into its sign: whatever is NaN becomes this one, and the
            // rest stays. Not by a mask: a load of the constant under a mask of zeros, which is
            // what compilers make of it, does not count as use of its page. Once the system has
            // found that page unused, each such load takes the processor some 40 cycles.
            let quiet = _mm512_set1_ps(f32::NAN);
            let kept = _mm512_set1_epi32(0x1111_1100);
            let number = _mm512_fixupimm_ps::<0>(quiet, self.0, kept);
            // To nearest, ties to even.
            let bits = _mm512_castps_si512(number);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF));
            let rounded = _mm512_add_epi32(bits, half);
            _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded))
        }
    }
}

/// Reduces sixteen vectors, each into the lane of its number: halves are combined with halves, as in the tree of
/// one vector, and what is left of two vectors shares one.
macro_rules! reduced_rows {
    ($($name:ident $instruction:ident)*) => {$(
        #[inline(always)]
        fn $name(of: &[F32x16; 16]) -> F32x16 {
            let mut rest = [of[0].0; 16];
            // Those that end in one group of four lanes come together first.
            for (i, vector) in rest.iter_mut().enumerate() {
                *vector = of[i / 4 + i % 4 * 4].0;
            }
            // SAFETY: the instructions are there.
            unsafe {
                for i in 0..8 {
                    let (a, b) = (rest[2 * i], rest[2 * i + 1]);
                    let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                    rest[i] = $instruction(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
                }
                for i in 0..4 {
                    let (a, b) = (rest[2 * i], rest[2 * i + 1]);
                    let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                    rest[i] = $instruction(even, _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
                }
                for i in 0..2 {
                    let (a, b) = (rest[2 * i], rest[2 * i + 1]);
                    let low = _mm512_shuffle_ps::<0b01_00_01_00>(a, b);
                    rest[i] = $instruction(low, _mm512_shuffle_ps::<0b11_10_11_10>(a, b));
                }
                let even = _mm512_shuffle_ps::<0b10_00_10_00>(rest[0], rest[1]);
                let odd = _mm512_shuffle_ps::<0b11_01_11_01>(rest[0], rest[1]);
                F32x16($instruction(even, odd))
            }
        }
    )*};
}

reduced_rows!(reduce_sum_rows _mm512_add_ps reduce_max_rows _mm512_max_ps);

/// Rows as columns: pairs of lanes, fours of them, and then the fours themselves.
#[inline(always)]
fn transpose(of: &mut [F32x16; 16]) {
    // SAFETY: the instructions are there.
    unsafe {
        let mut fours = [_mm512_setzero_ps(); 16];
        for i in 0..4 {
            let (a, b) = (of[4 * i].0, of[4 * i + 1].0);
            let (c, d) = (of[4 * i + 2].0, of[4 * i + 3].0);
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            fours[i] = _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
            fours[4 + i] = _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
            let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            fours[8 + i] = _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd);
            fours[12 + i] = _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd);
        }
        // Group q of `fours[4 * k + i]` is column 4q + k of rows 4i to 4i + 3.
        for k in 0..4 {
            let (a, b, c, d) = (
                fours[4 * k],
                fours[4 * k + 1],
                fours[4 * k + 2],
                fours[4 * k + 3],
            );
            let (ab, cd) = (
                _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
            );
            of[k].0 = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
            of[8 + k].0 = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd);
            let (ab, cd) = (
                _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
            );
            of[4 + k].0 = _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd);
            of[12 + k].0 = _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd);
        }
    }
}

// SAFETY of every block below that says no more: the type exists only where its instructions do.
impl Vector for F32x16 {
    const LANES: usize = 16;
    type Mask = u16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn mul_sub(self, factor: Self, subtrahend: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_fmsub_ps(self.0, factor.0, subtrahend.0) })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn lt(self, other: Self) -> u16 {
        // SAFETY: the instructions are there.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn eq(self, other: Self) -> u16 {
        // SAFETY: the instructions are there.
        unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0) }
    }

    #[inline(always)]
    fn select(mask: u16, yes: Self, no: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }

    #[inline(always)]
    fn round(self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_roundscale_ps::<0>(self.0) })
    }

    #[inline(always)]
    fn ldexp(self, n: Self) -> Self {
        // SAFETY: the instructions are there.
        Self(unsafe { _mm512_scalef_ps(self.0, n.0) })
    }

    #[inline(always)]
    fn frexp(self) -> (Self, Self) {
        // SAFETY: the instructions are there.
        unsafe {
            let mantissa = _mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_SRC>(self.0);
            (Self(mantissa), Self(_mm512_getexp_ps(self.0)))
        }
    }

    #[inline(always)]
    fn replace(self, lane: usize, value: f32) -> Self {
        Self::select(1 << lane, Self::splat(value), self)
    }

    #[inline(always)]
    fn reduce_sum(self) -> f32 {
        // SAFETY: the instructions are there.
        unsafe { _mm512_reduce_add_ps(self.0) }
    }

    #[inline(always)]
    fn reduce_max(self) -> f32 {
        // SAFETY: the instructions are there.
        unsafe { _mm512_reduce_max_ps(self.0) }
    }

    #[inline(always)]
    fn reduce_sum_rows(of: &[Self; 16]) -> Self {
        reduce_sum_rows(of)
    }

    #[inline(always)]
    fn reduce_max_rows(of: &[Self; 16]) -> Self {
        reduce_max_rows(of)
    }

    #[inline(always)]
    fn transpose(of: &mut [Self; 16]) {
        transpose(of);
    }

    #[inline(always)]
    fn prefetch(at: *const u8) {
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    fn prefetch_near(at: *const u8) {
        // SAFETY: nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
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
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> Self {
        // SAFETY: the caller's promise.
        Self::from_f16(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller's promise.
        Self::from_bf16(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn stream(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_stream_ps(to, self.0) }
    }

    #[inline(always)]
    fn fence() {
        // SAFETY: the instructions are there.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut f16) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), self.to_f16()) }
    }

    #[inline(always)]
    unsafe fn store_bf16(self, to: *mut bf16) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), self.to_bf16()) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize, rest: f32) -> Self {
        // SAFETY: the caller's promise; lanes that are masked out are not read.
        Self(unsafe { _mm512_mask_loadu_ps(Self::splat(rest).0, (1 << n) - 1, from) })
    }

    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: the caller's promise; lanes that are masked out are not written.
        unsafe { _mm512_mask_storeu_ps(to, (1 << n) - 1, self.0) }
    }

    #[inline(always)]
    unsafe fn load_first_f16(from: *const f16, n: usize, rest: f32) -> Self {
        let mask = (1 << n) - 1;
        // SAFETY: the caller's promise; lanes that are masked out are not read.
        let first = Self::from_f16(unsafe { _mm256_maskz_loadu_epi16(mask, from.cast()) });
        Self::select(mask, first, Self::splat(rest))
    }

    #[inline(always)]
    unsafe fn store_first_f16(self, to: *mut f16, n: usize) {
        // SAFETY: the caller's promise; lanes that are masked out are not written.
        unsafe { _mm256_mask_storeu_epi16(to.cast(), (1 << n) - 1, self.to_f16()) }
    }

    #[inline(always)]
    unsafe fn load_first_bf16(from: *const bf16, n: usize, rest: f32) -> Self {
        let mask = (1 << n) - 1;
        // SAFETY: the caller's promise; lanes that are masked out are not read.
        let first = Self::from_bf16(unsafe { _mm256_maskz_loadu_epi16(mask, from.cast()) });
        Self::select(mask, first, Self::splat(rest))
    }

    #[inline(always)]
    unsafe fn store_first_bf16(self, to: *mut bf16, n: usize) {
        // SAFETY: the caller's promise; lanes that are masked out are not written.
        unsafe { _mm256_mask_storeu_epi16(to.cast(), (1 << n) - 1, self.to_bf16()) }
    }

    /// By a table of 2^(j/32), and a polynomial on [−1/64, 1/64] with a relative error of 6e-8: six
    /// operations on the two multipliers, where a polynomial alone takes eight. The power of two is
    /// added to the exponent: where the scaling instruction underflows, some processors leave their
    /// pipeline for 150 cycles, and every masked class would do that.
    #[inline(always)]
    fn exp2_times(self, rate: Self, floor: Self) -> Self {
        // In this order NaN stays.
        let x = floor.max(self);
        // Adding and taking away 1.5·2¹⁸ rounds to a 32nd, which the lowest bits then count.
        let magic = Self::splat(393_216.0);
        let rounded = x.mul_add(rate, magic);
        let n = rounded - magic;
        let r = x.mul_sub(rate, n);
        // SAFETY: the instructions are there; both halves of the table are of 16 words.
        let power = unsafe {
            let [low, high] = [0, 16].map(|i| _mm512_load_si512(TABLE.0.as_ptr().add(i).cast()));
            let count = _mm512_castps_si512(rounded.0);
            let power = _mm512_permutex2var_epi32(low, count, high);
            let scaled = _mm512_add_epi32(power, _mm512_slli_epi32::<18>(count));
            Self(_mm512_castsi512_ps(scaled))
        };
        let p = r.mul_add(Self::splat(0.240_226_5), Self::splat(0.693_157_3));
        (power * r).mul_add(p, power)
    }
}
