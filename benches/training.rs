//! Training on each engine that is here: `cargo bench --bench training`.
//!
//! A measurement is a run of as many epochs as criterion asks for; its time is the student's, from its
//! upload on, with the evaluation after each epoch. Throughput is in rows. `fused-kd bench --what step`
//! times steps alone. On a software adapter the numbers say nothing about a GPU.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fused_kd::auto::{self, Choice, EngineName};
use fused_kd::train::{Setting, TrainSize};
use std::time::Duration;

const ROWS: usize = 640;

fn training(c: &mut Criterion) {
    let mut group = c.benchmark_group("training/digits");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ROWS as u64));
    for engine in [
        EngineName::Cpu,
        EngineName::Cuda,
        EngineName::Wgpu,
        EngineName::WgpuSoftware,
    ] {
        let engine = match engine.resolve() {
            Ok(engine) => engine,
            Err(why) => {
                eprintln!("{why}");
                continue;
            }
        };
        eprintln!("{}: {}", engine.engine, engine.what);
        group.bench_function(engine.engine.name(), |b| {
            b.iter_custom(|times| seconds(&engine, times))
        });
    }
    group.finish();
}

/// Of so many epochs.
fn seconds(engine: &Choice, epochs: u64) -> Duration {
    let mut setting = Setting::default();
    setting.data.train_size = TrainSize::Rows(ROWS);
    setting.student.epochs = epochs as usize;
    setting.teacher.epochs = 1;
    let run = auto::train(engine, &setting, &|_| {}).expect("the engine is here");
    Duration::from_secs_f64(run.result.student.seconds)
}

criterion_group!(benches, training);
criterion_main!(benches);
