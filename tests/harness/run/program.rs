//! `fused-kd train` and `fused-kd predict` from the outside.

use super::SHORT;
use crate::cli::{json, run, succeed};
use crate::support::npy::{self, array, bytes};
use fused_kd::data::Source;
use fused_kd::train::Setting;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A directory with a configuration and the results of its run.
fn trained() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("run.toml"), SHORT).unwrap();
    succeed(directory.path(), "train --config run.toml --out out");
    directory
}

#[test]
fn a_run_leaves_everything_that_makes_it_again() {
    let directory = trained();
    let here = directory.path();
    let read = |name: &str| fs::read(here.join(name)).unwrap();
    let mut names: Vec<String> = fs::read_dir(here.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "curve.csv",
            "results.json",
            "run.json",
            "selection.csv",
            "setting.toml",
            "student.onnx",
            "student.safetensors"
        ]
    );
    let resolved = succeed(here, "train --config run.toml --dry-run");
    assert_eq!(resolved.as_bytes(), read("out/setting.toml"));
    assert!(
        resolved.contains("\n# lr, with parameters of your own: "),
        "{resolved}"
    );
    // The resolved configuration makes the same run, and the reader prints it as it was.
    assert_eq!(
        succeed(here, "train --config out/setting.toml --dry-run"),
        resolved
    );
    let printed = succeed(
        here,
        "train --config out/setting.toml --out again --format json",
    );
    for name in [
        "student.safetensors",
        "student.onnx",
        "setting.toml",
        "curve.csv",
        "selection.csv",
    ] {
        assert_eq!(
            read(&format!("out/{name}")),
            read(&format!("again/{name}")),
            "{name}"
        );
    }
    let results = json(&String::from_utf8(read("again/results.json")).unwrap());
    assert_eq!(results, json(&printed));
    assert_eq!(results["preset"], "lr");
    let lines = |name: &str| String::from_utf8(read(name)).unwrap().lines().count();
    assert_eq!(lines("out/curve.csv"), 1 + 4);
    assert!((150..=250).contains(&lines("out/selection.csv")));
}

#[test]
fn a_run_is_quiet_when_piped_and_says_what_matters() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("run.toml"), SHORT).unwrap();
    let (code, out, err) = run(directory.path(), "train --config run.toml");
    // A busy machine may have to say how far it is.
    let said = err.lines().find(|line| !line.starts_with("progress: "));
    assert_eq!((code, said), (0, None));
    for words in [
        "digits: 500 test rows",
        "teacher 64-32-10",
        "misclassifies",
        "student 64-16-10, lr: 200 training rows",
        "selection score=el2n",
        "test accuracy",
        "best epoch",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert_eq!(directory.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_configuration_is_not_needed() {
    let resolved = succeed(Path::new("."), "train --dry-run");
    let setting = Setting::from_toml(&resolved).unwrap();
    assert_eq!(setting.to_toml().unwrap().trim_end(), resolved.trim_end());
}

#[test]
fn the_student_predicts_what_the_run_reported() {
    let directory = trained();
    let here = directory.path();
    let results = json(&fs::read_to_string(here.join("out/results.json")).unwrap());
    let predict = "predict --model out/student.safetensors --data digits";
    let test = json(&succeed(
        here,
        &format!("{predict} --rows test --format json"),
    ));
    let student = &results["student"];
    assert_eq!(test["accuracy"], student["test_accuracy"]);
    assert_eq!(test["calibration_error"], student["test_calibration_error"]);
    let predictions = test["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 500);
    let right = predictions
        .iter()
        .filter(|one| one["class"] == one["label"])
        .count();
    assert_eq!(test["accuracy"], right as f64 / 500.0);
    let validation = json(&succeed(
        here,
        &format!("{predict} --rows validation --format json"),
    ));
    assert_eq!(validation["accuracy"], student["validation_accuracy"]);

    let csv = succeed(here, &format!("{predict} --format csv --out all.csv"));
    assert_eq!(csv, fs::read_to_string(here.join("all.csv")).unwrap());
    assert_eq!(csv.lines().count(), 1 + 1_797);
    assert!(
        csv.starts_with("row,class,probability,label,p(0),p(1),"),
        "{csv}"
    );
    let table = succeed(here, predict);
    assert!(
        table.contains("digits: 1797 rows, accuracy") && table.contains("1787 more rows"),
        "{table}"
    );
}

#[test]
fn logits_feed_the_loss() {
    let directory = trained();
    let here = directory.path();
    succeed(
        here,
        "predict --model out/student.safetensors --data digits --logits s.npy",
    );
    let logits = npy::read(&fs::read(here.join("s.npy")).unwrap());
    assert_eq!(
        (logits.descr.as_str(), logits.shape.as_str()),
        ("'<f4'", "(1797, 10)")
    );
    let labels = Source::Digits.load().unwrap().labels().to_vec();
    let file = array("<i4", &[1_797], bytes(&labels));
    fs::write(here.join("y.npy"), file).unwrap();
    let loss = "loss --preset ce --student s.npy --teacher s.npy --labels y.npy --out loss";
    let summary = json(&succeed(here, &format!("{loss} --format json")));
    assert_eq!(summary["rows"], 1_797);
    // The cross-entropy again, from the file.
    let logits = logits.floats(4);
    let rows = logits.chunks_exact(10).zip(&labels);
    let sum: f64 = rows
        .map(|(row, &label)| row.iter().map(|z| z.exp()).sum::<f64>().ln() - row[label as usize])
        .sum();
    let total = summary["total"].as_f64().unwrap();
    assert!(
        (total - sum / 1_797.0).abs() < 1e-4,
        "{total} {}",
        sum / 1_797.0
    );
}

#[test]
fn a_table_of_other_rows_is_predicted() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let row = |i: usize| format!("{},{},{}\n", i % 7, (i * 3) % 5, usize::from(i % 7 > 3));
    fs::write(
        here.join("train.csv"),
        (0..100).map(row).collect::<String>(),
    )
    .unwrap();
    fs::write(here.join("new.csv"), "6,1,1\n0,2,0\n1,1,2\n").unwrap();
    fs::write(here.join("wide.csv"), "6,1,3,1\n").unwrap();
    let config =
        "[data]\nsource = \"csv:train.csv\"\n[student]\nepochs = 20\n[teacher]\nepochs = 20";
    fs::write(here.join("run.toml"), config).unwrap();
    succeed(here, "train --config run.toml --out out");
    let predict = "predict --model out/student.safetensors --data csv:";
    let (code, out, err) = run(here, &format!("{predict}new.csv --format csv"));
    assert_eq!(code, 0, "{err}");
    let classes: Vec<&str> = out
        .lines()
        .skip(1)
        .map(|line| line.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(classes, ["1", "0", "0"]);
    assert!(
        err.contains(
            "unknown to the student: 1; they count as misclassified (the student knows 2 classes)"
        ),
        "{err}"
    );

    let (code, _, err) = run(here, &format!("{predict}wide.csv"));
    assert_eq!(code, 1);
    let words = "wide.csv`, line 1: 3 columns of features, but the student has 2";
    assert!(err.contains(words), "{err}");
    let (code, _, err) = run(here, &format!("{predict}new.csv --rows test"));
    assert_eq!(code, 2);
    assert!(
        err.contains("\"train\"") && err.contains("remove --rows"),
        "{err}"
    );
}

#[test]
fn what_cannot_be_is_named_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let write = |name: &str, text: &str| fs::write(here.join(name), text).unwrap();
    write("typo.toml", "[student]\nepoch = 3\n");
    write("range.toml", "[data]\nlabel-noise = 1.5\n");
    write("rows.toml", "data.train-size = 5000");
    write("absent.toml", "data.source = \"csv:absent.csv\"");
    write("large.toml", &" ".repeat((1 << 20) + 1));
    fs::write(here.join("binary.toml"), [0xff, 0xfe]).unwrap();
    write("short.safetensors", "short");
    write("taken", "");
    let cases = [
        ("train --config none.toml", 1, "`none.toml`"),
        (
            "train --config typo.toml",
            2,
            "`typo.toml`: student: unknown key `epoch`",
        ),
        ("train --config range.toml", 2, "range.toml:2:15"),
        (
            "train --config range.toml --dry-run",
            2,
            "data.label-noise = 1.5: must be a share between 0 and 1",
        ),
        ("train --config rows.toml", 2, "train-size = 5000"),
        ("train --config absent.toml", 1, "absent.csv"),
        ("train --config large.toml", 1, "more than 1048576 bytes"),
        ("train --config binary.toml", 1, "binary.toml"),
        ("train --out taken", 1, "`taken` exists already"),
        ("train --force", 2, "--out"),
        ("train --dry-run --format json", 2, "--format"),
        (
            "predict --model none.safetensors --data digits",
            1,
            "none.safetensors",
        ),
        (
            "predict --model short.safetensors --data digits",
            1,
            "5 bytes of 8: truncated",
        ),
        (
            "predict --model short.safetensors --data digits --out taken",
            1,
            "--force",
        ),
        (
            "predict --model short.safetensors --data digits --logits nowhere/s.npy",
            1,
            "`nowhere` is not a directory",
        ),
        ("predict --data digits", 2, "--model"),
    ];
    for (arguments, expected, words) in cases {
        let (code, out, err) = run(here, arguments);
        assert_eq!((code, out.as_str()), (expected, ""), "{arguments}: {err}");
        assert!(err.contains(words), "{arguments}: {err}");
    }
    assert_eq!(here.read_dir().unwrap().count(), 8);
}
