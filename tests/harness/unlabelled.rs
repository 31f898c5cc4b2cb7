//! `predict` on files as people have them: without labels, columns in another order, from a pipe.

use crate::cli::{json, run, succeed};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn case(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!("{root}/tests/harness/cases/predict-unlabelled/{name}")
}

/// A directory with a student of the case's training file.
fn trained() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = "student.epochs = 40\nteacher.epochs = 40\ndata.scaling = 'common'";
    fs::write(directory.path().join("run.toml"), text).unwrap();
    let train = case("train.csv");
    let arguments = format!("train --config run.toml --out run --data csv:{train}");
    succeed(directory.path(), &arguments);
    directory
}

fn predict(here: &Path, more: &str) -> String {
    succeed(
        here,
        &format!("predict --model run/student.safetensors {more}"),
    )
}

fn classes(csv: &str) -> Vec<String> {
    let class = |line: &str| line.split(',').nth(1).unwrap().to_owned();
    csv.lines().skip(1).map(class).collect()
}

#[test]
fn rows_need_no_label() {
    let directory = trained();
    let here = directory.path();
    let (new, check) = (case("new.csv"), case("check.csv"));
    let with = json(&predict(here, &format!("--data csv:{check} --format json")));
    let without = json(&predict(here, &format!("--data csv:{new} --format json")));
    assert_eq!(with["accuracy"], 0.8);
    assert_eq!(
        (with["rows"].as_u64(), with["labelled"].as_u64()),
        (Some(40), Some(40))
    );
    assert!(without["accuracy"].is_null() && without["confusion"].is_null());
    let of = |value: &serde_json::Value, key: &str| -> Vec<serde_json::Value> {
        let rows = value["predictions"].as_array().unwrap();
        rows.iter().map(|row| row[key].clone()).collect()
    };
    for key in ["class", "class_name", "probability", "probabilities"] {
        assert_eq!(of(&with, key), of(&without, key), "{key}");
    }
    assert!(of(&without, "label").iter().all(serde_json::Value::is_null));
    // Rows of the confusion are labels: their sum is the number of rows, their diagonal the hits.
    let confusion = with["confusion"].as_array().unwrap();
    let count = |i: usize, j: usize| confusion[i][j].as_u64().unwrap();
    let all: u64 = (0..4)
        .flat_map(|i| (0..4).map(move |j| (i, j)))
        .map(|(i, j)| count(i, j))
        .sum();
    let hits: u64 = (0..4).map(|i| count(i, i)).sum();
    assert_eq!((all, hits), (40, 32));
    for row in with["predictions"].as_array().unwrap() {
        let probabilities = row["probabilities"].as_array().unwrap();
        let sum: f64 = probabilities.iter().map(|p| p.as_f64().unwrap()).sum();
        let class = row["class"].as_u64().unwrap() as usize;
        assert!((sum - 1.0).abs() < 1e-9 && probabilities[class] == row["probability"]);
    }
    let table = predict(here, &format!("--data csv:{new}"));
    assert!(
        table.contains("40 rows, none with a label") && !table.contains("accuracy"),
        "{table}"
    );
    let table = predict(here, &format!("--data csv:{check}"));
    assert!(
        table.contains("accuracy 80.00 %") && table.contains("most often mistaken for"),
        "{table}"
    );
    let labelled = format!("--data csv:{check}?label=none --format csv");
    let (code, _, error) = run(
        here,
        &format!("predict --model run/student.safetensors {labelled}"),
    );
    assert_eq!(code, 1);
    assert!(
        error.contains("the student has no column `label`"),
        "{error}"
    );
}

#[test]
fn columns_are_taken_by_their_names() {
    let directory = trained();
    let here = directory.path();
    let text = fs::read_to_string(case("new.csv")).unwrap();
    let expected = classes(&predict(
        here,
        &format!("--data csv:{} --format csv", case("new.csv")),
    ));
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = text.lines().map(cells).collect();
    let write = |name: &str, change: &dyn Fn(usize, &[String]) -> Vec<String>| {
        let lines = rows
            .iter()
            .enumerate()
            .map(|(i, row)| change(i, row).join(",") + "\n");
        fs::write(here.join(name), lines.collect::<String>()).unwrap();
    };
    write("reversed.csv", &|_, row| {
        row.iter().rev().cloned().collect()
    });
    write("ids.csv", &|i, row| {
        let id = if i == 0 {
            "id".to_owned()
        } else {
            (100 + i).to_string()
        };
        [&[id][..], row].concat()
    });
    write("unlabelled.csv", &|i, row| {
        let cell = if i == 0 { "label" } else { "" };
        [row, &[cell.to_owned()][..]].concat()
    });
    write("semicolons.csv", &|_, row| vec![row.join(";")]);
    fs::write(here.join("bare.csv"), text.split_once('\n').unwrap().1).unwrap();
    for name in [
        "reversed.csv",
        "ids.csv",
        "unlabelled.csv",
        "semicolons.csv",
        "bare.csv",
    ] {
        let csv = predict(here, &format!("--data csv:{name} --format csv"));
        assert_eq!(classes(&csv), expected, "{name}");
    }
    write("less.csv", &|_, row| row[1..].to_vec());
    write("more.csv", &|i, row| {
        let cell = if i == 0 { "f6" } else { "1" };
        [row, &[cell.to_owned()][..]].concat()
    });
    write("other.csv", &|i, row| {
        let mut row = row.to_vec();
        if i == 0 {
            row[2] = "g2".to_owned();
        }
        row
    });
    for (name, expected) in [
        ("less.csv", "column `f0` is missing: the student has it"),
        ("other.csv", "column `f2` is missing: the student has it"),
        ("more.csv", "the student has no column `f6`"),
    ] {
        let arguments = format!("predict --model run/student.safetensors --data csv:{name}");
        let (code, _, error) = run(here, &arguments);
        assert_eq!(code, 1, "{name}");
        assert!(error.contains(expected), "{name}: {error}");
    }
}

/// Rows are known by their checksum, under whatever name.
#[test]
fn training_rows_are_known() {
    let directory = trained();
    let here = directory.path();
    fs::copy(case("train.csv"), here.join("renamed.csv")).unwrap();
    let results = json(&fs::read_to_string(here.join("run/results.json")).unwrap());
    let test = json(&predict(
        here,
        "--data csv:renamed.csv --rows test --format json",
    ));
    assert_eq!(test["accuracy"], results["student"]["test_accuracy"]);
    assert_eq!(test["is_over_training"], false);
    let all = "predict --model run/student.safetensors --data csv:renamed.csv";
    let (code, table, warning) = run(here, all);
    assert_eq!(code, 0);
    assert!(warning.contains("the student was trained on"), "{warning}");
    assert!(table.contains("(training rows among them)"), "{table}");
    // One digit is another.
    let changed = fs::read_to_string(here.join("renamed.csv"))
        .unwrap()
        .replacen("-1.149", "-1.148", 1);
    fs::write(here.join("renamed.csv"), changed).unwrap();
    let (code, _, error) = run(here, &format!("{all} --rows test"));
    assert_eq!(code, 2);
    assert!(
        error.contains("the student was trained on other data"),
        "{error}"
    );
}

#[test]
fn logits_that_are_no_numbers_are_refused() {
    let directory = trained();
    let here = directory.path();
    fs::write(
        here.join("far.csv"),
        "0,0,0,0,0,0\n3e38,3e38,-3e38,3e38,3e38,-3e38\n",
    )
    .unwrap();
    let far = "predict --model run/student.safetensors --data csv:far.csv --out far-out.csv";
    let (code, out, error) = run(here, far);
    assert_eq!((code, &out[..]), (1, ""));
    assert!(
        error.contains("row 1: the student's logits are not finite"),
        "{error}"
    );
    assert!(!here.join("far-out.csv").exists());
}

#[test]
fn a_pipe_is_read() {
    let directory = trained();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fused-kd"));
    command.current_dir(directory.path());
    command.args([
        "predict",
        "--model",
        "run/student.safetensors",
        "--data",
        "csv:-",
        "--format",
        "csv",
    ]);
    command.stdin(Stdio::from(fs::File::open(case("new.csv")).unwrap()));
    let output = command.output().unwrap();
    let csv = String::from_utf8(output.stdout).unwrap();
    let file = format!("--data csv:{} --format csv", case("new.csv"));
    assert_eq!(csv, predict(directory.path(), &file));
}

#[test]
fn classes_are_called_by_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let root = env!("CARGO_MANIFEST_DIR");
    let data = format!("csv:{root}/tests/harness/cases/class-names/names.csv");
    succeed(
        here,
        &format!("train --epochs 5 --teacher-epochs 5 --data {data} --out run"),
    );
    let csv = predict(here, &format!("--data {data} --rows test --format csv"));
    assert!(
        csv.starts_with("row,class,probability,label,p(ash),p(beech),p(elm),p(oak)\n"),
        "{csv}"
    );
    assert!(
        classes(&csv)
            .iter()
            .all(|class| ["ash", "beech", "elm", "oak"].contains(&&class[..]))
    );
    // Other classes than the student's, in another order: they are matched by name.
    let text = fs::read_to_string(&data["csv:".len()..])
        .unwrap()
        .replace("ash", "yew");
    fs::write(here.join("yew.csv"), text).unwrap();
    let (_, out, warning) = run(
        here,
        "predict --model run/student.safetensors --data csv:yew.csv --format json",
    );
    assert!(
        warning.contains("unknown to the student: 26; they count as misclassified"),
        "{warning}"
    );
    for row in json(&out)["predictions"].as_array().unwrap() {
        let known = row["label_name"] != "yew";
        assert_eq!(row["label"].is_null(), !known);
        if known {
            let names = ["ash", "beech", "elm", "oak"];
            assert_eq!(
                row["label_name"],
                names[row["label"].as_u64().unwrap() as usize]
            );
        }
    }
}
