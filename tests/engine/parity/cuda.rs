//! The CUDA engine in the suite: on a GPU, or on the stand-in driver of `tests/simt`, where each case
//! runs in three orders of scheduling.

use super::cases::Case;
use super::edges::edges;
use super::judge::Bounds;
use super::{Answer, Effort, Subject, suite};
use crate::support::{cuda::gpu, schedule::schedule};
use fused_kd::cuda::{Element, HostBatch, Options, Regime};
use fused_kd::spec::{Format, RowStats, Temperature};
use half::{bf16, f16};
use std::marker::PhantomData;

/// What a subject has that is not the default.
trait Variant {
    const EFFORT: Effort;

    fn options(options: Options) -> Options;
}

struct Cuda<S, T, V>(PhantomData<(S, T, V)>);

impl<S: Element, T: Element, V: Variant> Subject for Cuda<S, T, V> {
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
        let options = Options::default().formats(S::FORMAT, T::FORMAT);
        // A regime that does not take this specification, or so many classes, leaves it to the table.
        let plan = gpu.plan(&case.spec, case.classes, V::options(options));
        let plan = plan
            .or_else(|_| gpu.plan(&case.spec, case.classes, options))
            .unwrap();
        let (count, labels) = (case.labels.len(), &case.labels);
        let read = || HostBatch::new(count, &student, &teacher, labels);
        schedule(0);
        let mut tau = case.tau.clone();
        if let Temperature::Dtd(_) = case.spec.temperature() {
            let tau = tau.insert(vec![0.0; count]);
            let batch = case.complete(read(), None);
            gpu.dtd_temperatures(&plan, &batch, tau).unwrap();
        }
        let run = |seed, batch: HostBatch<S, T>| {
            schedule(seed);
            let mut stats = vec![RowStats::default(); count];
            let batch = case.complete(batch.stats(&mut stats), tau.as_deref());
            let total = gpu.run(&plan, batch).unwrap();
            let records: Vec<[u32; 16]> = bytemuck::cast_vec(stats);
            (total.to_bits(), records)
        };
        let apart = |seed| {
            let mut gradient = vec![S::from_f32(f32::NAN); student.len()];
            let answer = run(seed, read().gradient(&mut gradient));
            (answer, gradient)
        };
        let bits = |row: &[S]| -> Vec<u32> { row.iter().map(|z| z.to_f32().to_bits()).collect() };
        let (answer, gradient) = apart(0);
        // In other orders the bits are the same, and so they are in place.
        let (again, same) = apart(1);
        assert_eq!((&again, bits(&same)), (&answer, bits(&gradient)));
        let mut in_place = student.clone();
        let again = run(
            2,
            HostBatch::in_place(count, &mut in_place, &teacher, labels),
        );
        assert_eq!((&again, bits(&in_place)), (&answer, bits(&gradient)));
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

const fn effort(one_in: [usize; 2], all_classes: bool, drawn: u32) -> Effort {
    Effort {
        one_in,
        all_classes,
        drawn,
    }
}

variant!(Usual, effort([1, 1], true, 128), |options| options);
variant!(Fewer, effort([5, 3], false, 32), |options| options);
variant!(Group16, effort([1, 2], false, 32), |options| options
    .regime(Regime::Group16));
variant!(Warp, effort([1, 2], false, 32), |options| options
    .regime(Regime::Warp));
variant!(Block, effort([1, 2], false, 32), |options| options
    .regime(Regime::Block));
variant!(Ring, effort([2, 3], false, 16), |options| options
    .regime(Regime::Ring));
variant!(Cluster, effort([2, 3], false, 16), |options| options
    .regime(Regime::Cluster));
variant!(Stream, effort([1, 2], false, 32), |options| options
    .regime(Regime::Stream));
variant!(Split, effort([2, 3], false, 16), |options| options
    .regime(Regime::Split));
variant!(Any, effort([1, 2], false, 32), |options| options
    .regime(Regime::Any));

// Each case runs three times in the emulator, which does some million logits a second.
const SIZES: [usize; 9] = [1, 2, 3, 10, 31, 100, 1000, 1003, 10001];
const FEW: [usize; 4] = [3, 100, 1003, 4097];

edges!(edges, Cuda<f32, f32, Usual>);
suite!(f32_f32, Cuda<f32, f32, Usual>, 60_000, &SIZES);
suite!(f16_f16, Cuda<f16, f16, Fewer>, 60_000, &SIZES);
suite!(bf16_bf16, Cuda<bf16, bf16, Usual>, 60_000, &SIZES);
suite!(f32_bf16, Cuda<f32, bf16, Fewer>, 10_000, &FEW);
suite!(bf16_f32, Cuda<bf16, f32, Fewer>, 10_000, &FEW);
suite!(f16_bf16, Cuda<f16, bf16, Fewer>, 10_000, &FEW);
suite!(group16, Cuda<f16, f16, Group16>, 10_000, &FEW);
suite!(warp, Cuda<f32, f32, Warp>, 10_000, &FEW);
suite!(warp_bf16, Cuda<bf16, bf16, Warp>, 10_000, &FEW);
suite!(block, Cuda<f32, f32, Block>, 10_000, &FEW);
suite!(block_f16, Cuda<f16, f16, Block>, 10_000, &FEW);
// From beyond what a block's registers hold to what shared memory does.
suite!(ring, Cuda<f32, f32, Ring>, 60_000, &[3, 1003, 8190, 26_877]);
suite!(ring_f16, Cuda<f16, f16, Ring>, 10_000, &FEW);
suite!(ring_bf16, Cuda<bf16, bf16, Ring>, 60_000, &[3, 1003, 16_378, 53_753]);
// The same for clusters of two blocks.
suite!(cluster, Cuda<f32, f32, Cluster>, 60_000, &[3, 1003, 26_878]);
suite!(cluster_f16, Cuda<f16, f16, Cluster>, 10_000, &FEW);
suite!(cluster_bf16, Cuda<bf16, bf16, Cluster>, 60_000, &[3, 1003, 53_754]);
suite!(stream, Cuda<f32, f32, Stream>, 60_000, &FEW);
suite!(stream_bf16, Cuda<bf16, bf16, Stream>, 60_000, &FEW);
suite!(split, Cuda<f32, f32, Split>, 60_000, &[3, 1003, 4097]);
suite!(split_bf16, Cuda<bf16, bf16, Split>, 60_000, &[3, 1003, 10_001]);
suite!(any, Cuda<f32, f32, Any>, 10_000, &FEW);
