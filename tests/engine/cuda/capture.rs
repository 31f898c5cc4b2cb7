//! A call neither allocates nor waits, so that it can be captured in a graph.

use super::device::{Batch, Memory, gpu, has_clusters};
use fused_kd::cuda::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use fused_kd::cuda::{Options, Regime};
use fused_kd::spec::{Dtd, LossSpec, Reduction, Temperature};

#[test]
fn a_captured_call_gives_the_same_bits() {
    captured(33, Options::default());
}

#[test]
fn a_captured_call_splits_its_rows() {
    captured(700, Options::default().regime(Regime::Split));
}

#[test]
fn a_captured_call_has_clusters() {
    if gpu().is_some_and(has_clusters) {
        captured(700, Options::default().regime(Regime::Cluster));
    }
}

fn captured(classes: usize, options: Options) {
    let Some(gpu) = gpu() else { return };
    let spec = LossSpec::builder()
        .temperature(Temperature::Dtd(Dtd::default()))
        .reduction(Reduction::MeanPerGroup)
        .build()
        .unwrap();
    let batch = Batch::new(7, classes);
    let plan = gpu.plan(&spec, classes, options).unwrap();
    let inputs = batch.upload(gpu);
    let workspace = Memory::room(gpu, plan.workspace_bytes(7));
    let tau = Memory::room(gpu, 7 * 4);
    let upstream = Memory::of(gpu, &[0.5_f32]);
    // Everything that a call can need, with results of its own.
    let run = |results: &[Memory; 3]| {
        let [gradient, stats, total] = results;
        let raw = batch
            .raw(&inputs)
            .gradient(gradient.floats())
            .stats(stats.at())
            .total(total.at())
            .upstream_at(upstream.at())
            .workspace(workspace.at());
        let stream = gpu.stream().cu_stream();
        // SAFETY: all these were allocated for this batch.
        unsafe {
            plan.launch_raw_temperatures(stream, &raw, tau.at())
                .unwrap();
            plan.launch_raw(stream, &raw.tau(tau.at())).unwrap();
        }
    };
    let results = || [7 * classes * 4, 7 * 64, 4].map(|bytes| Memory::room(gpu, bytes));
    let (direct, captured) = (results(), results());
    run(&direct);
    let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
    gpu.stream().begin_capture(mode).unwrap();
    run(&captured);
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = gpu.stream().end_capture(flags).unwrap().expect("a graph");
    graph.launch().unwrap();
    for (a, b) in direct.iter().zip(&captured) {
        assert_eq!(a.read::<u32>(), b.read::<u32>());
    }
    assert!(direct[2].read::<f32>()[0] > 0.0);
}
