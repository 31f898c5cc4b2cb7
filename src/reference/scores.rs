//! The selection scores of a row, at τ = 1 on the raw logits, in nats.

use super::softmax::{Distribution, max_without, sum_without};
use super::sum::sum;

/// `max_c p_c`.
pub(super) fn confidence(p: &Distribution) -> f64 {
    p.p.iter().copied().fold(0.0, f64::max)
}

/// `−log p_y`, +∞ where y is masked.
pub(super) fn cross_entropy(p: &Distribution, y: usize) -> f64 {
    // `0 −` rather than `−`: a sure class has +0.
    0.0 - p.log[y]
}

/// `−Σ p_c log p_c` with `0·log 0 = 0`.
pub(super) fn entropy(p: &Distribution) -> f64 {
    let term = |(&p, &log): (&f64, &f64)| if p == 0.0 { 0.0 } else { p * log };
    0.0 - sum(p.p.iter().zip(&p.log).map(term))
}

/// `p_y − max_{c≠y} p_c`, 0 without another class.
pub(super) fn margin(p: &Distribution, y: usize) -> f64 {
    if p.classes() == 1 {
        return 0.0;
    }
    p.p[y] - max_without(&p.p, y)
}

/// `s_y − max_{c≠y} s_c`, 0 without another class. One −∞: ±∞ stands; both are −∞ in no row that is
/// computed, because it would be −∞ throughout.
///
/// Source: the increment of AUM, Pleiss et al., arXiv 2001.10528.
pub(super) fn logit_margin(row: &[f64], y: usize) -> f64 {
    let other = max_without(row, y);
    if row.len() == 1 || row[y] == other {
        return 0.0;
    }
    row[y] - other
}

/// `‖q1 − e_y‖₂ = √(Σ_{c≠y} q1_c² + (Σ_{c≠y} q1_c)²)`.
///
/// Source: Paul et al., arXiv 2107.07075.
pub(super) fn el2n(q: &Distribution, y: usize) -> f64 {
    let squares: Vec<f64> = q.p.iter().map(|q| q * q).collect();
    (sum_without(&squares, y) + q.rest(y).powi(2)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_classes_by_hand() {
        let ln = f64::ln;
        let p = Distribution::softmax(&[ln(0.5), ln(0.3), ln(0.2)], 1.0);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        close(confidence(&p), 0.5);
        close(cross_entropy(&p, 1), -ln(0.3));
        close(
            entropy(&p),
            -(0.5 * ln(0.5) + 0.3 * ln(0.3) + 0.2 * ln(0.2)),
        );
        close(margin(&p, 0), 0.2);
        close(margin(&p, 2), -0.3);
        close(el2n(&p, 1), (0.25f64 + 0.04 + 0.49).sqrt());
    }

    #[test]
    fn masks_and_single_classes() {
        const MASKED: f64 = f64::NEG_INFINITY;
        assert_eq!(logit_margin(&[1.0], 0), 0.0);
        assert_eq!(logit_margin(&[1.0, MASKED], 0), f64::INFINITY);
        assert_eq!(logit_margin(&[1.0, MASKED], 1), MASKED);
        assert_eq!(logit_margin(&[1.0, MASKED, MASKED], 1), -f64::INFINITY);
        assert_eq!(logit_margin(&[MASKED, MASKED], 1), 0.0);
        let one = Distribution::softmax(&[1.0], 1.0);
        assert_eq!((margin(&one, 0), entropy(&one)), (0.0, 0.0));
        assert!(entropy(&one).is_sign_positive() && cross_entropy(&one, 0).is_sign_positive());
        let masked = Distribution::softmax(&[1.0, MASKED], 1.0);
        assert_eq!((margin(&masked, 0), margin(&masked, 1)), (1.0, -1.0));
        assert_eq!(el2n(&masked, 1), 2f64.sqrt());
    }
}
