//! Feature losses: the oracle's own laws, and one suite for every engine that holds it against the
//! oracle within the contract's bounds.
//!
//! `cases` makes batches with every kind of row, `judge` holds an engine's answer against the
//! oracle's, and each engine instantiates [`suite!`] once per pair of types.

mod arguments;
mod cases;
mod cpu;
mod judge;
mod oracle;

use cases::{Case, Kind, Rng};
use fused_kd::spec::{Distance, FeatureSpec, Format, Relation};
use judge::Rounding;

/// What an engine computed for a case.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) total: f32,
    pub(crate) gradient: Vec<f32>,
    pub(crate) distance: Vec<f32>,
}

impl Answer {
    /// For comparisons to the bit.
    pub(crate) fn bits(&self) -> Vec<u32> {
        let all = self.gradient.iter().chain(&self.distance);
        all.chain([&self.total]).map(|x| x.to_bits()).collect()
    }
}

/// An engine under test, with its student's and target's types.
pub(crate) trait Subject {
    /// How the gradient is rounded.
    const STUDENT: Format;
    const TARGET: Format;
    const BOUNDS: judge::Bounds;

    /// Runs the case on features rounded to these types.
    fn answer(case: &Case) -> Answer;
}

pub(crate) fn specifications() -> impl Iterator<Item = FeatureSpec> {
    let relations = [Relation::Inherit, Relation::Explore];
    Distance::ALL
        .into_iter()
        .flat_map(move |distance| relations.map(|relation| FeatureSpec { distance, relation }))
}

/// Rows of every kind side by side, at the widths that layers have.
pub(crate) fn every_kind_on_sizes<S: Subject>(widths: &[usize]) {
    let mut rng = Rng::new(1);
    for spec in specifications() {
        for &width in widths {
            for rows in [0, 1, 7, 130] {
                if rows * width <= 1_000_000 {
                    judge::judge::<S>(&Case::new(&mut rng, spec, rows, width, &Kind::ALL));
                }
            }
        }
    }
}

/// Each kind of row alone, so that a failure says which it was.
pub(crate) fn every_kind_alone<S: Subject>() {
    let mut rng = Rng::new(2);
    for spec in specifications() {
        for kind in Kind::ALL {
            for width in [1, 2, 3, 16, 100, 1003] {
                judge::judge::<S>(&Case::new(&mut rng, spec, 5, width, &[kind]));
            }
        }
    }
}

/// The distance does not change along x, so the gradient stands at right angles to it; and it does
/// not change with the length of x, while the gradient falls with it: to the bit for powers of two.
pub(crate) fn only_directions_count<S: Subject>() {
    let mut rng = Rng::new(3);
    for spec in specifications() {
        for width in [2, 16, 100] {
            let case = Case::new(&mut rng, spec, 9, width, &[Kind::Plain]);
            let answer = S::answer(&case);
            let rows = answer.gradient.chunks_exact(width);
            for (g, x) in rows.zip(case.student.chunks_exact(width)) {
                let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
                let along: f64 = g.iter().zip(x).map(|(&g, &x)| product(g, x)).sum();
                let size: f64 = g.iter().zip(x).map(|(&g, &x)| product(g, x).abs()).sum();
                let rounding = S::STUDENT.epsilon().max(2e-6);
                let most = spec.distance.bound(width) * f64::from(case.upstream).abs();
                assert!(
                    along.abs() <= rounding * (size + most),
                    "{along} of {size}: {spec:?}"
                );
            }
            let mut longer = case.clone();
            longer.student.iter_mut().for_each(|x| *x *= 4.0);
            let of_longer = S::answer(&longer);
            assert_eq!(of_longer.total, answer.total);
            assert_eq!(of_longer.distance, answer.distance);
            for (a, b) in of_longer.gradient.iter().zip(&answer.gradient) {
                // Half types may have no number a quarter of the size.
                assert!((4.0 * a - b).abs() <= 1e-6, "{a} {b}");
            }
        }
    }
}

/// Exploration is inheritance with the other sign, and nothing else.
pub(crate) fn exploration_is_the_opposite<S: Subject>() {
    let mut rng = Rng::new(4);
    for distance in Distance::ALL {
        let [inherit, explore] = [Relation::Inherit, Relation::Explore]
            .map(|relation| FeatureSpec { distance, relation });
        let mut case = Case::new(&mut rng, inherit, 40, 33, &Kind::TAME);
        let closer = S::answer(&case);
        case.spec = explore;
        let away = S::answer(&case);
        assert_eq!(closer.total, -away.total);
        assert_eq!(closer.distance, away.distance);
        assert!(
            closer
                .gradient
                .iter()
                .zip(&away.gradient)
                .all(|(a, b)| *a == -b)
        );
    }
}

/// The suite for one subject.
macro_rules! suite {
    ($name:ident, $subject:ty, $widths:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn every_kind_on_sizes() {
                crate::every_kind_on_sizes::<$subject>($widths);
            }

            #[test]
            fn every_kind_alone() {
                crate::every_kind_alone::<$subject>();
            }

            #[test]
            fn only_directions_count() {
                crate::only_directions_count::<$subject>();
            }

            #[test]
            fn exploration_is_the_opposite() {
                crate::exploration_is_the_opposite::<$subject>();
            }
        }
    };
}
pub(crate) use suite;
