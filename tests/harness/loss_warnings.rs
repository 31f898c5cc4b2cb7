//! What `fused-kd loss` warns of, from the outside.

use std::fs;
use std::path::Path;

use crate::support::npy::{array, bytes};
use assert_cmd::Command;
use half::f16;
use serde_json::Value;
use tempfile::TempDir;

/// The warnings of one run, which standard error and the summary have alike.
#[track_caller]
fn warnings(directory: &Path, more: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_fused-kd"))
        .current_dir(directory)
        .args("loss --student s.npy --teacher t.npy --labels y.npy --out out --force".split(' '))
        .args(more.split_whitespace())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{printed}");
    let summary = fs::read(directory.join("out/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let listed = summary["warnings"].as_array().unwrap().iter();
    let listed: Vec<String> = listed.map(|w| w.as_str().unwrap().to_owned()).collect();
    let expected: String = listed.iter().map(|w| format!("warning: {w}\n")).collect();
    assert_eq!(printed, expected);
    listed
}

/// A batch of f4 logits with rows of `classes`.
fn batch(classes: usize, student: &[f32], teacher: &[f32], labels: &[i32]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let shape = [labels.len() as u64, classes as u64];
    let write = |name: &str, file: Vec<u8>| fs::write(directory.path().join(name), file).unwrap();
    write("s.npy", array("<f4", &shape, bytes(student)));
    write("t.npy", array("<f4", &shape, bytes(teacher)));
    write("y.npy", array("<i4", &shape[..1], bytes(labels)));
    directory
}

/// The entries of a gradient in f2.
fn gradient(directory: &Path) -> Vec<f16> {
    let file = fs::read(directory.join("out/grad.npy")).unwrap();
    let (_, values) = file.split_at(10 + usize::from(u16::from_le_bytes([file[8], file[9]])));
    let values = values.chunks_exact(2);
    values.map(|v| f16::from_le_bytes([v[0], v[1]])).collect()
}

#[test]
fn a_gradient_that_f16_loses_and_the_scale_that_saves_it() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/harness/loss_warnings");
    for (from, to) in [("student", "s"), ("teacher", "t"), ("labels", "y")] {
        fs::copy(
            files.join(from).with_extension("npy"),
            at.join(to).with_extension("npy"),
        )
        .unwrap();
    }
    let lost = |gradient: Vec<f16>| gradient.iter().filter(|v| **v == f16::ZERO).count();
    // Its labels were drawn, so that the teacher is at chance, too.
    let about_f16 = |more: &str| {
        let mut found = warnings(at, &format!("--set lambda-ce=0 {more}"));
        found.retain(|warning| warning.contains("f16"));
        found
    };
    let found = about_f16("").concat();
    assert!(
        found.starts_with("28 % of the gradient is lost to f16"),
        "{found}"
    );
    assert!(
        found.contains("run again with --upstream 65536,"),
        "{found}"
    );
    assert!(lost(gradient(at)) > 30_720 / 4);
    let found = about_f16("--upstream 65536");
    assert_eq!((found.len(), lost(gradient(at))), (0, 0), "{found:?}");
    let found = about_f16("--engine reference");
    assert!(found.is_empty(), "its gradient is f8: {found:?}");

    let found = about_f16("--upstream 1e12").concat();
    assert!(found.contains("beyond the range of f16"), "{found}");
    assert!(gradient(at).iter().any(|value| value.is_infinite()));
    let (_, remedy) = found.split_once("--upstream ").unwrap();
    assert!(about_f16(&format!("--upstream {remedy}")).is_empty());
    assert!(gradient(at).iter().all(|value| value.is_finite()));
}

#[test]
fn finite_masks_and_probabilities() {
    let mask = -1e9;
    let student = [0.5, mask, 1.5, 0.2, mask, -0.3];
    let probabilities = [0.5, 0.0, 0.5, 0.25, 0.5, 0.25];
    let directory = batch(3, &student, &probabilities, &[0, 2]);
    let found = warnings(directory.path(), "");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("`s.npy`: 1 class in 2 rows has a logit such as -1e9"));
    assert!(
        found[1].starts_with("`t.npy` looks like probabilities"),
        "{found:?}"
    );

    let student = student.map(|s| if s == mask { f32::NEG_INFINITY } else { s });
    let logarithms = probabilities.map(f32::ln).map(|t| t.max(-9.0));
    let teacher = [logarithms[0], f32::NEG_INFINITY, logarithms[2]];
    let teacher = [teacher, [logarithms[3], f32::NEG_INFINITY, logarithms[5]]].concat();
    let directory = batch(3, &student, &teacher, &[0, 2]);
    assert!(warnings(directory.path(), "").is_empty());
}

#[test]
fn rows_without_a_loss_are_named() {
    let (nan, masked) = (f32::NAN, f32::NEG_INFINITY);
    let student = [nan, 0.5, 1.0, 0.5, masked, 1.0, 0.1, 0.2];
    let teacher = [0.1, 0.5, 1.0, nan, masked, 1.0, 0.3, 0.1];
    for engine in ["cpu", "reference"] {
        let directory = batch(2, &student, &teacher, &[0, 1, 0, 1]);
        let found = warnings(directory.path(), &format!("--engine {engine}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with(
                "the loss of 3 rows is NaN or infinite: row 0 (the student has NaN), row 1 (the \
                 teacher has NaN), row 2 (the student masks the label's class); "
            ),
            "{found:?}"
        );
        fs::write(
            directory.path().join("w.npy"),
            array("<f4", &[4], bytes(&[0.0_f32, 0.0, 0.0, 1.0])),
        )
        .unwrap();
        let found = warnings(
            directory.path(),
            &format!("--weights w.npy --engine {engine}"),
        );
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn a_teacher_that_the_supervision_leaves_out_still_needs_logits() {
    let directory = batch(2, &[0.1, 0.2], &[f32::NAN, 0.1], &[0]);
    let zero = array("<f4", &[1], bytes(&[0.0_f32]));
    fs::write(directory.path().join("k.npy"), zero).unwrap();
    let found = warnings(directory.path(), "--kd-weights k.npy");
    assert!(
        found[0].contains("row 0 (the teacher has NaN)"),
        "{found:?}"
    );
    assert!(
        found[0].contains("--kd-weights 0 needs finite logits too"),
        "{found:?}"
    );
}

/// 100 rows of 10 classes in turn; the teacher's top of row b is `top(b)`.
fn with_teacher(top: impl Fn(usize) -> usize) -> TempDir {
    let logits = |top: &dyn Fn(usize) -> usize| -> Vec<f32> {
        let row = |b| (0..10).map(move |c| (b, c)).collect::<Vec<_>>();
        let logit = |(b, c)| if c == top(b) { 3.0 } else { c as f32 / 10.0 };
        (0..100).flat_map(row).map(logit).collect()
    };
    let labels: Vec<i32> = (0..100).map(|b| b % 10).collect();
    batch(10, &logits(&|b| b % 10), &logits(&top), &labels)
}

#[test]
fn a_teacher_of_other_rows_and_one_of_other_classes() {
    for engine in ["cpu", "reference"] {
        let found = |directory: TempDir| {
            let found = warnings(directory.path(), &format!("--engine {engine}"));
            found.concat()
        };
        let agrees = found(with_teacher(|b| if b < 50 { b % 10 } else { b / 10 }));
        assert_eq!(agrees, "");
        let other_rows = found(with_teacher(|b| b / 10));
        assert!(other_rows.contains("in 10 of 100 rows"), "{other_rows}");
        assert!(other_rows.ends_with("in the same order?"), "{other_rows}");
        let other_classes = found(with_teacher(|b| (b + 1) % 10));
        assert!(
            other_classes.contains("in 0 of 100 rows"),
            "{other_classes}"
        );
        assert!(
            other_classes.contains("look shifted by 1"),
            "{other_classes}"
        );
    }
}

#[test]
fn help_says_what_the_mean_divides_by() {
    let output = Command::new(env!("CARGO_BIN_EXE_fused-kd"))
        .args(["loss", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for words in [
        "\"mean\" divides by the number of rows",
        "label −100 has the distillation term",
    ] {
        assert!(help.contains(words), "{words}: {help}");
    }
}
