//! `fused-kd loss` on archives of arrays, and on arrays of other shapes and types.

use std::fs;
use std::path::Path;

use crate::archive::{npz, safetensors};
use crate::cli::{LABELS, STUDENT, TEACHER, assert_close, batch, json, loss, run, succeed};
use crate::support::npy::{self, array, bytes};
use serde_json::Value;

/// Runs `loss` on these files; the summary.
#[track_caller]
fn loss_of(at: &Path, [student, teacher, labels]: [&str; 3], more: &str) -> Value {
    let files = format!("loss --student {student} --teacher {teacher} --labels {labels}");
    json(&succeed(at, &format!("{files} --format json {more}")))
}

/// The gradient that a run has left.
fn gradient(at: &Path, out: &str) -> npy::Written {
    npy::read(&fs::read(at.join(out).join("grad.npy")).unwrap())
}

#[test]
fn arrays_come_from_archives() {
    let batch = batch();
    let at = batch.path();
    let write = |name: &str, bytes: Vec<u8>| fs::write(at.join(name), bytes).unwrap();
    let expected = loss(at, "npy", "");
    let student = array("<f4", &[4, 3], bytes(&STUDENT));
    let labels = array("<i8", &[4], bytes(&LABELS));
    write("only.npz", npz(&[("labels.npy", labels.clone())]));
    write("all.npz", npz(&[("s.npy", student), ("y.npy", labels)]));
    let teacher = ("t", "F32", &[4, 3][..], bytes(&TEACHER));
    let weight = ("w", "I8", &[4][..], vec![1; 4]);
    write("t.safetensors", safetensors(&[teacher, weight]));
    for (out, student, labels) in [
        ("a", "all.npz:s", "all.npz:y"),
        ("b", "s.npy", "only.npz"),
        ("c", "s.npy", "only.npz:labels"),
    ] {
        let more = format!("--out {out} --weights t.safetensors:w");
        let ours = loss_of(at, [student, "t.safetensors:t", labels], &more);
        assert_eq!(ours["total"], expected["total"], "{out}");
        assert_eq!(ours["dtypes"], expected["dtypes"], "{out}");
        assert_eq!(gradient(at, out).values, gradient(at, "npy").values);
    }
    for (student, words) in [
        ("all.npz", &["2 arrays: `s`, `y`", "FILE:s"][..]),
        ("all.npz:x", &["no array `x`", "`s`, `y`"]),
        ("s.npy:x", &["cannot read `s.npy:x`", "no key"]),
        ("t.safetensors:w", &["(4,)", "two axes"]),
    ] {
        let files = "--teacher t.npy --labels y.npy --out out";
        let (code, _, error) = run(at, &format!("loss --student {student} {files}"));
        assert_eq!(code, 1, "{student}");
        for word in words {
            assert!(error.contains(word), "{student} lacks {word}: {error}");
        }
    }
}

#[test]
fn every_axis_but_the_last_counts_rows() {
    let batch = batch();
    let at = batch.path();
    let write = |name: &str, bytes: Vec<u8>| fs::write(at.join(name), bytes).unwrap();
    let expected = loss(at, "flat", "");
    write("s3.npy", array("<f4", &[2, 2, 3], bytes(&STUDENT)));
    write("t3.npy", array("<f4", &[2, 2, 3], bytes(&TEACHER)));
    write("y2.npy", array("<i8", &[2, 2], bytes(&LABELS)));
    write("y1.npy", array("<i8", &[4, 1], bytes(&LABELS)));
    write("w2.npy", array("<f4", &[2, 2, 1], bytes(&[1.0_f32; 4])));
    let weights = "--weights w2.npy --kd-weights w2.npy";
    let sequence = loss_of(
        at,
        ["s3.npy", "t3.npy", "y2.npy"],
        &format!("--out sequence {weights}"),
    );
    assert_eq!(sequence["total"], expected["total"]);
    assert_eq!(
        (&sequence["rows"], &sequence["classes"]),
        (&4.into(), &3.into())
    );
    assert_eq!(gradient(at, "sequence").shape, "(2, 2, 3)");
    assert_eq!(gradient(at, "sequence").values, gradient(at, "flat").values);
    let column = loss_of(at, ["s.npy", "t.npy", "y1.npy"], "--out column");
    assert_eq!(column["total"], expected["total"]);
    let files = "loss --student s3.npy --teacher t3.npy --labels y.npy --out out";
    let (code, _, error) = run(at, files);
    assert!(code == 1 && error.contains("shape (2, 2)"), "{error}");
}

#[test]
fn booleans_and_integers_are_numbers() {
    let batch = batch();
    let at = batch.path();
    let write = |name: &str, bytes: Vec<u8>| fs::write(at.join(name), bytes).unwrap();
    let [yes, count, floats] = ["bool", "u2", "f4"].map(|name| format!("{name}.npy"));
    write(&yes, array("|b1", &[4], vec![1, 0, 1, 1]));
    write(&count, array("<u2", &[4], bytes(&[1_u16, 0, 1, 1])));
    write(
        &floats,
        array("<f4", &[4], bytes(&[1.0_f32, 0.0, 1.0, 1.0])),
    );
    let weights = |name: &str| loss(at, name, &format!("--weights {name}.npy"))["total"].clone();
    let expected = weights("f4");
    assert_eq!(weights("bool"), expected);
    assert_eq!(weights("u2"), expected);
    write("y.npy", array("<i4", &[4], bytes(&[1, 0, 1, 1])));
    let expected = loss(at, "integers", "");
    let ours = loss_of(at, ["s.npy", "t.npy", &yes], "--out booleans");
    assert_eq!(ours["total"], expected["total"]);
    assert_eq!(ours["dtypes"]["labels"], "b1");
}

#[test]
fn bf16_is_widened() {
    let batch = batch();
    let at = batch.path();
    let brain = STUDENT.map(half::bf16::from_f32);
    let values = bytes(&brain.map(half::bf16::to_bits));
    let file = safetensors(&[("s", "BF16", &[4, 3], values)]);
    fs::write(at.join("s.safetensors"), file).unwrap();
    let widened = array("<f4", &[4, 3], bytes(&brain.map(half::bf16::to_f32)));
    fs::write(at.join("s.npy"), widened).unwrap();
    let expected = loss(at, "f4", "");
    let ours = loss_of(at, ["s.safetensors", "t.npy", "y.npy"], "--out bf16");
    assert_eq!(ours["total"], expected["total"]);
    assert_eq!(
        (&ours["dtypes"]["student"], &ours["dtypes"]["gradient"]),
        (&"bf16".into(), &"f4".into())
    );
    let warning = ours["warnings"][0].as_str().unwrap();
    assert!(warning.contains("the gradient is f4"), "{warning}");
    assert_close(
        &gradient(at, "bf16").floats(4),
        &gradient(at, "f4").floats(4),
    );
}
