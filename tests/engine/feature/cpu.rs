//! The CPU engine in the suite, and what only it can be asked.

use super::judge::Bounds;
use super::{Subject, suite};
use fused_kd::cpu::{Element, FeatureBatch, FeaturePlan, Parallelism};
use fused_kd::spec::FeatureSpec;
use half::{bf16, f16};
use std::marker::PhantomData;

struct Cpu<S, T>(PhantomData<(S, T)>);

impl<S: Element, T: Element> Subject for Cpu<S, T> {
    type Student = S;
    type Target = T;
    const BOUNDS: Bounds = Bounds::CPU;

    fn run(spec: &FeatureSpec, width: usize, batch: FeatureBatch<S, T>) -> f32 {
        let plan = FeaturePlan::new(spec, width).unwrap();
        plan.run(batch, Parallelism::Serial).unwrap()
    }
}

const WIDTHS: [usize; 10] = [1, 2, 3, 15, 16, 17, 128, 1000, 4097, 20_001];

suite!(f32_f32, Cpu<f32, f32>, &WIDTHS);
suite!(f16_f16, Cpu<f16, f16>, &WIDTHS);
suite!(bf16_bf16, Cpu<bf16, bf16>, &WIDTHS);
suite!(f32_bf16, Cpu<f32, bf16>, &[16, 1000]);
suite!(bf16_f32, Cpu<bf16, f32>, &[16, 1000]);

#[test]
fn lengths_at_the_ends_of_the_range() {
    crate::feature::lengths_at_the_ends_of_the_range::<Cpu<f32, f32>>();
}

#[cfg(feature = "rayon")]
#[test]
fn bits_do_not_depend_on_threads() {
    use super::cases::{Case, Kind, Rng};

    let run = |case: &Case, parallelism| {
        let plan = FeaturePlan::new(&case.spec, case.width).unwrap();
        let mut gradient = case.student.clone();
        let mut distance = vec![7.0; case.rows()];
        let batch = FeatureBatch::in_place(case.rows(), &mut gradient, &case.target);
        let batch = case.complete(batch).distances(&mut distance);
        let total = plan.run(batch, parallelism).unwrap();
        super::Answer::new(total, &gradient, distance)
    };
    let mut rng = Rng::new(12);
    for spec in super::specifications() {
        for (rows, width) in [(3, 20_000), (2000, 33), (20_000, 2)] {
            let case = Case::new(&mut rng, spec, rows, width, &Kind::TAME);
            let serial = run(&case, Parallelism::Serial);
            for threads in [1, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let pool = pool.build().unwrap();
                let parallel = pool.install(|| run(&case, Parallelism::Rayon));
                assert!(
                    parallel.bits() == serial.bits(),
                    "{rows} x {width}, {threads} threads"
                );
            }
        }
    }
}
