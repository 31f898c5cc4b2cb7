//! Clusters: blocks that keep a row together.

use super::batches::{agrees_with, begin_anywhere};
use super::device::{Batch, gpu, has_clusters, is_emulated, with};
use fused_kd::cuda::{Error, Gpu, HostBatch, Options, Regime};
use fused_kd::spec::Preset;
use half::{bf16, f16};
use std::{env, fs, process};

fn clusters() -> Option<&'static Gpu> {
    gpu().filter(|gpu| has_clusters(gpu))
}

/// An ignored test in this environment launches this, and nothing else with clusters.
#[track_caller]
fn launches(environment: &[(&str, &str)], test: &str, expected: &str) {
    if !is_emulated() {
        return;
    }
    let file = format!("fused-kd-{}-{}", process::id(), expected.replace(' ', "-"));
    let file = env::temp_dir().join(file);
    let log = [("SIMT_LOG", file.to_str().expect("a name in UTF-8"))];
    with(&[environment, &log].concat(), test);
    let log = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    let mut launched = log.lines().filter(|line| line.contains("row_cluster"));
    assert!(launched.clone().count() > 0);
    assert!(launched.all(|line| line.contains(expected)), "{log}");
}

/// Small rows in two, four and eight blocks: shared memory that holds no more makes them so many.
#[test]
fn rows_lie_in_blocks() {
    for (shared, blocks) in [("6800", 2), ("4700", 4), ("3800", 8)] {
        let expected = format!("in clusters of {blocks}");
        let shared = [("SIMT_SHARED", shared)];
        launches(&shared, "clusters::small_blocks", &expected);
    }
}

/// Of 16 multiprocessors, which would be 8 clusters of 2, the driver runs 3 at a time.
#[test]
fn as_many_clusters_as_run_at_the_same_time() {
    let few = [("SIMT_PROCESSORS", "16"), ("SIMT_CLUSTERS", "3")];
    launches(&few, "clusters::many_rows", "row_cluster_f32 6 x");
}

#[test]
#[ignore = "needs an environment"]
fn many_rows() {
    let gpu = gpu().expect("the stand-in driver");
    let forced = Options::default().regime(Regime::Cluster);
    agrees_with::<f32>(gpu, forced, 10, 1003);
}

/// Where not even one fits, rows are read anew.
#[test]
fn none_at_the_same_time() {
    if is_emulated() {
        with(&[("SIMT_CLUSTERS", "0")], "clusters::no_room");
    }
}

#[test]
#[ignore = "needs an environment"]
fn no_room() {
    let gpu = gpu().expect("the stand-in driver");
    let spec = Preset::Lr.spec();
    let plan = gpu.plan(&spec, 30_000, Options::default()).unwrap();
    assert_eq!(plan.regime(1000), Regime::Stream);
    let forced = Options::default().regime(Regime::Cluster);
    let refused = gpu.plan(&spec, 30_000, forced);
    assert!(matches!(refused, Err(Error::Regime { .. })), "{refused:?}");
}

#[test]
#[ignore = "needs an environment"]
fn small_blocks() {
    let gpu = gpu().expect("the stand-in driver");
    begin_anywhere(gpu, Regime::Cluster, 1003);
    let forced = Options::default().regime(Regime::Cluster);
    for rows in [1, 3] {
        agrees_with::<f32>(gpu, forced, rows, 1003);
        agrees_with::<f16>(gpu, forced, rows, 2001);
        agrees_with::<bf16>(gpu, forced, rows, 1999);
    }
    equal_gradients(gpu, 1003);
}

/// All blocks combine the same parts in the same order: equal logits have equal gradients to the bit,
/// whichever block keeps them.
#[test]
fn equal_logits_have_equal_gradients() {
    let Some(gpu) = clusters() else { return };
    for classes in [40_000, 60_000, 120_000] {
        equal_gradients(gpu, classes);
    }
}

fn equal_gradients(gpu: &Gpu, classes: usize) {
    const PERIOD: usize = 61;
    let mut batch = Batch::new(2, classes);
    for logits in [&mut batch.student, &mut batch.teacher] {
        for row in logits.chunks_mut(classes) {
            for c in PERIOD..classes {
                row[c] = row[c - PERIOD];
            }
        }
    }
    let forced = Options::default().regime(Regime::Cluster);
    let plan = gpu.plan(&Preset::Lr.spec(), classes, forced).unwrap();
    let in_place = HostBatch::in_place(2, &mut batch.student, &batch.teacher, &batch.labels);
    gpu.run(&plan, in_place).unwrap();
    // Beyond the labels, which lie in the first period.
    for row in batch.student.chunks(classes) {
        for c in PERIOD..classes - PERIOD {
            let (a, b) = (row[c].to_bits(), row[c + PERIOD].to_bits());
            assert_eq!(a, b, "{classes} classes: [{c}]");
        }
    }
}

/// A chip without clusters gets no kernel of theirs to see.
#[test]
fn before_hopper() {
    with(&[("SIMT_CAPABILITY", "89")], "clusters::older_chip");
}

#[test]
#[ignore = "needs an environment"]
fn older_chip() {
    let gpu = gpu().expect("the stand-in driver");
    let streams = agrees_with::<f32>(gpu, Options::default(), 3, 30_000);
    assert_eq!(streams, Regime::Stream);
    let forced = Options::default().regime(Regime::Cluster);
    let refused = gpu.plan(&Preset::Lr.spec(), 30_000, forced).unwrap_err();
    assert!(matches!(
        refused,
        Error::Regime {
            given: "cluster",
            ..
        }
    ));
    assert!(refused.to_string().contains("compute capability 9.0"));
}

/// Long rows go to them by themselves, unless there are so few that each is shared by more blocks.
#[test]
fn long_rows_have_clusters() {
    let Some(gpu) = clusters() else { return };
    let plan = gpu.plan(&Preset::Lr.spec(), 151_936, Options::default());
    let plan = plan.unwrap();
    assert_eq!(plan.regime(1), Regime::Split);
    assert_eq!(plan.regime(1 << 20), Regime::Cluster);
}
