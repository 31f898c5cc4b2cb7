//! The emulator finds planted defects, and nothing where there are none.

use fused_kd_simt::{Sanitizer, build};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The program with the defects, built once per sanitizer.
fn program(sanitizer: Sanitizer) -> &'static Path {
    static PROGRAMS: [OnceLock<PathBuf>; 3] = [const { OnceLock::new() }; 3];
    PROGRAMS[sanitizer as usize].get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("defects-{sanitizer:?}"));
        build(&path, &["programs/defects.cpp"], sanitizer, &[]).unwrap();
        path
    })
}

fn run(sanitizer: Sanitizer, name: &str, form: &str, seed: u32) -> Output {
    let mut command = Command::new(program(sanitizer));
    command.args([name, form, &seed.to_string()]);
    command.env("TSAN_OPTIONS", "exitcode=66").output().unwrap()
}

/// The defect is found, with these words; without it all is well, in three orders.
#[track_caller]
fn found(sanitizer: Sanitizer, name: &str, words: &str) {
    for seed in 0..3 {
        let healthy = run(sanitizer, name, "healthy", seed);
        let text = String::from_utf8_lossy(&healthy.stderr).into_owned();
        assert!(healthy.status.success(), "{name} is healthy: {text}");
    }
    let sick = run(sanitizer, name, "defect", 1);
    let text = String::from_utf8_lossy(&sick.stderr).into_owned();
    assert!(!sick.status.success(), "{name} is not found");
    assert!(text.contains(words), "{name}: not {words:?} but {text}");
}

#[test]
fn barriers() {
    found(
        Sanitizer::None,
        "divergent-barrier",
        "divergent barrier: 40 of 64 threads",
    );
    found(
        Sanitizer::None,
        "barrier-after-return",
        "the others have returned",
    );
    found(Sanitizer::None, "two-barriers", "divergent barriers");
    found(Sanitizer::None, "deadlock", "deadlock");
}

#[test]
fn barriers_of_a_cluster() {
    found(Sanitizer::None, "missing-cluster-barrier", "nan");
    found(Sanitizer::Thread, "missing-cluster-barrier", "data race");
    found(
        Sanitizer::None,
        "divergent-cluster-barrier",
        "divergent cluster barrier: 40 of 64 threads",
    );
    found(
        Sanitizer::None,
        "cluster-barrier-after-return",
        "32 of 64 threads reach here, the others have returned",
    );
}

#[test]
fn blocks_of_a_cluster_that_are_not_there() {
    found(
        Sanitizer::None,
        "cluster-before-begin",
        "block 1 of a cluster, which may not have begun",
    );
    found(
        Sanitizer::None,
        "block-leaves-early",
        "of a cluster, which has returned",
    );
}

#[test]
fn masks() {
    found(Sanitizer::None, "foreign-mask", "is not in its own mask");
    found(
        Sanitizer::None,
        "lane-outside-mask",
        "reads lane 16, which is not in mask",
    );
    found(
        Sanitizer::None,
        "returned-lane",
        "names lanes that have returned",
    );
}

#[test]
fn shared_memory_starts_as_nan() {
    found(Sanitizer::None, "unwritten", "out[63] is -nan");
    found(Sanitizer::None, "missing-barrier", "nan");
}

#[test]
fn missing_barriers_under_thread_sanitizer() {
    found(Sanitizer::Thread, "missing-barrier", "data race");
    found(Sanitizer::Thread, "shuffle-is-no-barrier", "data race");
}

#[test]
fn bounds_under_address_sanitizer() {
    found(Sanitizer::Address, "out-of-bounds", "use-after-poison");
}

#[test]
fn copies_that_are_not_waited_for() {
    found(Sanitizer::None, "copy-read-early", "nan");
    found(Sanitizer::None, "bulk-read-early", "nan");
    found(Sanitizer::None, "copy-not-waited-for", "has not waited for");
    found(Sanitizer::Address, "copy-read-early", "use-after-poison");
    found(Sanitizer::Address, "bulk-read-early", "use-after-poison");
}

#[test]
fn stages_that_are_reused_early() {
    found(Sanitizer::None, "stage-under-way", "a stage is reused");
    found(Sanitizer::None, "stage-reused-early", "nan");
    found(Sanitizer::Address, "stage-reused-early", "use-after-poison");
    found(Sanitizer::Thread, "stage-reused-early", "data race");
}

#[test]
fn byte_counts() {
    found(
        Sanitizer::None,
        "wrong-byte-count",
        "expects 128 bytes, its copies bring 256",
    );
}
