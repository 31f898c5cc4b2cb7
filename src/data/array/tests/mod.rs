//! Files of every kind, good ones and hostile ones.

mod files;
mod wrong;

use super::{ArrayError, ArrayPath, Kind};
use files::*;
use std::fs;
use std::slice::from_ref;
use tempfile::TempDir;

/// The file in a directory of its own, and the path of the array in it.
fn given(bytes: &[u8], key: Option<&str>) -> (TempDir, ArrayPath) {
    let directory = tempfile::tempdir().unwrap();
    // The name says nothing.
    let file = directory.path().join("array.bin");
    fs::write(&file, bytes).unwrap();
    let mut path = file.to_str().unwrap().to_owned();
    if let Some(key) = key {
        path = format!("{path}:{key}");
    }
    let path = path.parse().unwrap();
    (directory, path)
}

fn floats_of(bytes: &[u8], key: Option<&str>) -> Result<Vec<f32>, ArrayError> {
    let (_directory, path) = given(bytes, key);
    path.open()?.floats()
}

const F4: &str = r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}"#;

#[test]
fn the_same_array_in_every_kind_of_file() {
    let (good, other) = (good(), npy("<i8", "()", &[0; 8]));
    let values = floats(&[1.0, -2.0, 0.5]);
    let stored = Member::stored("a.npy", &good);
    let deflated = Member::deflated("a.npy", &good);
    let beside = [
        Member::stored("folder/b.npy", &other),
        deflated.clone(),
        Member::stored("readme.txt", b"text"),
    ];
    let wide = Member {
        wide: true,
        ..deflated.clone()
    };
    let (body, start, length) = body(from_ref(&stored));
    let comment = end(1, length, start, b"a comment that ends in PK\x05\x06");
    let two = r#"{"__metadata__":{"by":"x"},"b":{"dtype":"BOOL","shape":[],"data_offsets":[0,1]},
        "a":{"dtype":"F32","shape":[3],"data_offsets":[1,13]}}"#;
    for (what, file, key) in [
        ("npy", good.clone(), None),
        ("gzip", gzip(&good), None),
        ("stored", zip(from_ref(&stored)), None),
        ("stored, key", zip(from_ref(&stored)), Some("a")),
        ("deflated", zip(&[deflated]), None),
        ("one of several", zip(&beside), Some("a")),
        ("name of the member", zip(&beside), Some("a.npy")),
        ("wide entry", zip(from_ref(&wide)), None),
        ("wide end", wide_zip(&[wide], 0), None),
        ("comment", [body, comment].concat(), None),
        ("safetensors", safetensors(F4, &values), None),
        ("safetensors, key", safetensors(F4, &values), Some("a")),
        (
            "one of several tensors",
            safetensors(two, &[&[1][..], &values].concat()),
            Some("a"),
        ),
    ] {
        let read = floats_of(&file, key).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(read, [1.0, -2.0, 0.5], "{what}");
    }
    let (_directory, path) = given(&zip(&beside), Some("folder/b"));
    let scalar = path.open().unwrap();
    assert_eq!((scalar.shape(), scalar.kind()), (&[][..], (Kind::Int, 8)));
    assert_eq!(scalar.read::<i64>().unwrap(), [0]);
}

#[test]
fn floats_of_every_type() {
    let tensor = |dtype: &str, size: usize| {
        let end = 2 * size;
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":[2,1],"data_offsets":[0,{end}]}}}}"#)
    };
    let half = [1.5, -0.25]
        .map(half::f16::from_f32)
        .map(half::f16::to_le_bytes);
    let brain = [1.5, -0.25]
        .map(half::bf16::from_f32)
        .map(half::bf16::to_le_bytes);
    let single = [1.5_f32, -0.25].map(f32::to_le_bytes);
    let double = [1.5_f64, -0.25].map(f64::to_le_bytes);
    for (file, name) in [
        (npy("<f2", "(2,)", &half.concat()), "f2"),
        (npy("<f8", "(2,)", &double.concat()), "f8"),
        (safetensors(&tensor("F16", 2), &half.concat()), "f2"),
        (safetensors(&tensor("BF16", 2), &brain.concat()), "bf16"),
        (safetensors(&tensor("F32", 4), &single.concat()), "f4"),
        (safetensors(&tensor("F64", 8), &double.concat()), "f8"),
    ] {
        let (_directory, path) = given(&file, None);
        let array = path.open().unwrap();
        assert_eq!(array.type_name(), name);
        assert_eq!(array.floats().unwrap(), [1.5, -0.25], "{name}");
    }
    let (_directory, path) = given(&npy("|b1", "(3,)", &[1, 0, 1]), None);
    assert_eq!(
        path.open().unwrap().booleans().unwrap(),
        [true, false, true]
    );
}

#[test]
fn wrong_files_are_refused_with_a_remedy() {
    for (what, file, key, words) in wrong::all() {
        let error = match floats_of(&file, key) {
            Ok(values) => panic!("{what} was read: {values:?}"),
            Err(error) => error,
        };
        let text = format!("{error}; {}", error.remedy);
        for word in words {
            assert!(text.contains(word), "{what} lacks {word}: {text}");
        }
        assert!(!text.contains(char::is_control), "{what}: {text:?}");
        assert!(
            text.len() < 700 && !error.remedy.is_empty(),
            "{what}: {text}"
        );
    }
}

/// No prefix of a good file, and none with a byte turned, brings the reader down.
#[test]
fn damage_anywhere_is_an_error_or_another_array() {
    let good = good();
    let archive = [
        Member::deflated("a.npy", &good),
        Member::stored("b.npy", &good),
    ];
    let header = safetensors(F4, &floats(&[1.0, -2.0, 0.5]));
    for (file, key) in [
        (wide_zip(&archive, 0), Some("a")),
        (zip(&archive), Some("b")),
        (gzip(&good), None),
        (header, None),
    ] {
        for at in 0..file.len() {
            assert!(floats_of(&file[..at], key).is_err(), "{at} of {key:?}");
            for turned in [0xff, 0x80, 1] {
                let mut file = file.clone();
                file[at] ^= turned;
                let _ = floats_of(&file, key);
            }
        }
    }
}

#[test]
fn a_byte_that_is_no_boolean_is_refused() {
    let (_directory, path) = given(&npy("|b1", "(3,)", &[1, 0, 2]), None);
    let error = path.open().unwrap().booleans().unwrap_err();
    assert!(error.to_string().contains("row 2: the byte 2"), "{error}");
}

#[test]
fn what_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    for (given, words) in [
        (path.to_owned(), "regular file"),
        (format!("{path}/none.npz:a"), "none.npz:a"),
    ] {
        let error = given.parse::<ArrayPath>().unwrap().open().err().unwrap();
        assert!(error.to_string().contains(words), "{error}");
    }
}
