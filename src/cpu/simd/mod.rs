//! Vectors of `f32`: one small trait, a thin file per instruction set, and the choice between them.
//!
//! The row program is written once, over [`Vector`]. A [`Task`] that [`Vector::enter`] runs is
//! compiled for the vector's instructions as far as it is inlined; so what a task calls is
//! `#[inline(always)]`, or enters again.
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
pub(super) use isa::Program;

use half::{bf16, f16};
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

/// No vector has more lanes.
pub(in crate::cpu) const MOST_LANES: usize = 16;

/// Adding and taking away 1.5·2²³ rounds to the nearest integer.
const ROUND: f32 = 12_582_912.0;

/// `f` of each value: as an array's own `map`, and inlined with certainty.
#[inline(always)]
pub(in crate::cpu) fn map<A: Copy, B: Copy, const N: usize>(
    values: [A; N],
    f: impl Fn(A) -> B,
) -> [B; N] {
    let mut results = [f(values[0]); N];
    for i in 1..N {
        results[i] = f(values[i]);
    }
    results
}

/// Work that is compiled for one instruction set.
pub(in crate::cpu) trait Task {
    /// What it gives back.
    type Output;
    /// Does it.
    fn run(self) -> Self::Output;
}

/// Some lanes yes, others no.
pub(in crate::cpu) trait Mask:
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
/// type is named by [`Isa::run`] alone, after it has asked.
pub(in crate::cpu) trait Vector:
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
    /// Whether sweeps are compiled once for each power that temperatures 1, 2 and 4 make of an exponential.
    const BY_POWER: bool = true;
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
    /// `self · 2ⁿ` for `self` in [½, 2] and integral n ≤ 127; 0 where n is less than −126.
    fn times_power_of_two(self, n: Self) -> Self;
    /// `(m, n)` with `m` in [1, 2) and `self = m · 2ⁿ`, for positive normal numbers.
    fn split(self) -> (Self, Self);
    /// Another value in one lane.
    fn replace(self, lane: usize, value: f32) -> Self;
    /// The sum of the lanes, as a tree.
    fn sum(self) -> f32;
    /// The largest lane, for lanes that are numbers.
    fn maximum(self) -> f32;

    /// The sums of the first `LANES` of these vectors, each in the lane of its number.
    #[inline(always)]
    fn sums(of: &[Self; MOST_LANES]) -> Self {
        let mut lanes = [0.0; MOST_LANES];
        for (lane, vector) in lanes[..Self::LANES].iter_mut().zip(of) {
            *lane = vector.sum();
        }
        Self::from_lanes(&lanes)
    }
    /// Their maxima likewise.
    #[inline(always)]
    fn maxima(of: &[Self; MOST_LANES]) -> Self {
        let mut lanes = [0.0; MOST_LANES];
        for (lane, vector) in lanes[..Self::LANES].iter_mut().zip(of) {
            *lane = vector.maximum();
        }
        Self::from_lanes(&lanes)
    }

    /// Rows as columns: lane i of vector j becomes lane j of vector i. Vectors of fewer lanes do not
    /// have it: where two of them make a row, going value by value is as fast.
    #[inline(always)]
    fn transpose(_: &mut [Self; MOST_LANES]) {
        unreachable!("there are more rows than lanes");
    }

    /// Asks for what lies at an address, readable or not, to be brought nearer.
    #[inline(always)]
    fn prefetch(_: *const u8) {}
    /// The same, as near as can be.
    #[inline(always)]
    fn prefetch_near(_: *const u8) {}
    /// The same for what will be written.
    #[inline(always)]
    fn prefetch_to_write(_: *const u8) {}

    /// Runs a task with these instructions.
    fn enter<T: Task>(task: T) -> T::Output;

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

    /// All lanes, then zeros.
    #[inline(always)]
    fn to_lanes(self) -> [f32; MOST_LANES] {
        let mut lanes = [0.0; MOST_LANES];
        // SAFETY: no vector has more lanes than the array.
        unsafe { self.store(lanes.as_mut_ptr()) };
        lanes
    }

    /// The first lanes of these.
    #[inline(always)]
    fn from_lanes(lanes: &[f32; MOST_LANES]) -> Self {
        // SAFETY: no vector has more lanes than the array.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    /// The first `n` values, then `rest`.
    ///
    /// # Safety
    /// `n` values can be read, fewer than `LANES`.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize, rest: f32) -> Self {
        let mut lanes = [rest; MOST_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *lane = unsafe { *from.add(i) };
        }
        Self::from_lanes(&lanes)
    }

    /// Writes the first `n` values.
    ///
    /// # Safety
    /// `n` values can be written, fewer than `LANES`.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        for (i, &lane) in self.to_lanes()[..n].iter().enumerate() {
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
        let mut lanes = [rest; MOST_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *lane = unsafe { *from.add(i) }.to_f32();
        }
        Self::from_lanes(&lanes)
    }

    /// As [`Vector::store_first`].
    ///
    /// # Safety
    /// `n` values can be written, fewer than `LANES`.
    #[inline(always)]
    unsafe fn store_first_f16(self, to: *mut f16, n: usize) {
        let mut narrow = [f16::ZERO; MOST_LANES];
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
        let mut lanes = [rest; MOST_LANES];
        for (i, lane) in lanes[..n].iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *lane = unsafe { *from.add(i) }.to_f32();
        }
        Self::from_lanes(&lanes)
    }

    /// As [`Vector::store_first`].
    ///
    /// # Safety
    /// `n` values can be written, fewer than `LANES`.
    #[inline(always)]
    unsafe fn store_first_bf16(self, to: *mut bf16, n: usize) {
        let mut narrow = [bf16::ZERO; MOST_LANES];
        // SAFETY: the array has room for all lanes; then the caller's promise.
        unsafe {
            self.store_bf16(narrow.as_mut_ptr());
            std::ptr::copy_nonoverlapping(narrow.as_ptr(), to, n);
        }
    }

    /// `2^(self · rate)` for products ≤ 0 and a positive `rate`; 0 from `floor` = [`NOTHING`](super::math::NOTHING)/`rate`
    /// down, and NaN stays. See [`exp2_polynomial`](super::math::exp2_polynomial).
    #[inline(always)]
    fn exp2_times(self, rate: Self, floor: Self) -> Self {
        super::math::exp2_polynomial(floor.max(self) * rate)
    }
}
