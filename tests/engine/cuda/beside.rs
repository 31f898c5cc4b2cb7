//! Beside another library in the same process, such as PyTorch: its current context stays current, and
//! its graph captures work.

use super::device::{Batch, Memory, gpu, has_clusters, is_emulated};
use crate::support::skip;
use fused_kd::cuda::cudarc::driver::result::ctx;
use fused_kd::cuda::cudarc::driver::sys::{self, CUcontext, CUgraphInstantiate_flags};
use fused_kd::cuda::cudarc::driver::sys::{CUstream, CUstreamCaptureMode};
use fused_kd::cuda::cudarc::driver::{CudaContext, CudaStream};
use fused_kd::cuda::{
    self, Error, FeaturePlan, Gpu, HostFeatureBatch, Options, Plan, RawFeatureBatch, Regime,
};
use fused_kd::spec::{
    Distance, Dtd, FeatureSpec, LossSpec, Preset, Reduction, Relation, RowStats, Temperature,
};
use std::sync::Arc;
use std::thread;

const ROWS: usize = 7;
const CLASSES: usize = 33;
const FEATURES: FeatureSpec = FeatureSpec {
    distance: Distance::SquaredL2,
    relation: Relation::Inherit,
};

/// A loss that needs every launch before and after the rows.
fn spec() -> LossSpec {
    LossSpec::builder()
        .temperature(Temperature::Dtd(Dtd::default()))
        .reduction(Reduction::MeanPerGroup)
        .build()
        .unwrap()
}

/// What the caller has made current.
#[derive(Clone, Copy)]
struct Before(CUcontext);

// SAFETY: contexts are the process's.
unsafe impl Send for Before {}

impl Before {
    const NONE: Self = Self(std::ptr::null_mut());

    fn of(context: &CudaContext) -> Self {
        Self(context.cu_ctx())
    }

    fn set(self) {
        // SAFETY: a context that lives, or null.
        unsafe { sys::cuCtxSetCurrent(self.0).result() }.unwrap();
    }

    #[track_caller]
    fn is_left_by(self, call: &str) {
        let now = ctx::get_current().unwrap().unwrap_or(std::ptr::null_mut());
        assert_eq!(now, self.0, "{call} changes the current context");
    }

    /// What the call returns, which is made with this context current and leaves it so.
    #[track_caller]
    fn during<T>(self, call: &str, run: impl FnOnce() -> T) -> T {
        self.set();
        let result = run();
        self.is_left_by(call);
        result
    }
}

/// Runs this in threads of their own: a device's ordinal, and what is current meanwhile.
fn each(run: impl Fn(usize, Before) + Sync) {
    let Some(first) = gpu() else { return };
    let mut cases = vec![(0, Before::NONE), (0, Before::of(first.context()))];
    match Gpu::new(1) {
        Ok(_) => cases.extend([(1, Before::NONE), (1, Before::of(first.context()))]),
        Err(unavailable) => {
            assert!(!is_emulated(), "{unavailable}");
            skip("second-gpu", "needs a machine with two GPUs");
        }
    }
    for (ordinal, before) in cases {
        let run = &run;
        thread::scope(|scope| {
            scope.spawn(move || run(ordinal, before));
        });
    }
}

/// Memory for one call of each kind.
struct Call<'a> {
    batch: Batch,
    inputs: [Memory<'a>; 3],
    gradient: Memory<'a>,
    total: Memory<'a>,
    tau: Memory<'a>,
    factor: Memory<'a>,
    workspace: Memory<'a>,
}

impl<'a> Call<'a> {
    fn new(gpu: &'a Gpu, classes: usize) -> Self {
        let batch = Batch::new(ROWS, classes);
        Self {
            inputs: batch.upload(gpu),
            gradient: Memory::of(gpu, &vec![0.0_f32; ROWS * classes]),
            total: Memory::of(gpu, &[0.0_f32]),
            tau: Memory::of(gpu, &[0.0_f32; ROWS]),
            factor: Memory::of(gpu, &[0.5_f32]),
            workspace: Memory::room(gpu, 1 << 20),
            batch,
        }
    }

    fn temperatures(&self, plan: &Plan, stream: CUstream) -> Result<(), Error> {
        let raw = self.batch.raw(&self.inputs);
        let raw = raw.workspace(self.workspace.at());
        // SAFETY: all these were allocated for this batch.
        unsafe { plan.launch_raw_temperatures(stream, &raw, self.tau.at()) }
    }

    fn rows(&self, plan: &Plan, stream: CUstream) -> Result<(), Error> {
        assert!(plan.workspace_bytes(ROWS) <= 1 << 20);
        let raw = self.batch.raw(&self.inputs).tau(self.tau.at());
        let raw = raw.gradient(self.gradient.floats());
        let raw = raw.total(self.total.at());
        let raw = raw.workspace(self.workspace.at());
        // SAFETY: as before.
        unsafe { plan.launch_raw(stream, &raw) }
    }

    fn features(&self, plan: &FeaturePlan, stream: CUstream) -> Result<(), Error> {
        let [student, target, _] = &self.inputs;
        let raw = RawFeatureBatch::new(ROWS, student.floats(), target.floats())
            .gradient(self.gradient.floats())
            .total(self.total.at())
            .workspace(self.workspace.at());
        // SAFETY: as before.
        unsafe { plan.launch_raw(stream, &raw) }
    }

    fn scaled(&self, plan: &Plan, stream: CUstream) -> Result<(), Error> {
        let (gradient, factor) = (self.gradient.at(), self.factor.at());
        // SAFETY: as before.
        unsafe { plan.scale_gradient(stream, ROWS, gradient, None, factor) }
    }
}

#[test]
fn launches_leave_the_current_context() {
    each(|ordinal, before| {
        let options = Options::default();
        let gpu = before.during("Gpu::new", || Gpu::new(ordinal).unwrap());
        let plan = before.during("Gpu::plan", || gpu.plan(&spec(), CLASSES, options).unwrap());
        let features = before.during("Gpu::feature_plan", || {
            gpu.feature_plan(&FEATURES, CLASSES, options).unwrap()
        });
        let (call, stream) = (Call::new(&gpu, CLASSES), gpu.stream().cu_stream());
        let during = |name, result: &dyn Fn() -> Result<(), Error>| {
            before.during(name, || result().unwrap());
        };
        during("launch_temperatures", &|| call.temperatures(&plan, stream));
        during("launch", &|| call.rows(&plan, stream));
        during("scale_gradient", &|| call.scaled(&plan, stream));
        during("launch of features", &|| call.features(&features, stream));
        drop(call);
        before.during("drop of a plan", || drop(plan));
        before.during("drop of a plan for features", || drop(features));
        before.during("drop of a Gpu", || drop(gpu));
    });
}

#[test]
fn batches_in_host_memory_leave_the_current_context() {
    each(|ordinal, before| {
        let gpu = Gpu::new(ordinal).unwrap();
        let plan = gpu.plan(&spec(), CLASSES, Options::default()).unwrap();
        let features = gpu.feature_plan(&FEATURES, CLASSES, Options::default());
        let features = features.unwrap();
        let batch = Batch::new(ROWS, CLASSES);
        let (mut tau, mut stats) = ([0.0; ROWS], [RowStats::default(); ROWS]);
        before.during("Gpu::dtd_temperatures", || {
            let run = gpu.dtd_temperatures(&plan, &batch.host(), &mut tau);
            run.unwrap();
        });
        let host = || batch.host().tau(&tau);
        let run = || gpu.run(&plan, host().stats(&mut stats)).unwrap();
        assert!(before.during("Gpu::run", run) > 0.0);
        let both = HostFeatureBatch::new(ROWS, &batch.student, &batch.teacher);
        let run = || gpu.run_features(&features, both);
        assert!(before.during("Gpu::run_features", run).unwrap() > 0.0);
        // What is refused on the way leaves it too.
        let two = before.during("Gpu::new", || Gpu::new(ordinal).unwrap());
        let run = || two.run(&plan, host());
        assert_eq!(before.during("Gpu::run", run), Err(Error::OtherDevice));
    });
}

/// cudarc's events, which follow the views from stream to stream, are of the plan's context.
#[test]
fn views_leave_the_current_context() {
    each(|ordinal, before| {
        let context = CudaContext::new(ordinal).unwrap();
        let plan = before.during("Plan::new", || {
            Plan::new(&context, &Preset::Lr.spec(), CLASSES, Options::default()).unwrap()
        });
        let features = before.during("FeaturePlan::new", || {
            FeaturePlan::new(&context, &FEATURES, CLASSES, Options::default()).unwrap()
        });
        let batch = Batch::new(ROWS, CLASSES);
        let (stream, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let mut student = stream.clone_htod(&batch.student).unwrap();
        let teacher = stream.clone_htod(&batch.teacher).unwrap();
        let labels = stream.clone_htod(&batch.labels).unwrap();
        let views = cuda::Batch::in_place(ROWS, &mut student, &teacher, &labels);
        before.during("launch", || plan.launch(&other, views).unwrap());
        let views = cuda::FeatureBatch::in_place(ROWS, &mut student, &teacher);
        before.during("launch of features", || {
            features.launch(&other, views).unwrap();
        });
    });
}

/// Whoever drops it last, in whichever thread.
#[test]
fn drops_leave_the_current_context() {
    each(|ordinal, before| {
        let context = CudaContext::new(ordinal).unwrap();
        let plan = Plan::new(&context, &spec(), CLASSES, Options::default()).unwrap();
        let another = plan.with(&spec(), 700, Options::default()).unwrap();
        drop(context);
        thread::scope(|scope| {
            scope.spawn(move || {
                before.during("drop of a plan", || drop(plan));
                before.during("drop of the last plan", || drop(another));
            });
        });
        let gpu = Gpu::new(ordinal).unwrap();
        thread::scope(|scope| {
            scope.spawn(move || before.during("drop of a Gpu", || drop(gpu)));
        });
    });
}

const THREAD_LOCAL: CUstreamCaptureMode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;

fn captures(stream: &Arc<CudaStream>, record: impl FnOnce()) {
    stream.begin_capture(THREAD_LOCAL).unwrap();
    record();
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags).unwrap().expect("a graph");
    graph.launch().unwrap();
    stream.synchronize().unwrap();
}

/// Nothing is left for a first launch to load.
#[test]
fn a_new_plan_can_be_captured() {
    let Some(gpu) = gpu() else { return };
    let mut regimes = vec![Regime::Any, Regime::Split, Regime::Ring];
    regimes.extend(has_clusters(gpu).then_some(Regime::Cluster));
    for regime in regimes {
        // With kernels that nobody has launched.
        let gpu = Gpu::new(0).unwrap();
        let options = Options::default().regime(regime);
        let plan = gpu.plan(&spec(), 700, options).unwrap();
        let features = gpu.feature_plan(&FEATURES, 700, Options::default());
        let features = features.unwrap();
        let (call, stream) = (Call::new(&gpu, 700), gpu.stream().cu_stream());
        captures(gpu.stream(), || {
            call.temperatures(&plan, stream).unwrap();
            call.rows(&plan, stream).unwrap();
            call.scaled(&plan, stream).unwrap();
        });
        assert!(call.total.read::<f32>()[0] > 0.0, "{regime:?}");
        captures(gpu.stream(), || call.features(&features, stream).unwrap());
    }
}

#[test]
fn a_capture_takes_no_new_plan() {
    if gpu().is_none() {
        return;
    }
    let gpu = Gpu::new(0).unwrap();
    let options = Options::default();
    let plan = gpu.plan(&spec(), CLASSES, options).unwrap();
    let (call, stream) = (Call::new(&gpu, CLASSES), gpu.stream());
    stream.begin_capture(THREAD_LOCAL).unwrap();
    call.temperatures(&plan, stream.cu_stream()).unwrap();
    let error = plan.with(&spec(), 70_000, options).unwrap_err();
    assert!(matches!(error, Error::Capturing { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "making a plan is not possible while a graph is captured: make the plan before the capture"
    );
    // The driver has spoilt the capture.
    let error = call.rows(&plan, stream.cu_stream()).unwrap_err();
    assert_eq!(error, Error::CaptureInvalidated);
    assert!(error.to_string().contains("end the capture"));
    assert!(stream.end_capture(CUgraphInstantiate_flags(0)).is_err());
    // Afterwards both work.
    let another = plan.with(&spec(), 70_000, options).unwrap();
    assert_eq!(another.classes(), 70_000);
    captures(stream, || {
        call.temperatures(&plan, stream.cu_stream()).unwrap();
        call.rows(&plan, stream.cu_stream()).unwrap();
    });
    assert!(call.total.read::<f32>()[0] > 0.0);
}

#[test]
fn a_capture_takes_no_batch_in_host_memory() {
    if gpu().is_none() {
        return;
    }
    let gpu = Gpu::new(0).unwrap();
    let plan = gpu.plan(&Preset::Lr.spec(), CLASSES, Options::default());
    let (plan, batch) = (plan.unwrap(), Batch::new(ROWS, CLASSES));
    let run = || {
        let mut stats = [RowStats::default(); ROWS];
        gpu.run(&plan, batch.host().stats(&mut stats))
    };
    gpu.stream().begin_capture(THREAD_LOCAL).unwrap();
    let error = run().unwrap_err();
    assert!(
        matches!(error, Error::Capturing { .. } | Error::CaptureInvalidated),
        "{error}"
    );
    let _ = gpu.stream().end_capture(CUgraphInstantiate_flags(0));
    assert!(run().unwrap() > 0.0);
}

/// A caller who captures in the relaxed mode has told the driver that it may load what it likes.
#[test]
fn a_relaxed_capture_takes_a_new_plan() {
    if gpu().is_none() {
        return;
    }
    let gpu = Gpu::new(0).unwrap();
    let (call, stream) = (Call::new(&gpu, CLASSES), gpu.stream());
    let relaxed = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    stream.begin_capture(relaxed).unwrap();
    let plan = gpu.plan(&spec(), CLASSES, Options::default()).unwrap();
    call.temperatures(&plan, stream.cu_stream()).unwrap();
    let graph = stream.end_capture(CUgraphInstantiate_flags(0)).unwrap();
    graph.expect("a graph").launch().unwrap();
    assert!(call.tau.read::<f32>()[0] > 0.0);
}
