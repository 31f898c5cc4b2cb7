//! Feature losses: the oracle's own laws, and one suite for every engine that holds it against the
//! oracle within the bounds of docs/methods.md.
//!
//! `cases` makes batches with every kind of row, `judge` holds an engine's answer against the
//! oracle's, and each engine instantiates [`suite!`] once per pair of types.

mod arguments;
mod cases;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod judge;
mod oracle;
#[cfg(feature = "wgpu")]
mod wgsl;

use cases::{Case, Kind, Rng};
use fused_kd::cpu::{Element, FeatureBatch};
use fused_kd::spec::{Distance, FeatureSpec, Relation};
use judge::Rounding;

/// What an engine computed for a case.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) total: f32,
    pub(crate) gradient: Vec<f32>,
    pub(crate) distance: Vec<f32>,
}

impl Answer {
    pub(crate) fn new<E: Element>(total: f32, gradient: &[E], distance: Vec<f32>) -> Self {
        Self {
            total,
            gradient: gradient.iter().map(|g| g.to_f32()).collect(),
            distance,
        }
    }

    /// For comparisons to the bit.
    pub(crate) fn bits(&self) -> Vec<u32> {
        let all = self.gradient.iter().chain(&self.distance);
        all.chain([&self.total]).map(|x| x.to_bits()).collect()
    }
}

/// An engine under test, with its student's and target's types.
pub(crate) trait Subject {
    type Student: Element;
    type Target: Element;
    const BOUNDS: judge::Bounds;
    /// Whether sums are taken in an order that depends on where rows begin.
    const ORDER_OF_PLACES: bool = false;

    /// Whether it can run here; else it has said that it is skipped.
    fn is_available() -> bool {
        true
    }

    /// The engine's call on slices.
    fn run(
        spec: &FeatureSpec,
        width: usize,
        batch: FeatureBatch<Self::Student, Self::Target>,
    ) -> f32;
}

fn typed<E: Element>(row: &[f32]) -> Vec<E> {
    row.iter().map(|&z| E::from_f32(z)).collect()
}

/// Runs the case on features rounded to these types: with the gradient apart, and in place, which has
/// to give the same bits.
pub(crate) fn answer_of<S: Subject>(case: &Case) -> Answer {
    let (mut student, target) = (typed::<S::Student>(&case.student), typed(&case.target));
    let run = |batch: FeatureBatch<S::Student, S::Target>| {
        let mut distance = vec![7.0; case.rows()];
        let batch = case.complete(batch).distances(&mut distance);
        let total = S::run(&case.spec, case.width, batch);
        (total, distance)
    };
    let mut gradient = vec![S::Student::from_f32(7.0); student.len()];
    let batch = FeatureBatch::new(case.rows(), &student, &target);
    let (total, distance) = run(batch.gradient(&mut gradient));
    let apart = Answer::new(total, &gradient, distance);
    let (total, distance) = run(FeatureBatch::in_place(case.rows(), &mut student, &target));
    let in_place = Answer::new(total, &student, distance);
    assert!(in_place.bits() == apart.bits(), "in place: {:?}", case.spec);
    apart
}

pub(crate) fn specifications() -> impl Iterator<Item = FeatureSpec> {
    let relations = [Relation::Inherit, Relation::Explore];
    Distance::ALL
        .into_iter()
        .flat_map(move |distance| relations.map(|relation| FeatureSpec { distance, relation }))
}

/// Rows of every kind side by side, at the widths that layers have.
pub(crate) fn every_kind_on_sizes<S: Subject>(widths: &[usize]) {
    if !S::is_available() {
        return;
    }
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
    if !S::is_available() {
        return;
    }
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
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(3);
    for spec in specifications() {
        for width in [2, 16, 100] {
            let case = Case::new(&mut rng, spec, 9, width, &[Kind::Plain]);
            let answer = answer_of::<S>(&case);
            let rows = answer.gradient.chunks_exact(width);
            for (g, x) in rows.zip(case.student.chunks_exact(width)) {
                let product = |a: f32, b: f32| f64::from(a) * f64::from(b);
                let along: f64 = g.iter().zip(x).map(|(&g, &x)| product(g, x)).sum();
                let size: f64 = g.iter().zip(x).map(|(&g, &x)| product(g, x).abs()).sum();
                let rounding = S::Student::FORMAT.epsilon().max(S::BOUNDS.k);
                let most = spec.distance.bound(width) * f64::from(case.upstream).abs();
                assert!(
                    along.abs() <= rounding * (size + most),
                    "{along} of {size}: {spec:?}"
                );
            }
            let mut longer = case.clone();
            longer.student.iter_mut().for_each(|x| *x *= 4.0);
            let of_longer = answer_of::<S>(&longer);
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
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(4);
    for distance in Distance::ALL {
        let [inherit, explore] = [Relation::Inherit, Relation::Explore]
            .map(|relation| FeatureSpec { distance, relation });
        let mut case = Case::new(&mut rng, inherit, 40, 33, &Kind::TAME);
        let closer = answer_of::<S>(&case);
        case.spec = explore;
        let away = answer_of::<S>(&case);
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

const GAP: f32 = 99.0;

/// Rows apart from each other, at places that no vector is aligned to, and the gradient apart, over the
/// features, or nowhere: the same answer as of dense rows, and nothing written between them.
pub(crate) fn strides_and_places_change_nothing<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(11);
    for spec in specifications() {
        for width in [1, 17, 130] {
            let case = Case::new(&mut rng, spec, 23, width, &Kind::ALL);
            let dense = answer_of::<S>(&case);
            let (of_x, of_y, of_g) = (width + 2, width + 7, width + 1);
            let mut x = spread::<S::Student>(&case.student, width, of_x);
            let y = spread(&case.target, width, of_y);
            let mut g = vec![S::Student::from_f32(GAP); 23 * of_g];
            let run = |batch: FeatureBatch<S::Student, S::Target>| {
                let mut distance = vec![0.0; 23];
                let batch = case.complete(batch).distances(&mut distance);
                let batch = batch.student_stride(of_x).target_stride(of_y);
                let total = S::run(&spec, width, batch);
                (total, distance)
            };
            let batch = FeatureBatch::new(23, &x, &y).gradient(&mut g);
            let (total, distance) = run(batch.gradient_stride(of_g));
            let apart = Answer::new(total, &gathered(&g, width, of_g), distance);
            judge::judge_answer::<S>(&case, &apart);
            assert!(
                S::ORDER_OF_PLACES || apart.bits() == dense.bits(),
                "{width}: {spec:?}"
            );

            let (total, distance) = run(FeatureBatch::in_place(23, &mut x, &y));
            let in_place = Answer::new(total, &gathered(&x, width, of_x), distance);
            assert!(in_place.bits() == apart.bits(), "{width}: {spec:?}");

            let (x, y) = (typed::<S::Student>(&case.student), typed(&case.target));
            let alone = case.complete(FeatureBatch::new(23, &x, &y));
            let total = S::run(&spec, width, alone);
            assert_eq!(total.to_bits(), dense.total.to_bits());
        }
    }
}

fn spread<E: Element>(dense: &[f32], width: usize, stride: usize) -> Vec<E> {
    let fill = vec![GAP; stride - width];
    let rows = dense.chunks_exact(width);
    typed(
        &rows
            .flat_map(|row| [row, &fill].concat())
            .collect::<Vec<_>>(),
    )
}

/// The rows of a strided matrix, after a look at what lies between them.
fn gathered<E: Element>(strided: &[E], width: usize, stride: usize) -> Vec<E> {
    let rows = strided.chunks_exact(stride);
    rows.flat_map(|row| {
        let gap = row[width..].iter().map(|v| v.to_f32());
        assert!(gap.into_iter().all(|v| v == GAP), "a gap was written");
        row[..width].iter().copied()
    })
    .collect()
}

/// Subnormal and largest features: unit vectors all the same.
pub(crate) fn lengths_at_the_ends_of_the_range<S: Subject<Student = f32, Target = f32>>() {
    if !S::is_available() {
        return;
    }
    for spec in specifications() {
        for scale in [f32::from_bits(1), 1e-40, f32::MAX] {
            let x = [scale, 0.0, -scale];
            for (y, most) in [(x, 0.0), ([1.0, 0.0, -1.0], 1e-7)] {
                let mut distance = [7.0];
                let batch = FeatureBatch::new(1, &x, &y);
                S::run(&spec, 3, batch.distances(&mut distance));
                assert!(distance[0] <= most, "{scale:e}: {distance:?}");
            }
        }
    }
}

/// The suite for one subject.
macro_rules! suite {
    ($name:ident, $subject:ty, $widths:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn every_kind_on_sizes() {
                crate::feature::every_kind_on_sizes::<$subject>($widths);
            }

            #[test]
            fn every_kind_alone() {
                crate::feature::every_kind_alone::<$subject>();
            }

            #[test]
            fn only_directions_count() {
                crate::feature::only_directions_count::<$subject>();
            }

            #[test]
            fn exploration_is_the_opposite() {
                crate::feature::exploration_is_the_opposite::<$subject>();
            }

            #[test]
            fn strides_and_places_change_nothing() {
                crate::feature::strides_and_places_change_nothing::<$subject>();
            }
        }
    };
}
pub(crate) use suite;
