//! The softmax of a row, kept with its logarithms.

use super::sum::sum;

/// A distribution over V classes: `p[c]`, and `log[c] = log p[c]`, which stays right where `p[c]`
/// underflows. A class is masked iff `log[c] = −∞`.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    pub(super) p: Vec<f64>,
    pub(super) log: Vec<f64>,
}

impl Distribution {
    /// `softmax(z/τ)`: the maximum is subtracted first, then divided by τ.
    ///
    /// With `e_c = exp((z_c − max)/τ)` the top class has `e = 1`, so `S = 1 + rest` and
    /// `log S = ln_1p(rest)`: the logarithm of a probability next to 1 keeps all its digits.
    /// `z` holds at least one finite value, and neither NaN nor +∞.
    pub(super) fn softmax(z: &[f64], tau: f64) -> Self {
        let top = top(z);
        let max = z[top];
        let mut log: Vec<f64> = z.iter().map(|&z| (z - max) / tau).collect();
        let mut p: Vec<f64> = log.iter().map(|&u| u.exp()).collect();
        let rest = sum_without(&p, top);
        let log_sum = rest.ln_1p();
        for (p, log) in p.iter_mut().zip(&mut log) {
            *p /= 1.0 + rest;
            *log -= log_sum;
        }
        Self { p, log }
    }

    /// The number of classes, masked ones included.
    pub(super) fn classes(&self) -> usize {
        self.p.len()
    }

    /// `1 − p_class`, as the sum of the others.
    pub(super) fn rest(&self, class: usize) -> f64 {
        sum_without(&self.p, class)
    }

    /// `(log Σ_{c≠class} p_c, the distribution without `class`, renormalised)`, or nothing where
    /// all the other classes are masked.
    pub(super) fn without(&self, class: usize) -> Option<(f64, Self)> {
        let mut others = self.log.clone();
        others[class] = f64::NEG_INFINITY;
        let top = top(&others);
        if others[top] == f64::NEG_INFINITY {
            return None;
        }
        let renormalised = Self::softmax(&others, 1.0);
        Some((others[top] - renormalised.log[top], renormalised))
    }
}

/// The class of the largest value, the lowest index winning ties; −0 and +0 are equal.
pub(super) fn top(row: &[f64]) -> usize {
    let mut top = 0;
    for (class, &value) in row.iter().enumerate() {
        if value > row[top] {
            top = class;
        }
    }
    top
}

/// No NaN, no +∞, and not −∞ throughout.
pub(super) fn has_finite_maximum(row: &[f64]) -> bool {
    let legal = |&x: &f64| x < f64::INFINITY;
    row.iter().all(legal) && row.iter().any(|x| x.is_finite())
}

/// `Σ_{c≠class} values_c`.
pub(super) fn sum_without(values: &[f64], class: usize) -> f64 {
    sum(others(values, class))
}

/// `max_{c≠class} values_c`, −∞ where there is no other class.
pub(super) fn max_without(values: &[f64], class: usize) -> f64 {
    others(values, class).fold(f64::NEG_INFINITY, f64::max)
}

fn others(values: &[f64], class: usize) -> impl Iterator<Item = f64> {
    values[..class].iter().chain(&values[class + 1..]).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_next_to_one_keeps_the_digits_of_its_logarithm() {
        let sure = Distribution::softmax(&[0.0, -40.0], 1.0);
        assert_eq!(sure.log[0], -(-40f64).exp());
        assert_eq!(sure.rest(0), (-40f64).exp());
        let far = Distribution::softmax(&[0.0, -9e3, f64::NEG_INFINITY], 1.0);
        assert_eq!((far.p[1], far.log[1]), (0.0, -9e3));
        assert_eq!((far.p[2], far.log[2]), (0.0, f64::NEG_INFINITY));
    }

    #[test]
    fn the_rest_is_renormalised() {
        let all = Distribution::softmax(&[1.0, 2.0, 3.0], 2.0);
        let (log_rest, hat) = all.without(2).unwrap();
        assert!((log_rest.exp() - (all.p[0] + all.p[1])).abs() < 1e-16);
        assert!((hat.p[1] - all.p[1] / (all.p[0] + all.p[1])).abs() < 1e-15);
        assert_eq!(hat.log[2], f64::NEG_INFINITY);
        let one = Distribution::softmax(&[1.0, f64::NEG_INFINITY], 2.0);
        assert!(one.without(0).is_none());
        assert_eq!(one.without(1).unwrap().0, 0.0);
    }

    #[test]
    fn the_lowest_index_wins_ties() {
        assert_eq!(top(&[-0.0, 0.0, -1.0]), 0);
        assert_eq!(top(&[f64::NEG_INFINITY, -5.0, -5.0]), 1);
        assert_eq!(max_without(&[3.0, 1.0, 2.0], 0), 2.0);
        assert_eq!(max_without(&[3.0], 0), f64::NEG_INFINITY);
    }
}
