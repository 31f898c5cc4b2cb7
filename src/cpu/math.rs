//! The few functions that the row program needs beside arithmetic, on vectors of any kind.

use super::simd::{MIN_EXPONENT, Vector};
use std::f32::consts::{LOG2_E, SQRT_2};

/// A logit without any probability, for sweeps over rows without masks: unlike −∞ it makes nothing but 0,
/// whatever it meets.
pub(super) const PAD_LOGIT: f32 = -1e30;

/// `eˣ` for x ≤ 0 with a relative error of at most 3e-7 + 1.2e-7·|x|; 0 at −∞, so that a masked class
/// has probability 0; where the result is no normal number, it may be 0.
#[inline(always)]
pub(super) fn exp<V: Vector>(x: V) -> V {
    x.exp2_times(V::splat(LOG2_E), V::splat(MIN_EXPONENT / LOG2_E))
}

/// `ln x` for x ≥ 0 to within 2 units in the last place, subnormal numbers included.
#[inline(always)]
pub(super) fn ln<V: Vector>(x: V) -> V {
    // Subnormal numbers have no exponent of their own.
    let small = x.lt(V::splat(f32::MIN_POSITIVE));
    let lifted = V::select(small, x * V::splat(16_777_216.0), x);
    let result = ln_times(lifted, V::select(small, V::splat(-24.0), V::splat(0.0)));
    // 0, ∞ and NaN have no such parts.
    let result = V::select(x.lt(V::splat(f32::INFINITY)), result, x);
    V::select(x.eq(V::splat(0.0)), V::splat(f32::NEG_INFINITY), result)
}

/// `ln x` for finite x from the least normal number on; other numbers give anything.
#[inline(always)]
pub(super) fn ln_normal<V: Vector>(x: V) -> V {
    ln_times(x, V::splat(0.0))
}

/// `ln(x · 2ⁿ)` for such x.
///
/// With `x = 2ᵏ m`, `f = m − 1` and `s = f/(2 + f)`: `ln(1 + f) = f − s (f − R(s²))`, R minimax for
/// m in [√½, √2) (FreeBSD's `logf`).
#[inline(always)]
fn ln_times<V: Vector>(x: V, n: V) -> V {
    let one = V::splat(1.0);
    let (m, k) = x.frexp();
    let n = n + k;
    let large = V::splat(SQRT_2).lt(m);
    let m = V::select(large, m * V::splat(0.5), m);
    let n = V::select(large, n + one, n);
    let f = m - one;
    let s = f / (f + V::splat(2.0));
    let z = s * s;
    let w = z * z;
    let odd = V::splat(0.242_790_79).mul_add(w, V::splat(0.400_009_72)) * w;
    let even = V::splat(0.284_987_87).mul_add(w, V::splat(0.666_666_6)) * z;
    let half = f * f * V::splat(0.5);
    let low = s.mul_add(half + odd + even, n * V::splat(9.058_001e-6));
    n.mul_add(V::splat(0.693_138_1), f - (half - low))
}

/// `ln(1 + x)` for x ≥ 0, without loss near 0.
#[inline(always)]
pub(super) fn ln_1p<V: Vector>(x: V) -> V {
    // What rounding 1 + x took away comes back as a factor (Kahan).
    let one = V::splat(1.0);
    let sum = one + x;
    let lost = sum.eq(one) | sum.eq(V::splat(f32::INFINITY));
    V::select(lost, x, ln(sum) * (x / (sum - one)))
}

/// `ln(1 + eˣ)` without overflow and without loss near 0.
#[inline(always)]
pub(super) fn softplus<V: Vector>(x: V) -> V {
    V::splat(0.0).max(x) + ln_1p(exp(V::splat(0.0) - x.abs()))
}

/// Whether [`kl_near`] is right for this `δ`.
#[inline(always)]
pub(super) fn is_near<V: Vector>(delta: V) -> V::Mask {
    delta.abs().lt(V::splat(1.0))
}

/// `a φ(δ)` with `φ(δ) = e^{−δ} − 1 + δ ≥ 0`, for |δ| < 1: `φ(δ)/δ²` is a minimax polynomial with a
/// relative error of 2e-7.
#[inline(always)]
pub(super) fn kl_near<V: Vector>(a: V, delta: V) -> V {
    let series = V::splat(2.496_081_5e-5)
        .mul_add(delta, V::splat(-2.032_548_5e-4))
        .mul_add(delta, V::splat(1.389_133_5e-3))
        .mul_add(delta, V::splat(-8.330_93e-3))
        .mul_add(delta, V::splat(4.166_651_5e-2))
        .mul_add(delta, V::splat(-1.666_669_5e-1))
        .mul_add(delta, V::splat(0.5));
    a * (delta * delta * series)
}

/// `a φ(δ)` for any other δ, where `b = a e^{−δ}`.
#[inline(always)]
pub(super) fn kl_far<V: Vector>(a: V, delta: V, b: V) -> V {
    a * delta - a + b
}

/// One term of `KL(a‖b) = Σ a φ(log a − log b)`: never negative, and right where `a ≈ b`. `a = 0`
/// leaves `b`.
#[inline(always)]
pub(super) fn kl_term<V: Vector>(a: V, log_a: V, b: V, log_b: V) -> V {
    let delta = log_a - log_b;
    let term = V::select(is_near(delta), kl_near(a, delta), kl_far(a, delta, b));
    V::select(a.eq(V::splat(0.0)), b, term)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::simd::{Isa, Kernel, MAX_LANES};

    /// Every class of bit patterns: each exponent and sign with fractions at both ends, in the
    /// middle and spread between; zeros, subnormal numbers, infinities and NaN among them.
    fn patterns() -> impl Iterator<Item = f32> {
        let fractions = (0..64).map(|i| i * 0x1_FFFF % 0x80_0000);
        let fractions: Vec<u32> = fractions
            .chain([1, 2, 0x40_0000, 0x7F_FFFE, 0x7F_FFFF])
            .collect();
        (0..512).flat_map(move |head| {
            let of = move |fraction| f32::from_bits(head << 23 | fraction);
            fractions.clone().into_iter().map(of)
        })
    }

    /// Numbers that the functions are meant for, closer together.
    fn usual() -> impl Iterator<Item = f32> {
        (-1_300_000..=1_300_000).map(|i| i as f32 * 1e-4)
    }

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Exp2,
        Ln,
        Ln1p,
    }

    struct Apply<'a>(Function, &'a mut [f32]);

    impl Kernel for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vector>(self) {
            for values in self.1.chunks_mut(V::LANES) {
                let mut lanes = [0.0; MAX_LANES];
                lanes[..values.len()].copy_from_slice(values);
                let x = V::from_array(&lanes);
                let y = match self.0 {
                    Function::Exp => exp(x),
                    Function::Exp2 => x.exp2_times(V::splat(1.0), V::splat(MIN_EXPONENT)),
                    Function::Ln => ln(x),
                    Function::Ln1p => ln_1p(x),
                };
                values.copy_from_slice(&y.to_array()[..values.len()]);
            }
        }
    }

    /// The function's results with each set of instructions, beside the arguments.
    fn results(
        function: Function,
        wanted: impl Fn(f32) -> bool,
    ) -> impl Iterator<Item = (f32, f32)> {
        let x: Vec<f32> = patterns().chain(usual()).filter(|&x| wanted(x)).collect();
        let here = Isa::ALL.into_iter().filter(|isa| isa.is_available());
        here.flat_map(move |isa| {
            let mut y = x.clone();
            isa.dispatch(Apply(function, &mut y));
            x.clone().into_iter().zip(y)
        })
    }

    #[test]
    fn exponentials_are_within_their_bounds() {
        for (x, y) in results(Function::Exp2, |x| x <= 0.0 && x > f32::NEG_INFINITY) {
            let (y, truth) = (f64::from(y), f64::from(x).exp2());
            let bound = if x <= -126.0 {
                f64::from(f32::MIN_POSITIVE)
            } else {
                2.4e-7 * truth
            };
            assert!((y - truth).abs() <= bound, "2^{x} = {y}, not {truth}");
        }
        for (x, y) in results(Function::Exp, |x| x <= 0.0) {
            let (y, truth) = (f64::from(y), f64::from(x).exp());
            let relative = 3e-7 + 1.2e-7 * f64::from(x.abs());
            let bound = relative.min(1.0) * truth + f64::from(f32::MIN_POSITIVE);
            assert!((y - truth).abs() <= bound, "e^{x} = {y}, not {truth}");
        }
        for (x, y) in results(Function::Exp, f32::is_nan) {
            assert!(y.is_nan(), "{x:?}");
        }
    }

    #[test]
    fn one_and_nothing_are_exact() {
        for (x, y) in results(Function::Exp, |x| x == 0.0 || x == f32::NEG_INFINITY) {
            assert_eq!(y, if x == 0.0 { 1.0 } else { 0.0 });
        }
    }

    #[test]
    fn logarithms_are_within_their_bounds() {
        for (x, y) in results(Function::Ln, |x| x > 0.0 && x < f32::INFINITY) {
            let (y, truth) = (f64::from(y), f64::from(x).ln());
            let bound = 2.4e-7 * truth.abs();
            assert!((y - truth).abs() <= bound, "ln {x} = {y}, not {truth}");
        }
        for (x, y) in results(Function::Ln1p, |x| (0.0..f32::INFINITY).contains(&x)) {
            let (y, truth) = (f64::from(y), f64::from(x).ln_1p());
            let bound = 4.8e-7 * truth.abs();
            assert!((y - truth).abs() <= bound, "ln(1 + {x}) = {y}, not {truth}");
        }
        for (x, y) in results(Function::Ln, |x| !(x > 0.0 && x < f32::INFINITY)) {
            match x {
                0.0 => assert_eq!(y, f32::NEG_INFINITY),
                f32::INFINITY => assert_eq!(y, f32::INFINITY),
                // No logarithm of a negative number is asked for.
                _ => assert!(y.is_nan() || x < 0.0, "ln {x} = {y}"),
            }
        }
    }

    #[test]
    fn kl_terms_are_never_negative_and_right_near_equality() {
        for i in -2000..=2000 {
            let delta = f64::from(i) * 1e-3;
            let (log_a, log_b) = (-2.0_f32, -2.0 - delta as f32);
            let (a, b) = (f64::from(log_a).exp(), f64::from(log_b).exp());
            let exact_delta = f64::from(log_a) - f64::from(log_b);
            let truth = a * ((-exact_delta).exp_m1() + exact_delta);
            let term = f64::from(kl_term(a as f32, log_a, b as f32, log_b));
            assert!(term >= 0.0);
            let bound = 1e-6 * truth + 1e-12 + 5e-8 * f64::from(exact_delta.abs() >= 1.0);
            assert!((term - truth).abs() <= bound, "{delta}: {term} {truth}");
        }
        assert_eq!(kl_term(0.0, f32::NEG_INFINITY, 0.25, -1.0), 0.25);
        let masked = f32::NEG_INFINITY;
        assert_eq!(kl_term(0.0, masked, 0.0, masked), 0.0);
    }
}
