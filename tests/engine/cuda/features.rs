//! Distances of features on the caller's memory: addresses, views, counts on the device, a graph, and
//! what is refused.

use super::device::{Batch, Memory, gpu};
use fused_kd::cuda::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use fused_kd::cuda::{
    self, Error, FeaturePlan, Gpu, HostFeatureBatch, Options, RawFeatureBatch, Regime,
};
use fused_kd::reference::{FeatureBatch, FeatureOutput, features};
use fused_kd::spec::{ArgumentError, Distance, FeatureSpec, Format, Relation, SpecError};

const SPEC: FeatureSpec = FeatureSpec {
    distance: Distance::L1,
    relation: Relation::Explore,
};
const ROWS: usize = 7;
const WIDTH: usize = 33;
const WEIGHT: [f32; ROWS] = [1.0, 0.0, 2.5, 1.0, 0.25, 0.0, 1.0];

fn plan(gpu: &Gpu) -> FeaturePlan {
    gpu.feature_plan(&SPEC, WIDTH, Options::default()).unwrap()
}

fn truth(batch: &Batch) -> FeatureOutput {
    let widen = |row: &[f32]| -> Vec<f64> { row.iter().map(|&z| z.into()).collect() };
    let batch = FeatureBatch {
        student: &widen(&batch.student),
        target: &widen(&batch.teacher),
        rows: ROWS,
        width: WIDTH,
        weight: Some(&WEIGHT),
        upstream: 50.0,
    };
    features(&SPEC, &batch).unwrap()
}

fn close(got: &[f32], truth: &[f64]) {
    assert_eq!(got.len(), truth.len());
    for (&g, &t) in got.iter().zip(truth) {
        assert!(
            (f64::from(g) - t).abs() <= 1e-5 * t.abs().max(0.1),
            "{g} {t}"
        );
    }
}

/// Rows are counted and λ is read on the device, also from a graph.
#[test]
fn a_captured_call_gives_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    let (plan, batch) = (plan(gpu), Batch::new(ROWS, WIDTH));
    let [student, target, _labels] = batch.upload(gpu);
    let (weight, upstream) = (Memory::of(gpu, &WEIGHT), Memory::of(gpu, &[50.0_f32]));
    let workspace = Memory::room(gpu, plan.workspace_bytes(ROWS));
    let results = || [ROWS * WIDTH * 4, ROWS * 4, 4].map(|bytes| Memory::room(gpu, bytes));
    let run = |[gradient, distances, total]: &[Memory; 3]| {
        let raw = RawFeatureBatch::new(ROWS, student.floats(), target.floats())
            .gradient(gradient.floats())
            .weight(weight.at())
            .upstream_at(upstream.at())
            .distances(distances.at())
            .total(total.at())
            .workspace(workspace.at());
        // SAFETY: all these were allocated for this batch.
        unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) }.unwrap();
    };
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
    let truth = truth(&batch);
    close(&direct[0].read(), &truth.gradient);
    close(&direct[1].read(), &truth.distance);
    close(&direct[2].read(), &[truth.total]);
}

#[test]
fn views_are_launched_as_they_are() {
    let Some(gpu) = gpu() else { return };
    let (plan, batch, stream) = (plan(gpu), Batch::new(ROWS, WIDTH), gpu.stream());
    let truth = truth(&batch);
    let mut student = stream.clone_htod(&batch.student).unwrap();
    let target = stream.clone_htod(&batch.teacher).unwrap();
    let weight = stream.clone_htod(&WEIGHT).unwrap();
    let mut gradient = stream.alloc_zeros::<f32>(ROWS * WIDTH).unwrap();
    let mut distances = stream.alloc_zeros::<f32>(ROWS).unwrap();
    let batch = cuda::FeatureBatch::new(ROWS, &student, target.as_view())
        .gradient(gradient.as_view_mut())
        .weight(&weight)
        .upstream(50.0)
        .counted(5)
        .distances(&mut distances);
    plan.launch(stream, batch).unwrap();
    close(&stream.clone_dtoh(&gradient).unwrap(), &truth.gradient);
    close(&stream.clone_dtoh(&distances).unwrap(), &truth.distance);

    let short = cuda::FeatureBatch::new(ROWS + 1, &student, &target);
    let error = plan.launch(stream, short).unwrap_err();
    assert!(error.to_string().contains("student has 231"), "{error}");
    let in_place = cuda::FeatureBatch::in_place(ROWS, &mut student, &target);
    let in_place = in_place.weight(&weight).upstream(50.0).counted(5);
    plan.launch(stream, in_place).unwrap();
    close(&stream.clone_dtoh(&student).unwrap(), &truth.gradient);
}

/// The host cannot refuse these: they show.
#[test]
fn weights_out_of_range_are_not_passed_over() {
    let Some(gpu) = gpu() else { return };
    let (plan, batch) = (plan(gpu), Batch::new(ROWS, WIDTH));
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        let [student, target, _labels] = batch.upload(gpu);
        let weight = Memory::of(gpu, &[1.0, bad, 0.0, -0.0, 1.0, 1.0, 1.0]);
        let workspace = Memory::room(gpu, plan.workspace_bytes(ROWS));
        let (distances, total) = (Memory::room(gpu, 4 * ROWS), Memory::room(gpu, 4));
        let raw = RawFeatureBatch::in_place(ROWS, student.floats(), target.floats())
            .weight(weight.at())
            .distances(distances.at())
            .total(total.at())
            .workspace(workspace.at());
        // SAFETY: all these were allocated for this batch.
        unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) }.unwrap();
        assert!(total.read::<f32>()[0].is_nan());
        let (gradient, distances) = (student.read::<f32>(), distances.read::<f32>());
        for (b, row) in gradient.chunks_exact(WIDTH).enumerate() {
            assert_eq!(distances[b].is_nan(), b == 1, "{bad}");
            assert!(row.iter().all(|g| g.is_nan() == (b == 1)), "{bad}");
            assert!(![2, 3].contains(&b) || row.iter().all(|g| *g == 0.0));
        }
    }
}

#[test]
fn an_empty_batch_has_the_total_0() {
    let Some(gpu) = gpu() else { return };
    let plan = plan(gpu);
    let (total, workspace) = (Memory::of(gpu, &[7.0_f32]), Memory::room(gpu, 16));
    let none = (0, Format::F32);
    let raw = RawFeatureBatch::new(0, none, none).total(total.at());
    let raw = raw.workspace(workspace.at());
    // SAFETY: there are no rows, and the total has a place.
    unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) }.unwrap();
    assert_eq!(total.read::<f32>(), [0.0]);
}

#[test]
fn what_is_refused() {
    let Some(gpu) = gpu() else { return };
    let refused = |width, options| gpu.feature_plan(&SPEC, width, options).unwrap_err();
    let error = refused(0, Options::default());
    let out_of_range = matches!(
        error,
        Error::Spec(SpecError::OutOfRange { key: "width", .. })
    );
    assert!(out_of_range, "{error}");
    let error = refused(510, Options::default().regime(Regime::Warp));
    assert!(matches!(error, Error::Regime { .. }), "{error}");
    let mixed = Options::default().formats(Format::F16, Format::F32);
    let error = refused(10, mixed.regime(Regime::Warp)).to_string();
    assert!(error.contains("one type of features"), "{error}");

    let plan = plan(gpu);
    let memory = Memory::of(gpu, &[0.0_f32; 2 * WIDTH]);
    let at = memory.at();
    let floats = |at| (at, Format::F32);
    let of = |rows, student, target| RawFeatureBatch::new(rows, floats(student), floats(target));
    let legal = of(2, at, at);
    let f16 = (at, Format::F16);
    for (raw, expected) in [
        (of(2, 0, at), "student is at address 0x0"),
        (of(2, at, at + 2), "target is at address"),
        (legal.gradient(floats(at + 2)), "gradient is at address"),
        (legal.gradient(f16), "gradient is f16"),
        (RawFeatureBatch::new(2, floats(at), f16), "target is f16"),
        (legal.weight(at + 1).counted(2), "weight is at address"),
        (legal.distances(at + 2), "distances is at address"),
        (legal.upstream_at(at + 1), "upstream is at address"),
        (legal.upstream(f32::INFINITY), "upstream = inf"),
        (legal.student_stride(32), "student stride = 32"),
        (legal.target_stride(32), "target stride = 32"),
        (legal.total(at).workspace(at + 8), "workspace is at address"),
        (legal.total(at), "workspace"),
        (legal.weight(at), "workspace"),
        (of(1 << 31, at, at), "2147483648 rows"),
    ] {
        // SAFETY: it is refused, and nothing is launched.
        let refusal = unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) };
        let error = refusal.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }

    let ones = [1.0_f32; WIDTH];
    let batch = HostFeatureBatch::new(1, &ones, &ones).weight(&[-1.0]);
    let error = gpu.run_features(&plan, batch).unwrap_err();
    let by_row = matches!(
        error,
        Error::Argument(ArgumentError::RowParameter { row: 0, .. })
    );
    assert!(by_row, "{error}");
    let halves = [half::f16::ONE; WIDTH];
    let batch = HostFeatureBatch::new(1, &halves, &ones);
    let error = gpu.run_features(&plan, batch).unwrap_err();
    let by_format = matches!(
        error,
        Error::Argument(ArgumentError::Format {
            argument: "student",
            ..
        })
    );
    assert!(by_format, "{error}");
}
