//! The CPU engine in the suite, and what only it can be asked.

use super::cases::{Case, Kind, Rng};
use super::judge::Bounds;
use super::{Answer, Subject, specifications, suite};
use fused_kd::cpu::{Element, FeaturePlan, FeatureRows, Parallelism, Student};
use fused_kd::spec::Format;
use half::{bf16, f16};
use std::marker::PhantomData;

struct Cpu<S, T>(PhantomData<(S, T)>);

fn typed<E: Element>(row: &[f32]) -> Vec<E> {
    row.iter().map(|&z| E::from_f32(z)).collect()
}

fn run<S: Element, T: Element>(case: &Case, parallelism: Parallelism) -> Answer {
    let (student, target) = (typed::<S>(&case.student), typed::<T>(&case.target));
    let plan = FeaturePlan::new(&case.spec, case.width).unwrap();
    let rows = FeatureRows::new(&target, case.rows())
        .weight(&case.weight)
        .upstream(case.upstream);
    let mut gradient = vec![S::from_f32(7.0); student.len()];
    let mut distance = vec![7.0; case.rows()];
    let place = Student::with_gradient(&student, &mut gradient);
    let total = plan.run(&rows, place, &mut distance, parallelism).unwrap();
    Answer {
        total,
        gradient: gradient.iter().map(|g| g.to_f32()).collect(),
        distance,
    }
}

impl<S: Element, T: Element> Subject for Cpu<S, T> {
    const STUDENT: Format = S::FORMAT;
    const TARGET: Format = T::FORMAT;
    const BOUNDS: Bounds = Bounds::CPU;

    fn answer(case: &Case) -> Answer {
        run::<S, T>(case, Parallelism::Serial)
    }
}

const WIDTHS: [usize; 10] = [1, 2, 3, 15, 16, 17, 128, 1000, 4097, 20_001];

suite!(f32_f32, Cpu<f32, f32>, &WIDTHS);
suite!(f16_f16, Cpu<f16, f16>, &WIDTHS);
suite!(bf16_bf16, Cpu<bf16, bf16>, &WIDTHS);
suite!(f32_bf16, Cpu<f32, bf16>, &[16, 1000]);
suite!(bf16_f32, Cpu<bf16, f32>, &[16, 1000]);

const GAP: f32 = 99.0;

/// Rows apart from each other and the gradient over the features: the bits of dense rows, and
/// nothing written between them.
#[test]
fn strides_and_places_change_nothing() {
    let spread = |dense: &[f32], width: usize, stride: usize| -> Vec<f32> {
        let fill = vec![GAP; stride - width];
        let rows = dense.chunks_exact(width);
        rows.flat_map(|row| [row, &fill].concat()).collect()
    };
    let mut rng = Rng::new(11);
    for spec in specifications() {
        let case = Case::new(&mut rng, spec, 23, 17, &Kind::ALL);
        let dense = run::<f32, f32>(&case, Parallelism::Serial);
        let (width, of_x, of_y, of_g) = (17, 19, 24, 18);
        let mut x = spread(&case.student, width, of_x);
        let y = spread(&case.target, width, of_y);
        let mut g = vec![GAP; 23 * of_g];
        let plan = FeaturePlan::new(&spec, width).unwrap();
        let rows = FeatureRows::new(&y, 23).target_stride(of_y);
        let rows = rows.weight(&case.weight).upstream(case.upstream);
        let mut distance = [0.0; 23];
        let apart = Student::with_gradient(&x, &mut g)
            .stride(of_x)
            .gradient_stride(of_g);
        let total = plan
            .run(&rows, apart, &mut distance, Parallelism::Serial)
            .unwrap();
        let answer = |total: f32, gradient: Vec<f32>, distance: &[f32]| Answer {
            total,
            gradient,
            distance: distance.to_vec(),
        };
        let apart = answer(total, answered(&g, width, of_g), &distance);
        assert_eq!(apart.bits(), dense.bits());

        let in_place = Student::in_place(&mut x).stride(of_x);
        let total = plan
            .run(&rows, in_place, &mut distance, Parallelism::Serial)
            .unwrap();
        let in_place = answer(total, answered(&x, width, of_x), &distance);
        assert_eq!(in_place.bits(), dense.bits());

        let alone = Student::without_gradient(&case.student);
        let again = plan
            .run(&rows, alone, &mut [], Parallelism::Serial)
            .unwrap();
        assert_eq!(again.to_bits(), dense.total.to_bits());
    }
}

/// The rows of a strided matrix, after a look at what lies between them.
fn answered(strided: &[f32], width: usize, stride: usize) -> Vec<f32> {
    let rows = strided.chunks_exact(stride);
    rows.flat_map(|row| {
        assert!(row[width..].iter().all(|v| *v == GAP), "a gap was written");
        row[..width].iter().copied()
    })
    .collect()
}

#[cfg(feature = "rayon")]
#[test]
fn bits_do_not_depend_on_threads() {
    let mut rng = Rng::new(12);
    for spec in specifications() {
        for (rows, width) in [(3, 20_000), (2000, 33), (20_000, 2)] {
            let case = Case::new(&mut rng, spec, rows, width, &Kind::TAME);
            let serial = run::<f32, f32>(&case, Parallelism::Serial);
            for threads in [1, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let pool = pool.build().unwrap();
                let parallel = pool.install(|| run::<f32, f32>(&case, Parallelism::Rayon));
                assert!(
                    parallel.bits() == serial.bits(),
                    "{rows} x {width}, {threads} threads"
                );
            }
        }
    }
}

/// Subnormal and largest features: unit vectors all the same.
#[test]
fn lengths_at_the_ends_of_the_range() {
    for spec in specifications() {
        for scale in [f32::from_bits(1), 1e-40, f32::MAX] {
            let plan = FeaturePlan::new(&spec, 3).unwrap();
            let rows = [scale, 0.0, -scale];
            let mut distance = [7.0];
            let same = Student::without_gradient(&rows);
            let target = FeatureRows::new(&rows, 1);
            plan.run(&target, same, &mut distance, Parallelism::Serial)
                .unwrap();
            assert_eq!(distance, [0.0], "{scale:e}");
            let unit = [1.0, 0.0, -1.0_f32];
            let target = FeatureRows::new(&unit, 1);
            let same = Student::without_gradient(&rows);
            plan.run(&target, same, &mut distance, Parallelism::Serial)
                .unwrap();
            assert!(distance[0] < 1e-7, "{scale:e}: {distance:?}");
        }
    }
}
