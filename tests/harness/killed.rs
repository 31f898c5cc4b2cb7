//! A run that is killed at any moment leaves the older run or its own: whole, and never both.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const TRAIN: &str = "train --epochs 2 --teacher-epochs 1 --hidden 8 --set teacher.hidden=[8]";
const COMPARE: &str = "compare --methods ce,kd --seeds 1 --lr-grid 0.05 --epochs 2 --teacher-epochs 1 \
                       --set teacher.hidden=[8]";

/// Files that a seed alone decides; others hold times.
const OF_TRAIN: &[&str] = &[
    "student.safetensors",
    "student.onnx",
    "setting.toml",
    "curve.csv",
];
const OF_COMPARE: &[&str] = &["setting.toml", "results.csv", "curves.csv", "samples.csv"];

fn start(here: &Path, command: &str, out: &str, seed: usize) -> Child {
    Command::new(env!("CARGO_BIN_EXE_fused-kd"))
        .current_dir(here)
        .args(command.split_whitespace())
        .args(["--set", &format!("seed={seed}"), "--out", out, "--force"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn read(directory: &Path, files: &[&str]) -> Vec<Vec<u8>> {
    let read = |name: &&str| fs::read(directory.join(name)).unwrap();
    files.iter().map(read).collect()
}

/// Numbers that look drawn, the same in every run.
fn drawn(state: &mut u64) -> f64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    (*state >> 11) as f64 / (1_u64 << 53) as f64
}

/// Kills runs over an older one, half of them at any moment and half while they write; how many new runs
/// came to stand.
#[track_caller]
fn killed(command: &str, files: &[&str], kills: usize) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let runs = ["seed0", "seed1"].map(|name| here.join(name));
    let mut took = Duration::ZERO;
    for (seed, name) in ["seed0", "seed1", "out"].into_iter().enumerate() {
        let started = Instant::now();
        assert!(
            start(here, command, name, seed % 2)
                .wait()
                .unwrap()
                .success()
        );
        took = started.elapsed();
    }
    let whole = [read(&runs[0], files), read(&runs[1], files)];
    assert_ne!(whole[0], whole[1]);
    let names = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    let (mut current, mut replaced, mut state) = (0, 0, 1);
    for kill in 0..kills {
        let mut child = start(here, command, "out", 1 - current);
        if kill % 2 == 0 {
            sleep(took.mul_f64(1.2 * drawn(&mut state)));
        } else {
            let writing = here.join(".out.fused-kd/results");
            while !writing.exists() && child.try_wait().unwrap().is_none() {}
            sleep(Duration::from_micros((6e4 * drawn(&mut state)) as u64));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let found = read(&here.join("out"), files);
        let which = whole.iter().position(|run| *run == found);
        let which = which.unwrap_or_else(|| panic!("{command}, kill {kill}: files of two runs"));
        assert_eq!(names(&here.join("out")), names(&runs[0]), "kill {kill}");
        replaced += usize::from(which != current);
        current = which;
    }
    // The next run finds its way, and takes away what the killed ones left.
    assert!(start(here, command, "out", 0).wait().unwrap().success());
    assert_eq!(names(here), ["out", "seed0", "seed1"]);
    replaced
}

/// As many as the time allows here; `FUSED_KD_KILLS=100` for more.
fn kills() -> usize {
    let kills = std::env::var("FUSED_KD_KILLS").ok();
    kills.and_then(|kills| kills.parse().ok()).unwrap_or(12)
}

#[test]
fn train_is_killed() {
    let replaced = killed(TRAIN, OF_TRAIN, kills());
    eprintln!("{replaced} of {} new runs came to stand", kills());
}

#[test]
fn compare_is_killed() {
    let replaced = killed(COMPARE, OF_COMPARE, kills());
    eprintln!("{replaced} of {} new runs came to stand", kills());
}
