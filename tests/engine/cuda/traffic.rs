//! No regime moves more than its minimum: what kernels read and write is what the model in
//! docs/performance.md says, byte for byte.

use super::device::has_clusters;
use crate::support::cuda::{gpu, moved};
use fused_kd::cuda::{Element, HostBatch, Options, Regime};
use fused_kd::spec::{Preset, RowStats};
use half::{bf16, f16};

const ROWS: usize = 5;

/// The bytes of all vectors that dense rows touch. Of one that reaches beyond the matrix a row's own
/// elements are read one by one.
fn sweep(classes: usize, bytes: usize) -> usize {
    let (stride, all) = (classes * bytes, ROWS * classes * bytes);
    let row = |row: usize| -> usize {
        let (start, end) = (row * stride, (row + 1) * stride);
        let vectors = (start / 16..end.div_ceil(16)).map(|v| (16 * v, 16 * (v + 1)));
        let read = vectors.map(|(from, to)| match to <= all {
            true => 16,
            false => end - from.max(start),
        });
        read.sum()
    };
    (0..ROWS).map(row).sum()
}

/// Blocks that share a row, on a device that gives it two where each has a vector for every thread.
fn parts(classes: usize, bytes: usize) -> usize {
    let vectors = ((classes - 1) * bytes).div_ceil(16) + 1;
    vectors.div_ceil(128).min(2)
}

/// Bytes read and written for rows of both matrices with a label each.
fn model(regime: Regime, classes: usize, bytes: usize) -> [usize; 2] {
    // The maximum, the sums and the gradient; and the vectors that hold a row's maxima once more,
    // one of the student and the teacher for each of the two.
    let (sweeps, again) = match regime {
        Regime::Stream => (3, 2 * 2 * 16),
        // Each of the blocks has maxima of its own.
        Regime::Split => (3, parts(classes, bytes) * 2 * 2 * 16),
        _ => (1, 0),
    };
    let read = 2 * sweeps * sweep(classes, bytes) + ROWS * again;
    // The label's class is written by itself too.
    [read, ROWS * (classes + 1) * bytes]
}

fn check<T: Element>(regime: Regime, classes: usize) {
    let Some(gpu) = gpu() else { return };
    let options = Options::default()
        .formats(T::FORMAT, T::FORMAT)
        .regime(regime);
    let plan = gpu.plan(&Preset::Lr.spec(), classes, options).unwrap();
    // One maximum in the student and another in the teacher, both where whole vectors are read; and one in
    // what the second of two blocks has of a row.
    let of_second = 200 * 16 / size_of::<T>();
    let row = |top: usize| -> Vec<T> {
        let logits = (0..ROWS * classes).map(|i| match i % classes {
            c if c == top % classes => 8.0,
            c if c == of_second => 7.0,
            c => (c % 7) as f32 * 0.25,
        });
        logits.map(T::from_f32).collect()
    };
    let (student, teacher, labels) = (row(17), row(31), [2; ROWS]);
    let mut gradient = vec![T::from_f32(0.0); student.len()];
    let mut stats = vec![RowStats::default(); ROWS];
    if moved().is_none() {
        return;
    }
    let batch = HostBatch::new(ROWS, &student, &teacher, &labels)
        .gradient(&mut gradient)
        .stats(&mut stats);
    gpu.run(&plan, batch).unwrap();
    let expected = model(regime, classes, size_of::<T>()).map(|bytes| bytes as u64);
    assert_eq!(moved(), Some(expected), "{regime:?}, {classes} classes");
}

fn every_type(regime: Regime, classes: &[usize]) {
    for &classes in classes {
        check::<f32>(regime, classes);
        check::<f16>(regime, classes);
        check::<bf16>(regime, classes);
    }
}

#[test]
fn in_registers_logits_are_read_once() {
    every_type(Regime::Group8, &[3, 16, 29]);
    every_type(Regime::Group16, &[32, 100, 125]);
    every_type(Regime::Warp, &[100, 509]);
    every_type(Regime::Block, &[1000, 8189]);
}

#[test]
fn in_a_ring_logits_are_read_once() {
    every_type(Regime::Ring, &[3, 1000, 1003, 10_001]);
}

#[test]
fn in_a_cluster_logits_are_read_once() {
    if gpu().is_some_and(has_clusters) {
        every_type(Regime::Cluster, &[3, 1000, 1003, 10_001]);
    }
}

#[test]
fn a_stream_reads_logits_once_per_sweep() {
    every_type(Regime::Stream, &[48, 1000, 10_001]);
}

#[test]
fn parts_read_no_more_than_a_stream() {
    every_type(Regime::Split, &[48, 1000, 3000, 10_001]);
}
