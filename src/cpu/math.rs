//! The few functions that the row program needs beside arithmetic.

/// `eˣ` to within 2 units in the last place; 0 below the smallest normal number, so that a masked
/// class (`x = −∞`) has probability 0. Branch-free, so that a loop over lanes becomes vectors.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// Adding and taking away 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with few bits, so that `n · LN2_HIGH` is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(-88.0, 88.5);
    let n = (clamped * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    // The minimax polynomial of (eʳ − 1 − r)/r² on |r| ≤ ½ ln 2 (Cephes).
    let mut p = 1.987_569_1e-4;
    for c in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        5e-1,
    ] {
        p = p * r + c;
    }
    let fraction = p * r * r + r + 1.0;
    // 2ⁿ in two factors, because n = 128 has no representation of its own.
    let half = (n * 0.5) as i32;
    let rest = n as i32 - half;
    let power = |n: i32| f32::from_bits(((n + 127) as u32) << 23);
    let result = fraction * power(half) * power(rest);
    if x < -87.336_54 { 0.0 } else { result }
}

/// `ln(1 + eˣ)` without overflow and without loss near 0.
#[inline]
pub(super) fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// One term of `KL(a‖b) = Σ a φ(log a − log b)` with `φ(δ) = e^{−δ} − 1 + δ ≥ 0`: never negative,
/// and right where `a ≈ b`. `a = 0` leaves `b`.
#[inline(always)]
pub(super) fn kl_term(a: f32, log_a: f32, b: f32, log_b: f32) -> f32 {
    let delta = log_a - log_b;
    // φ's series up to δ¹¹, good for |δ| < 1.
    let mut series = 1.0 / 39_916_800.0;
    for factorial in [
        3_628_800.0,
        362_880.0,
        40_320.0,
        5_040.0,
        720.0,
        120.0,
        24.0,
        6.0,
        2.0_f32,
    ] {
        series = 1.0 / factorial - series * delta;
    }
    let near = a * (delta * delta * series);
    let far = a * delta - a + b;
    let term = if delta.abs() < 1.0 { near } else { far };
    if a == 0.0 { b } else { term }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0_f64;
        for i in -870_000..=880_000 {
            let x = i as f32 * 1e-4;
            let truth = f64::from(x).exp();
            let error = (f64::from(exp(x)) - truth).abs() / truth;
            worst = worst.max(error);
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(-1e30), 0.0);
        assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
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
