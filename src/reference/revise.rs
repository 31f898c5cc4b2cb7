//! The revision of the teacher's target on wrong rows: p → p'.

use super::softmax::{Distribution, top};
use crate::spec::Revision;

/// p' of a wrong row with label `y`, and the β of label revision (1 with any other).
///
/// `teacher_top` is the arg-max of the raw logits. LabelRevision and LabelSmoothing unmask `y`;
/// ProbabilityShift exchanges the masks together with the values.
pub(super) fn revised(
    revision: Revision,
    mut p: Distribution,
    y: usize,
    teacher_top: usize,
) -> (Distribution, f64) {
    match revision {
        Revision::None => (p, 1.0),
        Revision::LabelRevision { eta } => label_revision(p, y, f64::from(eta)),
        Revision::ProbabilityShift => {
            p.p.swap(y, teacher_top);
            p.log.swap(y, teacher_top);
            (p, 1.0)
        }
        Revision::LabelSmoothing { epsilon } => (label_smoothing(p, y, f64::from(epsilon)), 1.0),
    }
}

/// `p' = β p + (1−β) e_y` with `β = η / (p_max − p_y + 1)`.
///
/// Source: Lan et al., arXiv 2404.03693.
fn label_revision(mut p: Distribution, y: usize, eta: f64) -> (Distribution, f64) {
    let gap = p.p[top(&p.p)] - p.p[y];
    let beta = eta / (gap + 1.0);
    // 1 − β without the subtraction.
    let at_y = beta * p.p[y] + (gap + (1.0 - eta)) / (gap + 1.0);
    let log_at_y = if at_y < 0.5 {
        at_y.ln()
    } else {
        (-beta * p.rest(y)).ln_1p()
    };
    for (p, log) in p.p.iter_mut().zip(&mut p.log) {
        *p *= beta;
        *log += beta.ln();
    }
    p.p[y] = at_y;
    p.log[y] = log_at_y;
    (p, beta)
}

/// `1−ε` at `y`, `ε/(n−1)` on the other `n−1` classes that the teacher does not mask.
///
/// Source: Wen et al., arXiv 1911.07471.
fn label_smoothing(mut p: Distribution, y: usize, epsilon: f64) -> Distribution {
    let unmasked = |&(c, log): &(usize, &f64)| c != y && *log > f64::NEG_INFINITY;
    // At least one on a wrong row: the teacher's top.
    let others = p.log.iter().enumerate().filter(unmasked).count();
    let share = epsilon / others as f64;
    for (p, log) in p.p.iter_mut().zip(&mut p.log) {
        if *log > f64::NEG_INFINITY {
            *p = share;
            *log = share.ln();
        }
    }
    p.p[y] = 1.0 - epsilon;
    p.log[y] = (-epsilon).ln_1p();
    p
}

#[cfg(test)]
mod tests {
    use super::super::sum::sum;
    use super::*;

    fn masked_at_y() -> Distribution {
        Distribution::softmax(&[1.0, f64::NEG_INFINITY, 3.0, f64::NEG_INFINITY], 2.0)
    }

    #[test]
    fn logarithms_follow_the_probabilities() {
        for revision in [
            Revision::LabelRevision { eta: 0.8 },
            Revision::LabelRevision { eta: 0.999_999_9 },
            Revision::ProbabilityShift,
            Revision::LabelSmoothing { epsilon: 0.1 },
        ] {
            let (target, _) = revised(revision, masked_at_y(), 1, 2);
            assert!((sum(target.p.iter().copied()) - 1.0).abs() < 1e-15);
            for (p, log) in target.p.iter().zip(&target.log) {
                assert!(
                    (p.ln() - log).abs() < 1e-14 || p.ln() == *log,
                    "{revision:?}"
                );
            }
            assert!(target.log[1].is_finite() && target.log[3] == f64::NEG_INFINITY);
        }
    }

    #[test]
    fn the_shift_exchanges_masks() {
        let (target, beta) = revised(Revision::ProbabilityShift, masked_at_y(), 1, 2);
        assert_eq!(target.log[2], f64::NEG_INFINITY);
        assert_eq!((target.p[1], beta), (masked_at_y().p[2], 1.0));
    }
}
