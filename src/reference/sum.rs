//! Sums whose error does not grow with their length.

/// A running sum with Neumaier's compensation: the error stays at one rounding of the result plus
/// a second-order term, whatever the number of classes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let next = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - next) + value
        } else {
            (value - next) + self.sum
        };
        self.sum = next;
    }

    pub(super) fn value(self) -> f64 {
        // Beside an infinite sum the compensation is ∞ − ∞.
        if self.sum.is_finite() {
            self.sum + self.lost
        } else {
            self.sum
        }
    }
}

/// `Σ values`.
pub(super) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut total = Sum::default();
    for value in values {
        total.add(value);
    }
    total.value()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn what_a_plain_sum_loses_is_kept() {
        assert_eq!(sum([1.0, 1e100, 1.0, -1e100]), 2.0);
        let parts = 1_000_003;
        assert_eq!(sum((0..parts).map(|_| 0.1)), 0.1 * f64::from(parts));
    }

    #[test]
    fn infinities_stand() {
        assert_eq!(sum([1.0, f64::INFINITY, 2.0, f64::INFINITY]), f64::INFINITY);
        assert!(sum([1.0, f64::NAN]).is_nan());
    }
}
