//! Training on whatever adapter there is, against the oracle and against itself.

use super::Harness;
use crate::engine::{Engine, EngineError};
use crate::harness_parity::agree_with_the_oracle;
use crate::harness_parity::training::{self, Small};
use crate::skip::skip;
use crate::spec::Preset;
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
    training::trains_as_the_oracle(|| Harness::new(gpu).unwrap());
}

#[test]
fn the_first_steps_lose_as_much_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    training::the_first_steps_lose_as_much_as_on_the_cpu(|| Harness::new(gpu).unwrap());
}

/// Epochs of these rows.
fn of_rows(rows: usize, batch: usize, epochs: usize) -> Small {
    Small {
        rows,
        batch,
        epochs,
        preset: Preset::Lr,
        optimiser: training::SGD,
    }
}

#[test]
fn training_repeats_itself_to_the_bit() {
    let Some(gpu) = gpu() else { return };
    let train = || of_rows(100, 32, 3).losses(&mut Harness::new(gpu).unwrap());
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
    let small = of_rows(1000, 10, 5);
    small
        .losses_and(engine, |engine| after.push(work(engine)))
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
