//! The row program on the CPU: `cargo bench --bench rows`.
//!
//! Throughput is in bytes that had to move: student and teacher read, the gradient and the records
//! written. Beside each shape stands a copy with a working set of its size, the better of `memcpy` and of
//! one past the caches: nothing can be faster. `fused-kd bench` puts both into one table; here criterion
//! compares with the last time.

mod table;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fused_kd::cpu::{Batch, Element, Options, Parallelism, Plan, copy_past_caches};
use fused_kd::spec::{
    Divergence, LossSpec, LossSpecBuilder, Preset, Revision, RowStats, StatsLevel,
};
use half::bf16;

/// A batch in memory.
struct Memory<E> {
    student: Vec<E>,
    teacher: Vec<E>,
    labels: Vec<i32>,
    gradient: Vec<E>,
    stats: Vec<RowStats>,
}

impl<E: Element> Memory<E> {
    fn new(rows: usize, classes: usize) -> Self {
        let noise = |range: f32| {
            let scatter = move |i: u32| i.wrapping_mul(0x9E37_79B9 ^ range.to_bits()) >> 8;
            let unit = move |i| scatter(i) as f32 / (1 << 23) as f32 - 1.0;
            (0..(rows * classes) as u32)
                .map(|i| E::from_f32(range * unit(i)))
                .collect()
        };
        Self {
            student: noise(4.0),
            teacher: noise(8.0),
            labels: (0..rows).map(|row| (row * 7919 % classes) as i32).collect(),
            gradient: vec![E::from_f32(0.0); rows * classes],
            stats: vec![RowStats::default(); rows],
        }
    }

    /// Bytes that had to move.
    fn bytes(&self) -> usize {
        3 * size_of_val(&self.student[..]) + self.labels.len() * (size_of::<RowStats>() + 4)
    }

    fn run(&mut self, plan: &Plan, level: StatsLevel) -> f32 {
        let Self {
            student,
            teacher,
            labels,
            ..
        } = self;
        let mut batch = Batch::new(labels.len(), student, teacher, labels);
        if level != StatsLevel::None {
            batch = batch.stats(&mut self.stats);
        }
        plan.run(batch.gradient(&mut self.gradient), Parallelism::Serial)
            .unwrap()
    }
}

fn shapes<E: Element>(c: &mut Criterion, name: &str) {
    let mut group = c.benchmark_group(format!("cpu/lr/{name}"));
    group.sample_size(20);
    for [rows, classes] in table::shapes("cpu") {
        let mut batch = Memory::<E>::new(rows, classes);
        let plan = Plan::new(&Preset::Lr.spec(), classes, Options::default()).unwrap();
        let shape = format!("{rows}x{classes}");
        let n = batch.bytes() / 8;
        let (from, mut to) = (vec![1.0_f32; n], vec![0.0; n]);
        group.throughput(Throughput::Bytes(batch.bytes() as u64));
        group.bench_function(BenchmarkId::new("kernel", &shape), |b| {
            b.iter(|| batch.run(&plan, StatsLevel::Full));
        });
        group.bench_function(BenchmarkId::new("memcpy", &shape), |b| {
            b.iter(|| to.copy_from_slice(&from));
        });
        group.bench_function(BenchmarkId::new("past the caches", &shape), |b| {
            b.iter(|| copy_past_caches(&from, &mut to));
        });
    }
    group.finish();
}

/// What each part of a specification costs at 1024×1000.
fn specifications(c: &mut Criterion) {
    let mut batch = Memory::<f32>::new(1024, 1000);
    let mut group = c.benchmark_group("cpu/1024x1000");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(batch.bytes() as u64));
    let kd = Preset::Kd.spec();
    let of = |change: &dyn Fn(LossSpecBuilder) -> LossSpecBuilder| {
        change(LossSpecBuilder::from(kd)).build().unwrap()
    };
    let mut cases: Vec<(&str, LossSpec, StatsLevel)> = vec![
        ("kd/without records", kd, StatsLevel::None),
        ("kd", kd, StatsLevel::Full),
    ];
    for (name, revision) in [
        ("label revision", Revision::LabelRevision { eta: 0.8 }),
        ("probability shift", Revision::ProbabilityShift),
        ("label smoothing", Revision::LabelSmoothing { epsilon: 0.1 }),
    ] {
        cases.push((name, of(&|kd| kd.revision(revision)), StatsLevel::Full));
    }
    for (name, divergence) in [
        ("reverse KL", Divergence::ReverseKl),
        ("Jensen-Shannon", Divergence::JensenShannon { beta: 0.5 }),
        ("total variation", Divergence::TotalVariation),
        ("MSE of probabilities", Divergence::MseProbs),
        ("MSE of logits", Divergence::MseLogits),
        (
            "decoupled",
            Divergence::Decoupled {
                alpha: 1.0,
                beta: 8.0,
            },
        ),
    ] {
        cases.push((name, of(&|kd| kd.divergence(divergence)), StatsLevel::Full));
    }
    for (name, spec, level) in cases {
        let plan = Plan::new(&spec, 1000, Options::default().level(level)).unwrap();
        group.bench_function(name, |b| b.iter(|| batch.run(&plan, level)));
    }
    group.finish();
}

fn rows(c: &mut Criterion) {
    shapes::<f32>(c, "f32");
    shapes::<bf16>(c, "bf16");
    specifications(c);
}

criterion_group!(benches, rows);
criterion_main!(benches);
