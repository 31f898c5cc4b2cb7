//! Decoupled knowledge distillation: the label against the rest, and the rest among itself.

use super::kl::{kl, kl_of};
use super::softmax::Distribution;
use super::term::{Term, largest};

/// A distribution as `b = (value at y, rest)` and `hat`, the rest renormalised.
struct Split {
    at_y: f64,
    log_at_y: f64,
    rest: f64,
    log_rest: f64,
    /// Nothing where all classes besides y are masked.
    hat: Option<Distribution>,
}

impl Split {
    fn new(all: &Distribution, y: usize) -> Self {
        let (log_rest, hat) = match all.without(y) {
            Some((log_rest, hat)) => (log_rest, Some(hat)),
            None => (f64::NEG_INFINITY, None),
        };
        Self {
            at_y: all.p[y],
            log_at_y: all.log[y],
            rest: log_rest.exp(),
            log_rest,
            hat,
        }
    }
}

/// `α KL(b^t‖b^s) + β KL(p̂‖q̂)`; slope at y `α (q_y − p'_y)`, else
/// `−α (q_y − p'_y) q̂_c + β (q̂_c − p̂_c)`.
///
/// - α = 0 or β = 0: that term is not evaluated, so it cannot be infinite.
/// - The target has mass at y, in the rest, or at a class of the rest that the student masks: +∞,
///   and the slope stays the formula.
/// - No unmasked class besides y in one of the rows: the β term and its slope are 0. If it is the
///   student, q̂ does not exist and the slope is 0 at all classes besides y.
///
/// Source: Zhao et al., arXiv 2203.08679, section 3.
pub(super) fn decoupled(
    target: &Distribution,
    student: &Distribution,
    y: usize,
    alpha: f64,
    beta: f64,
) -> Term {
    let (t, s) = (Split::new(target, y), Split::new(student, y));
    let mut value = 0.0;
    let mut slope = vec![0.0; student.classes()];
    if alpha != 0.0 {
        value += alpha * kl_of(t.at_y, t.log_at_y, s.at_y, s.log_at_y);
        value += alpha * kl_of(t.rest, t.log_rest, s.rest, s.log_rest);
        // q_y − p'_y, from whichever side is far from 1.
        let excess = if t.at_y > 0.5 {
            t.rest - s.rest
        } else {
            s.at_y - t.at_y
        };
        if let Some(q) = &s.hat {
            for (slope, q) in slope.iter_mut().zip(&q.p) {
                *slope -= alpha * excess * q;
            }
        }
        slope[y] = alpha * excess;
    }
    if let (Some(p), Some(q)) = (&t.hat, &s.hat)
        && beta != 0.0
    {
        value += beta * kl(p, q);
        // Both are 0 at y.
        for (slope, (p, q)) in slope.iter_mut().zip(p.p.iter().zip(&q.p)) {
            *slope += beta * (q - p);
        }
    }
    Term {
        value,
        slope,
        bound: (alpha + beta) * largest(target, student),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASKED: f64 = f64::NEG_INFINITY;

    fn term(target: &[f64], student: &[f64], alpha: f64, beta: f64) -> Term {
        let of = |z: &[f64]| Distribution::softmax(z, 4.0);
        decoupled(&of(target), &of(student), 0, alpha, beta)
    }

    #[test]
    fn with_the_right_weights_it_is_the_forward_kl() {
        let (t, s) = ([0.3, 1.0, -2.0, 0.1], [1.0, 0.5, 0.5, -1.0]);
        let of = |z: &[f64]| Distribution::softmax(z, 4.0);
        let (p, q) = (of(&t), of(&s));
        // KL(p‖q) = KL(b^t‖b^s) + (1−p_y) KL(p̂‖q̂), the paper's equation 4.
        let whole = term(&t, &s, 1.0, p.rest(0));
        assert!((whole.value - kl(&p, &q)).abs() < 1e-15);
        for ((slope, p), q) in whole.slope.iter().zip(&p.p).zip(&q.p) {
            // The gradients differ: here (1−p_y) is a constant weight, and the whole's gradient
            // q − p follows all the same, because p does not depend on s.
            assert!((slope - (q - p)).abs() < 1e-15);
        }
    }

    #[test]
    fn masks_in_the_rest() {
        let student_masks_one = term(&[1.0, 2.0, 3.0], &[1.0, MASKED, 3.0], 1.0, 8.0);
        assert_eq!(student_masks_one.value, f64::INFINITY);
        assert!(student_masks_one.slope.iter().all(|g| g.is_finite()));
        let target_masks_one = term(&[1.0, MASKED, 3.0], &[1.0, 2.0, 3.0], 1.0, 8.0);
        assert!(target_masks_one.value.is_finite());
    }

    #[test]
    fn a_row_that_masks_the_whole_rest() {
        let (alone, whole) = ([1.0, MASKED, MASKED], [1.0, 2.0, 3.0]);
        let student = term(&whole, &alone, 1.0, 8.0);
        assert_eq!(student.value, f64::INFINITY);
        assert!(student.slope[0] > 0.0 && student.slope[1..] == [0.0, 0.0]);
        assert_eq!(term(&whole, &alone, 0.0, 8.0).value, 0.0);
        let target = term(&alone, &whole, 1.0, 8.0);
        let log_q = Distribution::softmax(&whole, 4.0).log[0];
        assert!((target.value + log_q).abs() < 1e-15, "α KL alone");
        assert!((target.slope.iter().sum::<f64>()).abs() < 1e-15);
        let both = term(&alone, &alone, 1.0, 8.0);
        assert_eq!((both.value, both.slope), (0.0, vec![0.0; 3]));
    }

    #[test]
    fn the_label_masked() {
        let (masked, whole) = ([MASKED, 2.0, 3.0], [1.0, 2.0, 3.0]);
        assert_eq!(term(&whole, &masked, 1.0, 8.0).value, f64::INFINITY);
        assert!(term(&whole, &masked, 0.0, 8.0).value < 1e-15);
        let log_rest = Distribution::softmax(&whole, 4.0).rest(0).ln();
        let target = term(&masked, &whole, 1.0, 0.0);
        assert!((target.value + log_rest).abs() < 1e-15);
    }
}
