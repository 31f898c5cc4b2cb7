//! The Kullback-Leibler divergence, a sum of terms that are never negative.

use super::softmax::Distribution;
use super::sum::sum;

/// `KL(a‖b) = Σ a (log a − log b)`, never negative.
pub(super) fn kl(a: &Distribution, b: &Distribution) -> f64 {
    let a = a.p.iter().zip(&a.log);
    let b = b.p.iter().zip(&b.log);
    sum(a
        .zip(b)
        .map(|((&a, &log_a), (&b, &log_b))| kl_of(a, log_a, b, log_b)))
}

/// One class's term of KL(a‖b), masks decided on the logarithms: what a masks gives `b`, what only
/// b masks gives +∞.
pub(super) fn kl_of(a: f64, log_a: f64, b: f64, log_b: f64) -> f64 {
    if log_a == f64::NEG_INFINITY {
        b
    } else {
        kl_term(a, log_a - log_b, b)
    }
}

/// `a φ(δ)` with `δ = log a − log b`: since both sides sum to 1, `Σ a δ = Σ (a δ − a + b)`, whose
/// terms are never negative and of second order where a ≈ b. −∞ stands for a masked a.
pub(super) fn kl_term(a: f64, delta: f64, b: f64) -> f64 {
    if delta == f64::NEG_INFINITY {
        b
    } else if delta == f64::INFINITY {
        f64::INFINITY
    } else if delta.abs() < 1.0 {
        a * phi(delta)
    } else {
        a * delta - a + b
    }
}

/// `φ(δ) = e^−δ − 1 + δ = Σ_{k≥2} (−δ)^k / k!` for |δ| < 1. As `1 + x/3 (1 + x/4 (…))` times
/// `x²/2`, to `x²⁰`: what is left out is below f64's rounding.
fn phi(delta: f64) -> f64 {
    let x = -delta;
    let tail = (3..=20)
        .rev()
        .fold(1.0, |tail, k| 1.0 + x / f64::from(k) * tail);
    0.5 * x * x * tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phi_agrees_with_its_closed_form() {
        for delta in [-0.999, -0.5, 0.3, 0.9, 0.999f64] {
            let closed = (-delta).exp_m1() + delta;
            assert!((phi(delta) / closed - 1.0).abs() < 1e-14, "{delta}");
        }
        assert!((phi(1e-9) / 5e-19 - 1.0).abs() < 1e-8);
    }

    #[test]
    fn two_rows_that_almost_agree_have_the_loss_of_second_order() {
        let p = Distribution::softmax(&[1.0, 2.0, 0.5], 4.0);
        let q = Distribution::softmax(&[1.0 + 1e-7, 2.0, 0.5], 4.0);
        let variance = p.p[0] * (1.0 - p.p[0]);
        let expected = 0.5 * variance * (1e-7 / 4.0f64).powi(2);
        assert!((kl(&p, &q) / expected - 1.0).abs() < 1e-6);
        assert_eq!(kl(&p, &p), 0.0);
    }
}
