//! Training on whatever adapter there is, against the oracle and against itself.

use super::Harness;
use crate::cpu;
use crate::data::{Scaling, Source, Split};
use crate::engine::{Engine, EngineError};
use crate::harness_parity::{agree_with_the_oracle, trains_as_the_oracle};
use crate::nn::{Mlp, Optimiser};
use crate::random::Philox;
use crate::skip::skip;
use crate::spec::Preset;
use crate::train::fit::{Fit, HostSamples, Samples};
use crate::train::pupil::Pupil;
use crate::train::{Recipe, Schedule};
use crate::wgsl::{Gpu, GpuOptions};
use std::sync::OnceLock;

fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let gpu = GPU.get_or_init(|| {
        let software = GpuOptions::default().software(true);
        let gpu = Gpu::new(&GpuOptions::default());
        gpu.or_else(|_| Gpu::new(&software)).ok()
    });
    if gpu.is_none() {
        skip("wgpu", "apt-get install mesa-vulkan-drivers libvulkan1");
    }
    gpu.as_ref()
}

#[test]
fn operations_agree_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    agree_with_the_oracle(&mut Harness::new(gpu).unwrap(), 2e-5);
}

#[test]
fn training_agrees_with_the_oracle() {
    let Some(gpu) = gpu() else { return };
    trains_as_the_oracle(|| Harness::new(gpu).unwrap());
}

/// So many rows of the digits, and a teacher that has seen their labels.
fn digits(rows: usize) -> HostSamples {
    let dataset = Source::Digits.load().unwrap();
    let split = Split::new(&dataset, 0).unwrap();
    let scaling = Scaling::fit(&dataset, &split.train).unwrap();
    let random = &mut Philox::new(4, 0);
    let mut host = HostSamples {
        classes: 10,
        variants: 1,
        ..HostSamples::default()
    };
    for &row in &split.train[..rows] {
        let start = host.features.len();
        let features = &dataset.features()[row as usize * 64..][..64];
        host.features.extend_from_slice(features);
        scaling.apply_row(&mut host.features[start..]);
        let label = dataset.labels()[row as usize];
        host.labels.push(label);
        let sure = |c| if c == label { 3.0 } else { 0.0 };
        host.teacher
            .extend((0..10).map(|c| sure(c) + random.normal()));
    }
    host
}

/// The total of each epoch's steps so far, of a small student.
fn totals<E: Engine>(
    engine: &mut E,
    host: &HostSamples,
    [epochs, batch]: [usize; 2],
    mut after_epoch: impl FnMut(&mut E),
) -> Result<Vec<f32>, EngineError> {
    let optimiser = Optimiser::Sgd {
        momentum: 0.9,
        decay: 5e-4,
    };
    let recipe = Recipe {
        epochs,
        batch,
        optimiser,
        learning_rate: 0.05,
        schedule: Schedule::Cosine,
        warm_up: 2,
    };
    let samples = Samples::upload(engine, host);
    let plan = engine.plan(&Preset::Lr.spec(), 10)?;
    let mut net = Mlp::new(engine, &[64, 32, 10], batch, &mut Philox::new(1, 0));
    let mut pupil = Pupil::new(engine, &mut net, optimiser, None);
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        recipe: &recipe,
        terms: &[],
        selector: None,
    };
    let mut totals = Vec::new();
    let order = &mut Philox::new(2, 0);
    fit.run(engine, &mut pupil, None, order, |engine, _, total| {
        let mut sum = [0.0];
        engine.download(&mut [(total, &mut sum)])?;
        totals.push(sum[0]);
        after_epoch(engine);
        Ok(())
    })?;
    Ok(totals)
}

/// Epochs of one step, so that each step's loss is seen.
#[test]
fn the_first_steps_lose_as_much_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let host = digits(96);
    let of_steps = |totals: Vec<f32>| -> Vec<f32> {
        let before = [0.0].into_iter().chain(totals.clone());
        totals
            .iter()
            .zip(before)
            .map(|(sum, before)| sum - before)
            .collect()
    };
    let steps = [50, 96];
    let engine = &mut Harness::new(gpu).unwrap();
    let on_gpu = of_steps(totals(engine, &host, steps, |_| {}).unwrap());
    let engine = &mut cpu::Harness::default();
    let on_cpu = of_steps(totals(engine, &host, steps, |_| {}).unwrap());
    assert_eq!(on_gpu.len(), 50);
    for (step, (a, b)) in on_gpu.iter().zip(&on_cpu).enumerate() {
        assert!(
            (a - b).abs() <= 1e-3 * b,
            "step {step}: {a}, on the CPU {b}"
        );
    }
    assert!(on_gpu[49] < 0.5 * on_gpu[0], "{on_gpu:?}");
}

#[test]
fn training_repeats_itself_to_the_bit() {
    let Some(gpu) = gpu() else { return };
    let host = digits(100);
    let train = || totals(&mut Harness::new(gpu).unwrap(), &host, [3, 32], |_| {}).unwrap();
    assert_eq!(train(), train());
}

/// What the host did until now: buffers, bindings and calls made, submissions.
fn work(engine: &Harness) -> [usize; 4] {
    [
        engine.pool.made() as usize,
        engine.dispatches.len(),
        engine.calls.len(),
        engine.queue.submissions,
    ]
}

#[test]
fn steps_neither_allocate_nor_wait() {
    let Some(gpu) = gpu() else { return };
    let engine = &mut Harness::new(gpu).unwrap();
    let mut after = Vec::new();
    // 100 steps of 20 operations and more in each epoch.
    totals(engine, &digits(1000), [5, 10], |engine| {
        after.push(work(engine))
    })
    .unwrap();
    let [buffers, bindings, calls, _] = after[1];
    assert!(
        buffers > 0 && bindings > 0 && calls > 0,
        "nothing is counted"
    );
    for pair in after[1..].windows(2) {
        assert_eq!(pair[0][..3], pair[1][..3], "{after:?}");
        let submissions = pair[1][3] - pair[0][3];
        assert!((1..=5).contains(&submissions), "{after:?}");
    }
}

#[test]
fn a_failure_is_kept_until_something_is_read() {
    let Some(gpu) = gpu() else { return };
    let engine = &mut Harness::new(gpu).unwrap();
    let kept = engine.upload(&[1.0, 2.0]);
    let mut sums = engine.zeros(2);
    let huge = engine.zeros(1 << 40);
    engine.column_sums(&huge, 1, &mut sums);
    for _ in 0..2 {
        let error = engine.download(&mut [(&kept, &mut [0.0])]).unwrap_err();
        let message = error.to_string();
        assert!(
            message.contains("max_storage_buffer_binding_size"),
            "{message}"
        );
        assert!(matches!(error, EngineError::Device(_)));
    }
    // Others go on.
    let other = &mut Harness::new(gpu).unwrap();
    let (from, mut out) = (other.upload(&[1.0, 2.0]), [0.0; 2]);
    other.download(&mut [(&from, &mut out)]).unwrap();
    assert_eq!(out, [1.0, 2.0]);
}

/// What is freed is used again, but not before what was asked for has been done with it.
#[test]
fn an_upload_does_not_overtake() {
    let Some(gpu) = gpu() else { return };
    let engine = &mut Harness::new(gpu).unwrap();
    let (from, column) = (engine.upload(&[1.0, 2.0]), engine.upload_ints(&[1]));
    let mut out = engine.zeros(1);
    engine.gather_columns(&from, 2, &column, 1, &mut out);
    let id = from.room.id;
    drop(from);
    let other = engine.upload(&[3.0, 4.0]);
    assert_eq!(other.room.id, id, "nothing was used again");
    let mut read = [0.0];
    engine.download(&mut [(&out, &mut read)]).unwrap();
    assert_eq!(read, [2.0]);
}
