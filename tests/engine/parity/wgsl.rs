//! The WGSL engine in the suite.

use super::cases::{Case, Kind, Rng};
use super::edges::edges;
use super::judge::{Bounds, judge};
use super::{Answer, Effort, Subject, suite};
use crate::support::wgsl::gpu;
use fused_kd::spec::{Format, Preset, RowStats, Temperature};
use fused_kd::wgsl::{Checks, Element, HostBatch as Batch, Options, Regime, Subgroups};
use half::{bf16, f16};
use std::marker::PhantomData;

/// What a subject has that is not the default.
trait Variant {
    const EFFORT: Effort;

    fn options(options: Options) -> Options;
}

struct Wgsl<S, T, V>(PhantomData<(S, T, V)>);

impl<S: Element, T: Element, V: Variant> Subject for Wgsl<S, T, V> {
    const STUDENT: Format = S::FORMAT;
    const TEACHER: Format = T::FORMAT;
    const BOUNDS: Bounds = Bounds::GPU;
    const EFFORT: Effort = V::EFFORT;

    fn is_available() -> bool {
        gpu().is_some()
    }

    fn answer(case: &Case) -> Answer {
        let gpu = gpu().expect("is_available");
        let student: Vec<S> = case.student.iter().map(|&z| S::from_f32(z)).collect();
        let teacher: Vec<T> = case.teacher.iter().map(|&z| T::from_f32(z)).collect();
        let options = V::options(Options::default().formats(S::FORMAT, T::FORMAT));
        let plan = gpu.plan(&case.spec, case.classes, options).unwrap();
        let rows = case.labels.len();
        let batch = || Batch::new(rows, &student, &teacher, &case.labels);
        let mut tau = case.tau.clone();
        if let Temperature::Dtd(_) = case.spec.temperature() {
            let tau = tau.insert(vec![0.0; rows]);
            let batch = case.complete(batch(), None);
            gpu.dtd_temperatures(&plan, &batch, tau).unwrap();
        }
        let run = |batch: Batch<S, T>| {
            let mut stats = vec![RowStats::default(); rows];
            let batch = case.complete(batch, tau.as_deref()).stats(&mut stats);
            let total = gpu.run(&plan, batch).unwrap();
            let records: Vec<[u32; 16]> = bytemuck::cast_vec(stats);
            (total.to_bits(), records)
        };
        let apart = || {
            let mut gradient = vec![S::from_f32(f32::NAN); student.len()];
            let answer = run(batch().gradient(&mut gradient));
            (answer, gradient)
        };
        let bits = |row: &[S]| -> Vec<u32> { row.iter().map(|z| z.to_f32().to_bits()).collect() };
        let (answer, gradient) = apart();
        // Again the bits are the same, and so they are in place, which is a pipeline of its own:
        // some cases have to do.
        let (again, same) = apart();
        assert_eq!((&again, bits(&same)), (&answer, bits(&gradient)));
        if case.upstream == 0.5 {
            let mut in_place = student.clone();
            let again = run(Batch::in_place(rows, &mut in_place, &teacher, &case.labels));
            assert_eq!((&again, bits(&in_place)), (&answer, bits(&gradient)));
        }
        let (total, records) = answer;
        Answer {
            total: f32::from_bits(total),
            gradient: gradient.iter().map(|g| g.to_f32()).collect(),
            stats: bytemuck::cast_vec(records),
            tau,
        }
    }
}

/// A subject's options and its share of the suite.
macro_rules! variant {
    ($name:ident, $effort:expr, $options:expr) => {
        struct $name;

        impl Variant for $name {
            const EFFORT: Effort = $effort;

            fn options(options: Options) -> Options {
                let change: fn(Options) -> Options = $options;
                change(options)
            }
        }
    };
}

/// Each specification compiles kernels of its own, which takes a third of a second in software.
const fn effort(one_in: [usize; 2], drawn: u32) -> Effort {
    Effort {
        one_in,
        all_classes: false,
        drawn,
    }
}

variant!(Usual, effort([1, 1], 16), |options| options);
variant!(Packed, effort([13, 4], 4), |options| options);
variant!(WithoutSubgroups, effort([13, 4], 4), |options| {
    options.subgroups(Subgroups::Never)
});
variant!(Unchecked, effort([17, 6], 2), |options| {
    options.checks(Checks::Unchecked)
});
variant!(Split, effort([23, 6], 2), |options| {
    options.regime(Regime::Split { parts: 4 })
});
variant!(SplitWithoutSubgroups, effort([37, 10], 1), |options| {
    let options = options.subgroups(Subgroups::Never).workgroup(64);
    options.regime(Regime::Split { parts: 8 })
});
variant!(EightLanes, effort([37, 6], 2), |options| {
    options.regime(Regime::Whole { lanes: 8 })
});
variant!(OneLane, effort([37, 6], 2), |options| {
    options.regime(Regime::Whole { lanes: 1 }).workgroup(32)
});

const SIZES: [usize; 9] = [1, 2, 3, 10, 31, 100, 1000, 1003, 50257];
const FEW: [usize; 4] = [3, 100, 1003, 50257];

edges!(edges, Wgsl<f32, f32, Usual>);
suite!(f32_f32, Wgsl<f32, f32, Usual>, 1_000_000, &SIZES);
suite!(f16_f16, Wgsl<f16, f16, Packed>, 400_000, &FEW);
suite!(bf16_bf16, Wgsl<bf16, bf16, Packed>, 400_000, &FEW);
suite!(f32_bf16, Wgsl<f32, bf16, Packed>, 60_000, &FEW);
suite!(bf16_f32, Wgsl<bf16, f32, Packed>, 60_000, &FEW);
suite!(without_subgroups, Wgsl<f32, f32, WithoutSubgroups>, 60_000, &FEW);
suite!(unchecked, Wgsl<f16, f32, Unchecked>, 60_000, &FEW);
suite!(split, Wgsl<f32, f32, Split>, 400_000, &FEW);
suite!(split_packed, Wgsl<f16, bf16, SplitWithoutSubgroups>, 60_000, &FEW);
suite!(eight_lanes, Wgsl<bf16, bf16, EightLanes>, 60_000, &FEW);
suite!(one_lane, Wgsl<f32, f32, OneLane>, 60_000, &[2, 10, 100]);

#[test]
fn very_many_rows() {
    if gpu().is_some() {
        let case = Case::new(
            &mut Rng::new(4),
            &Preset::Lr.spec(),
            70_000,
            100,
            &Kind::ALL,
        );
        judge::<Wgsl<f32, f32, Usual>>(&case);
    }
}

#[test]
fn golden_vectors() {
    super::golden::golden_vectors::<Wgsl<f32, f32, Usual>>();
}
