//! Vectors of `f32`: one small trait, a thin file per instruction set, and the choice between them.
//!
//! The row program is written once, over [`Vector`]. [`Isa::dispatch`] runs a [`Kernel`] on the vectors of
//! an instruction set. A [`Task`] that [`Vector::vectorize`] runs is compiled for the vector's instructions
//! as far as it is inlined; so what a task calls is `#[inline(always)]`, or a task of its own.
//!
//! [`Isa::Portable`] stands for what every processor of the target has: SSE2 on x86-64, where plain Rust
//! takes longer to compile and to run; plain Rust elsewhere, and on x86-64 too in a build with `--cfg
//! fused_kd_plain` where FUSED_KD_PLAIN is set. Results are the same, bit by bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
#[cfg(any(test, fused_kd_plain, not(target_arch = "x86_64")))]
mod portable;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod sse2;

pub use isa::Isa;
pub(super) use isa::Kernel;

use half::{bf16, f16};
use std::f32::consts::LN_2;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

/// The most lanes that a vector has.
pub(crate) const MAX_LANES: usize = 16;

/// The number of each lane.
pub(crate) const LANE_NUMBERS: [f32; MAX_LANES] = {
    let (mut lanes, mut i) = ([0.0; MAX_LANES], 0);
    while i < MAX_LANES {
        lanes[i] = i as f32;
        i += 1;
    }
    lanes
};

/// Powers of two with this exponent or a lower one become 0.
pub(crate) const MIN_EXPONENT: f32 = -127.0;

/// Adding and taking away 1.5·2²³ rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;

/// `f` of each value: as an array's own `map`, and inlined with certainty.
#[inline(always)]
pub(crate) fn map<A: Copy, B: Copy, const N: usize>(values: [A; N], f: impl Fn(A) -> B) -> [B; N] {
    let mut results = [f(values[0]); N];
    for i in 1..N {
        results[i] = f(values[i]);
    }
    results
}

/// Work that is compiled for one instruction set.
pub(crate) trait Task {
    /// What the task returns.
    type Output;
    /// Runs the task.
    fn run(self) -> Self::Output;
}

/// Some lanes yes, others no.
pub(crate) trait Mask:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// Yes or no in every lane.
    fn splat(value: bool) -> Self;
    /// Whether any lane says yes.
    fn any(self) -> bool;
    /// The lanes as bits, the first lane lowest.
    fn bits(self) -> u32;
}

/// `LANES` floats that are worked on together. `f32` itself is the vector of one lane.
///
/// The functions of an implementation may run only where the processor has its instructions: its
/// type is named by [`Isa::dispatch`] alone, after it has asked.
pub(crate) trait Vector:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Send
    + Sync
    + 'static
{
    /// How many floats.
    const LANES: usize;
    /// Whether sweeps are compiled for each temperature whose exponentials are powers of each other, or
    /// only for τ = 4, which most presets have.
    const KNOWS_POWERS: bool = true;
    /// What comparisons give.
    type Mask: Mask;

    /// The same value in every lane.
    fn splat(value: f32) -> Self;
    /// `self · factor + addend`, with one rounding where the processor can.
    // Not f32::mul_add, which is a call where the target has no such instruction.
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self * factor + addend
    }
    /// `self · factor − subtrahend`, likewise.
    #[inline(always)]
    fn mul_sub(self, factor: Self, subtrahend: Self) -> Self {
        self * factor - subtrahend
    }
    /// The larger value; `other` where either is NaN.
    fn max(self, other: Self) -> Self;
    /// The magnitude.
    fn abs(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// `self < other`; no where either is NaN.
    fn lt(self, other: Self) -> Self::Mask;
    /// `self = other`; no where either is NaN.
    fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask says so, else `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The nearest integer, for |x| < 2²².
    #[inline(always)]
    fn round(self) -> Self {
        (self + Self::splat(ROUND)) - Self::splat(ROUND)
    }
    /// C's `ldexp`: `self · 2ⁿ` for `self` in [½, 2] and integral n ≤ 127; 0 where n is less than −126.
    fn ldexp(self, n: Self) -> Self;
    /// C's `frexp` with another range: `(m, n)` with `m` in [1, 2) and `self = m · 2ⁿ`, for positive normal
    /// numbers.
    fn frexp(self) -> (Self, Self);
    /// Another value in one lane.
    fn replace(self, lane: usize, value: f32) -> Self;
    /// The sum of the lanes, as a tree.
    fn reduce_sum(self) -> f32;
    /// The largest lane, for lanes that are numbers.
    fn reduce_max(self) -> f32;

    /// [`Self::reduce_sum`] of the first `LANES` of these vectors, each in the lane of its number.
    #[inline(always)]
    fn reduce_sum_rows(of: &[Self; MAX_LANES]) -> Self {
        let mut lanes = [0.0; MAX_LANES];
        for (lane, vector) in lanes[..Self::LANES].iter_mut().zip(of) {
            *lane = vector.reduce_sum();
        }
        Self::from_array(&lanes)
    }
    /// [`Self::reduce_max`] of them, likewise.
    #[inline(always)]
    fn reduce_max_rows(of: &[Self; MAX_LANES]) -> Self {
        let mut lanes = [0.0; MAX_LANES];
        for (lane, vector) in lanes[..Self::LANES].iter_mut().zip(of) {
            *lane = vector.reduce_max();
        }
        Self::from_array(&lanes)
    }

    /// Rows as columns: lane i of vector j becomes lane j of vector i. Vectors of fewer lanes do not
    /// have it: where two of them make a row, going value by value is as fast.
    #[inline(always)]
    fn transpose(_: &mut [Self; MAX_LANES]) {
        unreachable!("there are more rows than lanes");
    }

    /// Prefetches the line at an address, readable or not, into the L2 cache.
    #[inline(always)]
    fn prefetch(_: *const u8) {}
    /// Prefetches it into the L1 cache.
    #[inline(always)]
    fn prefetch_near(_: *const u8) {}
    /// Prefetches it in order to write it.
    #[inline(always)]
    fn prefetch_to_write(_: *const u8) {}

    /// Runs a task with these instructions.
    fn vectorize<T: Task>(task: T) -> T::Output;
    /// Runs a task as a function of its own, which no caller's values keep from its registers. The functions
    /// stand in a module of their own, because the compiler shares its work between threads by modules.
    #[inline(always)]
    fn outline<T: Task>(task: T) -> T::Output {
        Self::vectorize(task)
    }

    /// # Safety
    /// `LANES` values can be read.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `LANES` values can be read.
    unsafe fn load_f16(from: *const f16) -> Self;
    /// # Safety
    /// `LANES` values can be read.
    unsafe fn load_bf16(from: *const bf16) -> Self;
    /// # Safety
    /// `LANES` values can be written.
    unsafe fn store(self, to: *mut f32);
    /// Past the caches, where the processor can; to be followed by [`Vector::fence`].
    ///
    /// # Safety
    /// `LANES` values can be written, and `to` is a multiple of their size.
    #[inline(always)]
    unsafe fn stream(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { self.store(to) }
    }
    /// Orders what was streamed before everything after.
    #[inline(always)]
    fn fence() {}
    /// # Safety
    /// `LANES` values can be written.
    unsafe fn store_f16(self, to: *mut f16);
    /// # Safety
    /// `LANES` values can be written.
    unsafe fn store_bf16(self, to: *mut bf16);

    /// One lane, from memory.
    #[inline(always)]
    fn lane(&self, lane: usize) -> f32 {
        assert!(lane < Self::LANES);
        // SAFETY: a vector is its lanes, and this is one of them.
        unsafe { std::ptr::from_ref(self).cast::<f32>().add(lane).read() }
    }

    /// All lanes, then zeros.
    #[inline(always)]
    fn to_array(self) -> [f32; MAX_LANES] {
        let mut lanes = [0.0; MAX_LANES];
        // SAFETY: no vector has more lanes than the array.
        unsafe { self.store(lanes.as_mut_ptr()) };
        lanes
    }

    /// The first lanes of these.
    #[inline(always)]
    fn from_array(lanes: &[f32; MAX_LANES]) -> Self {
        // SAFETY: no vector has more lanes than the array.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    /// The first `n` values, then `rest`.
    ///
    /// # Safety
    /// `n` values can be read, fewer than `LANES`.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize, rest: f32) -> Self {
        let mut lanes = [rest; MAX_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *lane = unsafe { *from.add(i) };
        }
        Self::from_array(&lanes)
    }

    /// Writes the first `n` values.
    ///
    /// # Safety
    /// `n` values can be written, fewer than `LANES`.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        for (i, &lane) in self.to_array()[..n].iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *to.add(i) = lane };
        }
    }

    /// As [`Vector::load_first`].
    ///
    /// # Safety
    /// `n` values can be read, fewer than `LANES`.
    #[inline(always)]
    unsafe fn load_first_f16(from: *const f16, n: usize, rest: f32) -> Self {
        let mut lanes = [rest; MAX_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *lane = unsafe { *from.add(i) }.to_f32();
        }
        Self::from_array(&lanes)
    }

    /// As [`Vector::store_first`].
    ///
    /// # Safety
    /// `n` values can be written, fewer than `LANES`.
    #[inline(always)]
    unsafe fn store_first_f16(self, to: *mut f16, n: usize) {
        let mut narrow = [f16::ZERO; MAX_LANES];
        // SAFETY: the array has room for all lanes; then the caller's promise.
        unsafe {
            self.store_f16(narrow.as_mut_ptr());
            std::ptr::copy_nonoverlapping(narrow.as_ptr(), to, n);
        }
    }

    /// As [`Vector::load_first`].
    ///
    /// # Safety
    /// `n` values can be read, fewer than `LANES`.
    #[inline(always)]
    unsafe fn load_first_bf16(from: *const bf16, n: usize, rest: f32) -> Self {
        let mut lanes = [rest; MAX_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *lane = unsafe { *from.add(i) }.to_f32();
        }
        Self::from_array(&lanes)
    }

    /// As [`Vector::store_first`].
    ///
    /// # Safety
    /// `n` values can be written, fewer than `LANES`.
    #[inline(always)]
    unsafe fn store_first_bf16(self, to: *mut bf16, n: usize) {
        let mut narrow = [bf16::ZERO; MAX_LANES];
        // SAFETY: the array has room for all lanes; then the caller's promise.
        unsafe {
            self.store_bf16(narrow.as_mut_ptr());
            std::ptr::copy_nonoverlapping(narrow.as_ptr(), to, n);
        }
    }

    /// `2^(self · rate)` for products ≤ 0 and a positive `rate`, with a relative error of at most 2.4e-7; where
    /// the result is no normal number, it may be 0. It is 0 from `floor` = [`MIN_EXPONENT`]/`rate` down, and
    /// NaN stays.
    ///
    /// A polynomial on [−½, ½], minimax with value 1 at 0, whose relative error is 1.1e-7; times a power
    /// of two.
    #[inline(always)]
    fn exp2_times(self, rate: Self, floor: Self) -> Self {
        let x = floor.max(self) * rate;
        let n = x.round();
        let r = x - n;
        let p = Self::splat(1.330_060_5e-3)
            .mul_add(r, Self::splat(9.669_691e-3))
            .mul_add(r, Self::splat(5.550_558_5e-2))
            .mul_add(r, Self::splat(2.402_228_3e-1))
            .mul_add(r, Self::splat(LN_2));
        p.mul_add(r, Self::splat(1.0)).ldexp(n)
    }
}
