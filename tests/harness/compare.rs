//! `fused-kd compare` from the outside: what it prints, what it writes, what it refuses.

use assert_cmd::Command;
use fused_kd::train::{Data, Scenario, Setting};
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
    // A busy machine may have to say how far it is.
    let said = err.lines().find(|line| !line.starts_with("progress: "));
    assert_eq!((code, said), (Some(0), None));
    for words in [
        "digits: 500 test rows",
        "| ce ",
        "| kd ",
        "| lr ",
        "misclassifies",
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
        (&["--seeds", "0"], 2, "from 1 to 10000"),
        (&["--label-noise", "2"], 2, "between 0 and 1"),
        (&["--train-size", "many"], 2, "all"),
        (&["--train-size", "99999"], 2, "1118 rows"),
        (&["--lr-grid", "0.1,-1"], 2, "greater than 0"),
        (&["--hidden", "a-b"], 2, "--hidden a-b"),
        (&["--epochs", "0"], 2, "from 1 to 1000000"),
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
fn selections_and_budgets_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [
        "compare",
        "--methods",
        "kd,ds",
        "--seeds",
        "2",
        "--epochs",
        "4",
        "--teacher-epochs",
        "2",
        "--lr-grid",
        "0.05",
        "--set",
        "select.score=el2n",
        "--set",
        "select.fraction=0.5",
        "--set",
        "select.warm-up=1",
        "--set",
        "select.every=2",
        "--fractions",
        "0.25,1",
        "--scores",
        "el2n,random",
        "--out",
        "out",
    ];
    let (code, out, err) = fused_kd(&arguments, directory.path());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("gain over random"), "{out}");
    let csv = |name: &str| fs::read_to_string(directory.path().join("out").join(name)).unwrap();
    // Chosen before the second and the fourth epoch: half of 200 samples, rounded class by class.
    let lines = csv("selections.csv");
    let chosen = |start: &str| lines.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((chosen("ds,0,1,"), chosen("ds,0,3,")), (0, 0));
    assert!(
        (95..=105).contains(&chosen("ds,0,2,")),
        "{}",
        chosen("ds,0,2,")
    );
    assert!((95..=105).contains(&chosen("ds,1,4,")));
    assert_eq!(csv("budget.csv").lines().count(), 1 + 2 * 2);
    let json: serde_json::Value = serde_json::from_str(&csv("results.json")).unwrap();
    assert_eq!(
        json["methods"][1]["selection"],
        "score=el2n,keep=highest,fraction=0.5,per-class,every=2,warm-up=1"
    );
    // All samples selected is no selection: the same numbers as kd, and for any score.
    let all = json["budget"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|point| point["fraction"] == 1.0);
    for point in all {
        assert_eq!(point["test_accuracy"], json["methods"][0]["test_accuracy"]);
    }
}

#[test]
fn scenarios_are_named_and_written_apart() {
    let directory = tempfile::tempdir().unwrap();
    let short = [
        "compare",
        "--methods",
        "kd",
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--teacher-epochs",
        "1",
        "--lr-grid",
        "0.05",
    ];
    let all = [
        &short[..],
        &["--scenario", "all", "--format", "json", "--out", "out"],
    ]
    .concat();
    let (code, out, err) = fused_kd(&all, directory.path());
    assert_eq!(code, Some(0), "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let names: Vec<&str> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["setting"]["scenario"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 6);
    for name in names {
        assert!(
            directory
                .path()
                .join("out")
                .join(name)
                .join("results.json")
                .exists()
        );
    }
    // Options change a scenario further.
    let one = [
        &short[..],
        &["--scenario", "scarce-labels", "--set", "data.labelled=50"],
    ]
    .concat();
    let (_, out, _) = fused_kd(&one, directory.path());
    assert!(
        out.starts_with("scarce-labels; digits") && out.contains("50 of them labelled"),
        "{out}"
    );
    // A scenario is laid over a file, which has every key, and other options over it.
    let file = "out/noisy-teacher/setting.toml";
    let over = ["--config", file, "--scenario", "scarce-labels", "--dry-run"];
    let (_, out, _) = fused_kd(&[&["compare"], &over[..]].concat(), directory.path());
    let setting = Setting::from_toml(&out).unwrap();
    assert_eq!(setting.scenario, Some(Scenario::ScarceLabels));
    assert_eq!(setting.data, Data::of(Scenario::ScarceLabels));
    assert_eq!((setting.student.epochs, setting.seeds), (1, 1));
    let (code, _, err) = fused_kd(&["compare", "--scenario", "bad"], directory.path());
    assert!(code == Some(2) && err.contains("noisy-labels"), "{err}");
}

#[test]
fn seeds_are_counted_from_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let run = |out: &str, more: &[&str]| {
        let rate = ["--lr-grid", "0.05", "--out", out];
        let (code, _, err) = fused_kd(&short(&[&rate, more].concat()), directory.path());
        assert_eq!(code, Some(0), "{err}");
        fs::read_to_string(directory.path().join(out).join("results.csv")).unwrap()
    };
    // Seeds 0 and 1, then 1 and 2: what they share is the same.
    let (from_0, from_1) = (run("a", &[]), run("b", &["--set", "seed=1"]));
    let of = |table: &str, seed: &str| -> Vec<String> {
        let lines = table.lines().filter(|line| line.contains(seed));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(of(&from_0, ",1,").len(), 3);
    assert_eq!(of(&from_0, ",1,"), of(&from_1, ",1,"));
    assert_eq!((of(&from_1, ",0,").len(), of(&from_1, ",2,").len()), (0, 3));
}

#[test]
fn results_are_replaced_only_by_force() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let run = |more: &[&str]| {
        fused_kd(
            &short(&[&["--out", "out"], more].concat()),
            directory.path(),
        )
    };
    let table = || fs::read_to_string(out.join("results.csv")).unwrap();
    assert_eq!(run(&[]).0, Some(0));
    let before = table();
    let (code, _, err) = run(&[]);
    assert_eq!(code, Some(1));
    assert!(err.contains("--force"), "{err}");
    let (code, _, _) = run(&["--force", "--set", "seed=7"]);
    assert_eq!(code, Some(0));
    assert_ne!(table(), before);
    // Another command's run is no run to replace, nor is a directory with a file of the user's.
    let train = [
        "train",
        "--epochs",
        "1",
        "--teacher-epochs",
        "1",
        "--out",
        "out",
        "--force",
    ];
    let (code, _, err) = fused_kd(&train, directory.path());
    assert!(
        code == Some(1) && err.contains("a run of `fused-kd compare`"),
        "{err}"
    );
    fs::write(out.join("mine"), "").unwrap();
    let (code, _, err) = run(&["--force"]);
    assert!(code == Some(1) && err.contains("`mine`"), "{err}");
    assert!(out.join("mine").exists());
}
