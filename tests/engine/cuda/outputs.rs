//! What a batch has no room for is not written, and changes no bit of what is.

use super::device::{Batch, Memory, gpu};
use fused_kd::cuda::{
    Gpu, HostBatch, HostFeatureBatch, Options, Plan, RawBatch, RawFeatureBatch, Regime,
};
use fused_kd::spec::{Distance, FeatureSpec, Format, Preset, Relation, RowStats, StatsLevel};
use std::array;

const ROWS: usize = 6;
const CLASSES: usize = 40;

/// Gradient, total and records of a batch, as words, each where there was room for it.
type Words = [Option<Vec<u32>>; 3];

/// One call on addresses, with room for these.
fn raw(gpu: &Gpu, plan: &Plan, room: [bool; 3]) -> Words {
    let batch = Batch::new(ROWS, CLASSES);
    let inputs = batch.upload(gpu);
    let sizes = [ROWS * CLASSES, 1, ROWS * 16];
    let outputs = sizes.map(|words| Memory::of(gpu, &vec![7_u32; words]));
    let workspace = Memory::room(gpu, plan.workspace_bytes(ROWS));
    let mut raw: RawBatch = batch.raw(&inputs);
    if room[0] {
        raw = raw.gradient(outputs[0].floats());
    }
    if room[1] {
        raw = raw.total(outputs[1].at());
    }
    if room[2] {
        raw = raw.stats(outputs[2].at());
    }
    // One launch leaves something to the next only for a total, and where rows are split.
    if room[1] || plan.regime(ROWS) == Regime::Split {
        raw = raw.workspace(workspace.at());
    }
    // SAFETY: all these were allocated for this batch.
    unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) }.unwrap();
    written(&outputs, room)
}

/// What has been written, which is what there was room for.
fn written(outputs: &[Memory; 3], room: [bool; 3]) -> Words {
    array::from_fn(|i| {
        let words = outputs[i].read::<u32>();
        let untouched = words.iter().all(|&word| word == 7);
        assert_eq!(untouched, !room[i], "output {i}");
        room[i].then_some(words)
    })
}

/// The same through the host's memory.
fn host(gpu: &Gpu, plan: &Plan, room: [bool; 3]) -> Words {
    let batch = Batch::new(ROWS, CLASSES);
    let mut gradient = vec![0.0_f32; ROWS * CLASSES];
    let (mut total, mut stats) = (0.0_f32, vec![RowStats::default(); ROWS]);
    let mut host = batch.host();
    if room[0] {
        host = host.gradient(&mut gradient);
    }
    if room[1] {
        host = host.total(&mut total);
    }
    if room[2] {
        host = host.stats(&mut stats);
    }
    let returned = gpu.run(plan, host).unwrap();
    assert!(!room[1] || returned == total);
    let gradient = room[0].then(|| bytemuck::cast_vec(gradient));
    let total = room[1].then(|| vec![total.to_bits()]);
    [
        gradient,
        total,
        room[2].then(|| bytemuck::pod_collect_to_vec(&stats)),
    ]
}

/// Without output `absent`, the others have the bits that they have with it, in every kind of kernel.
#[track_caller]
fn is_left_out(absent: usize) {
    let Some(gpu) = gpu() else { return };
    let regimes = [Regime::Group16, Regime::Stream, Regime::Split, Regime::Any];
    for options in regimes.map(|regime| Options::default().regime(regime)) {
        let plan = gpu.plan(&Preset::Lr.spec(), CLASSES, options).unwrap();
        for run in [raw, host] {
            let mut room = [true; 3];
            let mut expected = run(gpu, &plan, room);
            (room[absent], expected[absent]) = (false, None);
            assert_eq!(run(gpu, &plan, room), expected, "{options:?}");
        }
    }
}

#[test]
fn without_a_gradient() {
    is_left_out(0);
}

#[test]
fn without_a_total() {
    is_left_out(1);
}

#[test]
fn without_records() {
    is_left_out(2);
}

/// The level of a plan without records changes nothing else either.
#[test]
fn without_a_level() {
    let Some(gpu) = gpu() else { return };
    let options = Options::default();
    let [full, none] = [options, options.level(StatsLevel::None)]
        .map(|options| gpu.plan(&Preset::Lr.spec(), CLASSES, options).unwrap());
    let room = [true, true, false];
    assert_eq!(raw(gpu, &none, room), raw(gpu, &full, room));
    assert_eq!(host(gpu, &none, room), host(gpu, &full, room));
}

/// A single launch leaves nothing to another one, and a Gpu has a workspace of its own.
#[test]
fn without_a_workspace() {
    let Some(gpu) = gpu() else { return };
    let plan = gpu
        .plan(&Preset::Lr.spec(), CLASSES, Options::default())
        .unwrap();
    raw(gpu, &plan, [true, false, true]);
    let batch = Batch::new(ROWS, CLASSES);
    let weight = [2.0_f32; ROWS];
    let run = |host: HostBatch<f32, f32>| gpu.run(&plan, host.weight(&weight)).unwrap();
    // One that is given is not looked at.
    let mut small = [0_u8; 1];
    let total = run(batch.host());
    assert_eq!(run(batch.host().workspace(&mut small)), total);
    // No rows, no work, and no workspace either.
    let none = RawBatch::new(0, (0, Format::F32), (0, Format::F32), 0).weight(0);
    // SAFETY: there are no rows.
    unsafe { plan.launch_raw(gpu.stream().cu_stream(), &none) }.unwrap();
}

/// Gradient, total and distances of features, by address and through the host's memory.
fn features(gpu: &Gpu, room: [bool; 3]) -> Words {
    let spec = FeatureSpec {
        distance: Distance::L1,
        relation: Relation::Inherit,
    };
    let plan = gpu
        .feature_plan(&spec, CLASSES, Options::default())
        .unwrap();
    let batch = Batch::new(ROWS, CLASSES);
    let [student, target, _labels] = batch.upload(gpu);
    let sizes = [ROWS * CLASSES, 1, ROWS];
    let outputs = sizes.map(|words| Memory::of(gpu, &vec![7_u32; words]));
    let workspace = Memory::room(gpu, plan.workspace_bytes(ROWS));
    let mut raw = RawFeatureBatch::new(ROWS, student.floats(), target.floats());
    if room[0] {
        raw = raw.gradient(outputs[0].floats());
    }
    if room[1] {
        raw = raw.total(outputs[1].at()).workspace(workspace.at());
    }
    if room[2] {
        raw = raw.distances(outputs[2].at());
    }
    // SAFETY: all these were allocated for this batch.
    unsafe { plan.launch_raw(gpu.stream().cu_stream(), &raw) }.unwrap();
    let mut host = HostFeatureBatch::new(ROWS, &batch.student, &batch.teacher);
    let (mut gradient, mut distances) = (batch.student.clone(), vec![7.0; ROWS]);
    if room[0] {
        host = host.gradient(&mut gradient);
    }
    if room[2] {
        host = host.distances(&mut distances);
    }
    let total = gpu.run_features(&plan, host).unwrap();
    let words = written(&outputs, room);
    let host = [
        room[0].then(|| bytemuck::cast_vec(gradient)),
        room[1].then(|| vec![total.to_bits()]),
        room[2].then(|| bytemuck::cast_vec(distances)),
    ];
    assert_eq!(words, host);
    words
}

#[test]
fn features_without_one_of_their_outputs() {
    let Some(gpu) = gpu() else { return };
    for absent in 0..3 {
        let mut room = [true; 3];
        let mut expected = features(gpu, room);
        (room[absent], expected[absent]) = (false, None);
        assert_eq!(features(gpu, room), expected);
    }
}
