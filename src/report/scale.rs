//! From numbers to places in a picture, with round numbers to read them by.

/// A linear scale.
pub(super) struct Scale {
    domain: [f64; 2],
    range: [f64; 2],
    step: Step,
}

/// Ticks stand at multiples of 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy)]
struct Step {
    value: f64,
    decimals: usize,
}

impl Step {
    /// The smallest one that goes into `extent` at most `times`.
    fn new(extent: f64, times: f64) -> Self {
        let steps = (-9..=15).flat_map(|exponent: i32| {
            [1.0, 2.0, 5.0].map(|leading| {
                // Whole powers are exact: the bits do not depend on a library's `powi`.
                let power = 10_u64.pow(exponent.unsigned_abs()) as f64;
                let small = exponent < 0;
                Self {
                    value: if small {
                        leading / power
                    } else {
                        leading * power
                    },
                    decimals: if small {
                        exponent.unsigned_abs() as usize
                    } else {
                        0
                    },
                }
            })
        });
        let widest = Self {
            value: 1e16,
            decimals: 0,
        };
        let mut steps = steps;
        steps
            .find(|step| extent / step.value <= times + 1e-9)
            .unwrap_or(widest)
    }
}

impl Scale {
    /// `domain` onto `range`, with at most `ticks` intervals. A domain that is next to nothing, or
    /// not finite, becomes one that can be drawn.
    pub(super) fn new(domain: [f64; 2], range: [f64; 2], ticks: usize) -> Self {
        let [low, high] = domain;
        let size = 1.0 + low.abs() + high.abs();
        let domain = match high - low {
            width if !width.is_finite() || width < 0.0 => [0.0, 1.0],
            width if width > 1e-9 * size => domain,
            _ => [low - 0.01 * size, high + 0.01 * size],
        };
        let step = Step::new(domain[1] - domain[0], ticks as f64);
        Self {
            domain,
            range,
            step,
        }
    }

    /// The same, but the domain ends at round numbers.
    pub(super) fn round(domain: [f64; 2], range: [f64; 2], ticks: usize) -> Self {
        let mut scale = Self::new(domain, range, ticks);
        let Step { value, .. } = scale.step;
        let [low, high] = scale.domain;
        scale.domain = [
            (low / value + 1e-9).floor() * value,
            (high / value - 1e-9).ceil() * value,
        ];
        scale
    }

    /// The place of a number.
    pub(super) fn at(&self, value: f64) -> f64 {
        let ([low, high], [from, to]) = (self.domain, self.range);
        from + (value - low) / (high - low) * (to - from)
    }

    /// The round numbers of the domain.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let [low, high] = self.domain.map(|end| end / self.step.value);
        let (first, last) = ((low - 1e-9).ceil() as i64, (high + 1e-9).floor() as i64);
        // A guard only: a step goes into its domain a few times.
        let multiples = (first..=last).take(100);
        multiples.map(|k| k as f64 * self.step.value).collect()
    }

    /// A tick as it is written.
    pub(super) fn label(&self, tick: f64) -> String {
        match self.step.decimals {
            0 if tick.abs() >= 1e5 => format!("{tick:.1e}"),
            decimals if decimals > 3 => format!("{tick:.1e}"),
            decimals => format!("{tick:.decimals$}"),
        }
    }
}

/// The smallest interval that holds all finite numbers; empty, and so replaced by any
/// [`Scale`], when there are none.
pub(super) fn extent(values: impl IntoIterator<Item = f64>) -> [f64; 2] {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<String> {
        scale
            .ticks()
            .iter()
            .map(|&tick| scale.label(tick))
            .collect()
    }

    #[test]
    fn ticks_are_round() {
        let scale = Scale::new([0.0, 1.0], [100.0, 0.0], 5);
        assert_eq!(labels(&scale), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!((scale.at(0.0), scale.at(0.25)), (100.0, 75.0));
        let epochs = Scale::new([1.0, 40.0], [0.0, 39.0], 4);
        assert_eq!(labels(&epochs), ["10", "20", "30", "40"]);
        assert_eq!(epochs.at(1.0), 0.0);
        let round = Scale::round([-0.93, 4.21], [0.0, 1.0], 6);
        let small = Scale::new([0.0, 2e-5], [0.0, 1.0], 2);
        assert_eq!(labels(&small), ["0.0e0", "1.0e-5", "2.0e-5"]);
        assert_eq!(labels(&round), ["-1", "0", "1", "2", "3", "4", "5"]);
    }

    #[test]
    fn what_cannot_be_drawn_is_replaced() {
        for domain in [
            [3.0, 3.0],
            [1.0, 0.0],
            [f64::NAN, 1.0],
            [0.0, f64::INFINITY],
            [f64::MIN, f64::MAX],
            [0.0, 1e300],
            [0.0, 1e-300],
            extent([f64::NAN]),
        ] {
            for scale in [Scale::new, Scale::round].map(|new| new(domain, [0.0, 1.0], 4)) {
                assert!(scale.at(0.5).is_finite(), "{domain:?}");
                assert!(scale.ticks().len() <= 100, "{domain:?}");
            }
        }
        assert_eq!(extent([2.0, f64::NAN, -1.0]), [-1.0, 2.0]);
    }
}
