//! The divergences D(p', q) and their slopes.

use super::decoupled::decoupled;
use super::softmax::{Distribution, top};
use super::sum::{Sum, sum};
use crate::spec::Divergence;

/// A divergence of one row: its value, its derivative, and the scale of its rounding error.
///
/// For the divergences of distributions all three leave out τ² and the derivative is with respect
/// to the tempered logits `s/τ`; the squared error of logits knows no τ.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// `D`, +∞ where a mask makes it so.
    pub(super) value: f64,
    /// `∂D/∂(s_c/τ)`, always finite.
    pub(super) slope: Vec<f64>,
    /// `max_c max(p'_c, q_c) (1 + |δ_c|)`, or the largest slope of logits: the row's part in the
    /// bound G.
    pub(super) bound: f64,
}

/// One class of both distributions.
#[derive(Clone, Copy)]
struct Class {
    p: f64,
    log_p: f64,
    q: f64,
    log_q: f64,
}

impl Class {
    /// `q − p'`, as `q (1 − e^−d)` or `p' (e^d − 1)` with `d = log q − log p'`: where both are next
    /// to 1 the logarithms still tell them apart.
    fn difference(self) -> f64 {
        let d = self.log_q - self.log_p;
        if d.is_finite() && d >= 0.0 {
            -self.q * (-d).exp_m1()
        } else if d.is_finite() {
            self.p * d.exp_m1()
        } else {
            self.q - self.p
        }
    }
}

/// The classes of target `p'` and student `q` side by side.
fn classes<'a>(
    target: &'a Distribution,
    student: &'a Distribution,
) -> impl Iterator<Item = Class> + 'a {
    let target = target.p.iter().zip(&target.log);
    let student = student.p.iter().zip(&student.log);
    target
        .zip(student)
        .map(|((&p, &log_p), (&q, &log_q))| Class { p, log_p, q, log_q })
}

/// D(p', q) of the two tempered distributions; `y` is the label, where there is one.
pub(super) fn divergence(
    kind: Divergence,
    target: &Distribution,
    student: &Distribution,
    y: Option<usize>,
) -> Term {
    match (kind, y) {
        (Divergence::Decoupled { alpha, beta }, Some(y)) => {
            decoupled(target, student, y, alpha.into(), beta.into())
        }
        (Divergence::ForwardKl | Divergence::Decoupled { .. }, _) => forward_kl(target, student),
        (Divergence::ReverseKl, _) => reverse_kl(target, student),
        (Divergence::JensenShannon { beta }, _) => jensen_shannon(target, student, beta.into()),
        (Divergence::TotalVariation, _) => total_variation(target, student),
        (Divergence::MseProbs, _) => mse_probs(target, student),
        (Divergence::MseLogits, _) => unreachable!("compares logits: see `mse_logits`"),
    }
}

/// `Σ p' (log p' − log q)`, slope `q − p'`. A class masked in the student only makes it +∞ and
/// leaves the slope as it is.
fn forward_kl(target: &Distribution, student: &Distribution) -> Term {
    Term {
        value: kl(target, student),
        slope: classes(target, student).map(Class::difference).collect(),
        bound: largest(target, student),
    }
}

/// `R = Σ q (log q − log p')`, slope `q (log q − log p' − R)`. A class masked in the target only
/// makes it +∞ and the slope 0.
fn reverse_kl(target: &Distribution, student: &Distribution) -> Term {
    let value = kl(student, target);
    if value == f64::INFINITY {
        return Term {
            value,
            slope: vec![0.0; student.classes()],
            bound: 0.0,
        };
    }
    // A class that the student masks has q = 0 and no slope.
    let delta = |c: Class| {
        if c.log_q == f64::NEG_INFINITY {
            0.0
        } else {
            c.log_q - c.log_p
        }
    };
    let bound = |c: Class| c.p.max(c.q) * (1.0 + delta(c).abs());
    let h: Vec<f64> = classes(target, student).map(delta).collect();
    Term {
        value,
        // R = Σ q δ.
        slope: through_softmax(student, &h),
        bound: classes(target, student).map(bound).fold(0.0, f64::max),
    }
}

/// `β KL(p'‖m) + (1−β) KL(q‖m)` with `m = βp' + (1−β)q`; `h = (1−β) log(q/m)`.
fn jensen_shannon(target: &Distribution, student: &Distribution, beta: f64) -> Term {
    let mut value = Sum::default();
    let mut h = Vec::with_capacity(student.classes());
    for c in classes(target, student) {
        let m = beta * c.p + (1.0 - beta) * c.q;
        let (p_over_m, q_over_m) = log_ratios_to_mixture(c, beta);
        value.add(beta * kl_term(c.p, p_over_m, m));
        value.add((1.0 - beta) * kl_term(c.q, q_over_m, m));
        h.push(if c.log_q == f64::NEG_INFINITY {
            0.0
        } else {
            (1.0 - beta) * q_over_m
        });
    }
    Term {
        value: value.value(),
        slope: through_softmax(student, &h),
        bound: largest(target, student),
    }
}

/// `(log p'/m, log q/m)`, from the difference of the logarithms so that they are right where p' ≈ q.
/// −∞ for a masked class.
fn log_ratios_to_mixture(c: Class, beta: f64) -> (f64, f64) {
    const MASKED: f64 = f64::NEG_INFINITY;
    match (c.log_p == MASKED, c.log_q == MASKED) {
        (true, true) => (MASKED, MASKED),
        (true, false) => (MASKED, -(-beta).ln_1p()),
        (false, true) => (-beta.ln(), MASKED),
        (false, false) => {
            let d = c.log_q - c.log_p;
            // m = q (1 + β (e^−d − 1)) = p' (1 + (1−β) (e^d − 1)): the one that cannot overflow.
            if d >= 0.0 {
                let q_over_m = -(beta * (-d).exp_m1()).ln_1p();
                (q_over_m - d, q_over_m)
            } else {
                let p_over_m = -((1.0 - beta) * d.exp_m1()).ln_1p();
                (p_over_m, p_over_m + d)
            }
        }
    }
}

/// `½ Σ |p' − q|`; `h = ½ sign(q − p')`, sign(0) = 0.
fn total_variation(target: &Distribution, student: &Distribution) -> Term {
    let difference = || classes(target, student).map(Class::difference);
    let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
    let h: Vec<f64> = difference().map(|d| 0.5 * sign(d)).collect();
    Term {
        value: 0.5 * sum(difference().map(f64::abs)),
        slope: through_softmax(student, &h),
        bound: largest(target, student),
    }
}

/// `(1/V) Σ (q − p')²`; `h = (2/V) (q − p')`.
fn mse_probs(target: &Distribution, student: &Distribution) -> Term {
    let per_class = 1.0 / student.classes() as f64;
    let difference = || classes(target, student).map(Class::difference);
    let h: Vec<f64> = difference().map(|d| 2.0 * per_class * d).collect();
    Term {
        value: per_class * sum(difference().map(|d| d * d)),
        slope: through_softmax(student, &h),
        bound: 2.0 * per_class * largest(target, student),
    }
}

/// `(1/V) Σ (s − t)²`, slope `2 (s − t)/V` with respect to the raw logits. A class masked in both
/// rows contributes nothing; masked in one only it makes D = +∞ and has slope 0.
///
/// The slope is right to a rounding of its own, but the cross-entropy's may cancel it: the bound is
/// the largest slope.
pub(super) fn mse_logits(student: &[f64], target: &[f64]) -> Term {
    let per_class = 1.0 / student.len() as f64;
    let mut value = Sum::default();
    let mut slope = Vec::with_capacity(student.len());
    for (&s, &t) in student.iter().zip(target) {
        let masked = [s, t].map(|z| z == f64::NEG_INFINITY);
        let difference = if masked == [true, true] { 0.0 } else { s - t };
        value.add(per_class * difference * difference);
        slope.push(if difference.is_finite() {
            2.0 * per_class * difference
        } else {
            0.0
        });
    }
    let bound = slope
        .iter()
        .fold(0.0, |most: f64, slope| most.max(slope.abs()));
    Term {
        value: value.value(),
        slope,
        bound,
    }
}

/// `q_c (h_c − Σ_k q_k h_k)`: a derivative with respect to q, taken through the softmax.
///
/// A constant added to all h changes nothing, so the top class's own h is subtracted first: where
/// that class has q next to 1, its h and the mean would cancel.
fn through_softmax(student: &Distribution, h: &[f64]) -> Vec<f64> {
    let at_top = h[top(&student.p)];
    let each = || student.p.iter().zip(h).map(|(q, h)| (q, h - at_top));
    let mean = sum(each().map(|(q, h)| q * h));
    each().map(|(q, h)| q * (h - mean)).collect()
}

/// `max_c max(p'_c, q_c)`.
pub(super) fn largest(target: &Distribution, student: &Distribution) -> f64 {
    target
        .p
        .iter()
        .chain(&student.p)
        .fold(0.0, |a, &b| a.max(b))
}

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
fn kl_term(a: f64, delta: f64, b: f64) -> f64 {
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
    fn the_mixture_from_either_side() {
        for beta in [0.1, 0.5, 0.9] {
            for d in [-800.0, -3.0, -1e-9, 0.0, 1e-9, 3.0, 800.0f64] {
                let c = Class {
                    p: 0.5,
                    log_p: 0.5f64.ln(),
                    q: 0.5 * d.exp(),
                    log_q: 0.5f64.ln() + d,
                };
                let (p_over_m, q_over_m) = log_ratios_to_mixture(c, beta);
                // m/p' = β + (1−β) e^d, where that does not overflow.
                if d < 700.0 {
                    let direct = -(beta + (1.0 - beta) * d.exp()).ln();
                    assert!((p_over_m - direct).abs() < 1e-13 * (1.0 + d.abs()));
                }
                assert!((q_over_m - p_over_m - d).abs() < 1e-12);
            }
        }
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
