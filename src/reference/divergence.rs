//! The divergences D(p', q) and their slopes.

use super::decoupled::decoupled;
use super::kl::{kl, kl_term};
use super::softmax::{Distribution, top};
use super::sum::{Sum, sum};
use super::term::{Term, largest};
use crate::spec::Divergence;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
