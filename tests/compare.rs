//! `fused-kd compare` from the outside: what it prints, what it writes, what it refuses.
#![cfg(feature = "cli")]

use assert_cmd::Command;
use std::fs;
use std::path::Path;

fn fused_kd(arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let output = Command::cargo_bin("fused-kd")
        .unwrap()
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

const SHORT: [&str; 9] = [
    "compare",
    "--methods",
    "ce,kd,lr",
    "--seeds",
    "2",
    "--epochs",
    "3",
    "--teacher-epochs",
    "3",
];

fn short<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SHORT[..], more].concat()
}

#[test]
fn the_table_is_quiet_when_piped() {
    let directory = tempfile::tempdir().unwrap();
    let (code, out, err) = fused_kd(&short(&[]), directory.path());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for words in [
        "digits: 500 test rows",
        "| ce ",
        "| kd ",
        "| lr ",
        "wrong on",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(!out.contains('\u{1b}'), "colours in a pipe");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn json_and_files_say_the_same_twice() {
    let directory = tempfile::tempdir().unwrap();
    let run = |out: &str| {
        let (code, json, err) = fused_kd(
            &short(&["--format", "json", "--out", out]),
            directory.path(),
        );
        assert_eq!(code, Some(0), "{err}");
        let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let file = fs::read_to_string(directory.path().join(out).join("results.json")).unwrap();
        assert_eq!(
            json,
            serde_json::from_str::<serde_json::Value>(&file).unwrap()
        );
        // All but the time that it took.
        json["teacher"]["seconds"].take();
        for method in json["methods"].as_array_mut().unwrap() {
            method["seconds"].take();
        }
        let csv = |name: &str| fs::read_to_string(directory.path().join(out).join(name)).unwrap();
        (json, csv("results.csv"), csv("curves.csv"))
    };
    let (json, results, curves) = run("a");
    assert_eq!((json.clone(), results.clone(), curves.clone()), run("b"));
    assert_eq!(json["engine"], "cpu");
    assert!(json["teacher"]["wrong_train_labels"].is_f64());
    let kd = &json["methods"][1];
    assert_eq!(kd["name"], "kd");
    assert_eq!(kd["test_accuracy"]["per_seed"].as_array().unwrap().len(), 2);
    assert_eq!(kd["vs_kd"]["mean"], 0.0);
    assert_eq!(
        json["methods"][2]["spec"]["revision"]["kind"],
        "label-revision"
    );
    assert_eq!(results.lines().count(), 1 + 3 * 2);
    assert_eq!(curves.lines().count(), 1 + 3 * 2 * 3);
}

#[test]
fn what_cannot_be_run_is_named_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("ragged.csv"), "1,2,0\n1,2\n").unwrap();
    let cases: [(&[&str], i32, &str); 12] = [
        (&["--methods", "kdd"], 2, "ce, kd, lr"),
        (&["--data", "csv:absent.csv"], 1, "absent.csv"),
        (&["--data", "csv:ragged.csv"], 1, "ragged.csv"),
        (&["--data", "tsv:x"], 2, "digits"),
        (&["--data", "idx:nowhere"], 1, "nowhere"),
        (&["--seeds", "0"], 2, "1..=10000"),
        (&["--label-noise", "2"], 2, "between 0 and 1"),
        (&["--train-size", "many"], 2, "all"),
        (&["--train-size", "99999"], 2, "1118 rows"),
        (&["--lr-grid", "0.1,-1"], 2, "greater than 0"),
        (&["--hidden", "a-b"], 2, "64-32"),
        (&["--epochs", "0"], 2, "at least 1"),
    ];
    for (arguments, expected, words) in cases {
        let arguments = [&["compare", "--out", "out"], arguments].concat();
        let (code, out, err) = fused_kd(&arguments, directory.path());
        assert_eq!(
            (code, out.as_str()),
            (Some(expected), ""),
            "{arguments:?}: {err}"
        );
        // Help texts are wrapped.
        let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(err.contains(words), "{arguments:?}: {err}");
        assert!(!directory.path().join("out").exists());
    }
}

#[test]
fn results_are_replaced_only_by_force() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("out")).unwrap();
    fs::write(directory.path().join("out/mine"), "").unwrap();
    let (code, _, err) = fused_kd(&short(&["--out", "out"]), directory.path());
    assert_eq!(code, Some(1));
    assert!(err.contains("--force"), "{err}");
    let (code, _, _) = fused_kd(&short(&["--out", "out", "--force"]), directory.path());
    assert_eq!(code, Some(0));
    assert!(directory.path().join("out/mine").exists());
    assert!(directory.path().join("out/results.csv").exists());
}
