//! Sizes that no machine has. What is refused is refused before memory or threads are asked for.

use super::{Attack, attack, fall_short, program};

const TRAIN: &str = "train --epochs 1 --teacher-epochs 1 --out out";
const COMPARE: &str = "compare --epochs 1 --teacher-epochs 1 --out out";
const LINUX: bool = cfg!(target_os = "linux");

pub(super) fn attacks() -> Vec<Attack> {
    let train = |name, flags: &str, words| attack(name, format!("{TRAIN} {flags}"), 2, words);
    let compare = |name, flags: &str, words| attack(name, format!("{COMPARE} {flags}"), 2, words);
    let bench = |name, flags: &str, words| attack(name, format!("bench {flags}"), 2, words);
    let data = |name, source: &str, words| train(name, &format!("--data {source}"), words);
    let methods = format!("methods=[\"ce\"]\nlearning-rates = [{}]", listed(1000));
    let mut all = vec![
        compare(
            "2^64 - 1 seeds",
            "--seeds 18446744073709551615",
            &["--seeds 18446744073709551615", "too large"],
        ),
        compare(
            "2^64 seeds",
            "--seeds 18446744073709551616",
            &["--seeds 18446744073709551616", "too large"],
        ),
        compare(
            "10,001 seeds",
            "--seeds 10001",
            &["--seeds 10001", "from 1 to 10000"],
        ),
        compare("seeds below 0", "--seeds -1", &["--seeds -1"]),
        compare(
            "seeds beyond the last",
            "--seeds 2 --set seed=9223372036854775807",
            &["seed=9223372036854775807", "from 0 to"],
        ),
        compare(
            "10^7 runs",
            "--seeds 10000 --config x.toml",
            &["--seeds 10000", "10000000 runs", "at most 1000000"],
        )
        .file("x.toml", methods),
        train(
            "a seed of 64 bits",
            "--set seed=18446744073709551615",
            &["seed=18446744073709551615: 18446744073709551615 is too large"],
        ),
        train(
            "the last seed",
            "--seed 9223372036854775807",
            &["--seed 9223372036854775807", "from 0 to"],
        ),
        attack(
            "2^64 - 1 epochs",
            "train --out out --epochs 18446744073709551615",
            2,
            &["--epochs 18446744073709551615", "too large"],
        ),
        attack(
            "1,000,001 epochs",
            "train --out out --epochs 1000001",
            2,
            &["--epochs 1000001", "from 1 to 1000000"],
        ),
        train(
            "a warm-up of 1,000,001 epochs",
            "--set student.warm-up=1000001",
            &["student.warm-up=1000001"],
        ),
        train(
            "a layer of 10^9 units",
            "--set student.hidden=[1000000000]",
            &["student.hidden=[1000000000]", "from 1 to 65536"],
        ),
        train(
            "2^32 weights",
            "--set student.hidden=[65536,65536]",
            &[
                "student.hidden=[65536,65536]",
                "more than 268435456 parameters",
            ],
        ),
        train(
            "2^32 weights of the teacher",
            "--set teacher.hidden=[65536,65536]",
            &["teacher.hidden", "more than 268435456 parameters"],
        ),
        train(
            "18 layers",
            "--hidden 1-2-3-4-5-6-7-8-9-1-2-3-4-5-6-7-8-9",
            &["--hidden", "at most 16 layers"],
        ),
        train(
            "65,537 rows per step",
            "--set student.batch=65537",
            &["student.batch=65537", "from 1 to 65536"],
        ),
        train(
            "2^64 rows per step",
            "--set student.batch=18446744073709551616",
            &["18446744073709551616 is too large"],
        ),
        train(
            "65,537 rows per step of the factor",
            "--set features.factor.batch=65537",
            &["features.factor.batch=65537"],
        ),
        data(
            "2^64 rows",
            "synthetic:rows=18446744073709551615",
            &["--data", "at most"],
        ),
        data(
            "2^31 values",
            "synthetic:rows=1048576,dim=2048",
            &["rows=1048576 with dim=2048", "268435456 at most"],
        ),
        data(
            "more classes than rows",
            "synthetic:rows=10,classes=1000000",
            &["classes=1000000 with rows=10"],
        ),
        data(
            "2^64 classes",
            "csv:ok.csv?classes=18446744073709551615",
            &["classes=18446744073709551615", "from 2 to 100000"],
        ),
        data(
            "10^9 classes",
            "csv:ok.csv?classes=1000000000",
            &["classes=1000000000", "from 2 to 100000"],
        ),
        bench(
            "a shape of 10^18",
            "--shape 999999999x999999999",
            &["'999999999x999999999'", "at most 2^36"],
        ),
        bench(
            "100,000 threads",
            "--threads 100000 --shape 8x8",
            &[
                "--threads 100000: must be from 1 to 256",
                "this machine runs",
            ],
        ),
        bench(
            "2^32 samples",
            "--samples 4294967296",
            &["--samples", "1..=10000"],
        ),
        bench(
            "a network of 10^9 units",
            "--what step --network 999999999-10",
            &["--network", "from 1 to 65536"],
        ),
    ];
    if LINUX {
        all.extend([
            train(
                "16 GiB of activations",
                "--set student.batch=65536 --set student.hidden=[65536]",
                &["student.batch=65536: must be smaller", "GiB"],
            ),
            data(
                "40 GB of logits",
                "synthetic:rows=100000,classes=100000,dim=2",
                &["synthetic:rows=100000", "must be smaller", "GiB"],
            ),
            compare(
                "10,000 copies of the data",
                "--methods ce --lr-grid 0.1 --seeds 10000 --data synthetic:rows=20000,dim=500",
                &["--seeds 10000: must be smaller", "GiB"],
            ),
            bench(
                "a shape of 2^36",
                "--shape 68719476736x1 --samples 1",
                &["--shape 68719476736x1: needs", "GiB", "smaller"],
            ),
            bench(
                "a network of 2^33 weights",
                "--what step --network 65536-65536-65536-10",
                &["--network 65536-65536-65536-10: needs", "GiB"],
            ),
        ]);
    }
    all
}

/// `1,2,…`
fn listed(many: usize) -> String {
    let all: Vec<String> = (1..=many).map(|i| i.to_string()).collect();
    all.join(",")
}

#[test]
fn sizes_that_no_machine_has() {
    fall_short(&attacks());
}

/// A system may refuse threads: those that nobody could use are not asked for.
#[test]
fn a_hundred_thousand_threads_are_not_started() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = "compare --methods ce --seeds 1 --epochs 1 --teacher-epochs 1 --lr-grid 0.05";
    let mut command = program(directory.path(), arguments);
    let output = command.env("RAYON_NUM_THREADS", "100000").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    assert!(error.contains("RAYON_NUM_THREADS=100000: "), "{error}");
}
