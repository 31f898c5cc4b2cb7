//! Files that are no students.

use super::readers::tensors;
use super::{Attack, attack, fall_short};
use crate::support::npy::array;

const PREDICT: &str = "predict --data csv:ok.csv --out out.csv --model x.safetensors";

pub(super) fn attacks() -> Vec<Attack> {
    let row =
        |name, file: Vec<u8>, words| attack(name, PREDICT, 1, words).file("x.safetensors", file);
    let header = |name, text: &str, words| row(name, tensors(text, &[0; 8]), words);
    const T: &str = r#"{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    let about = |text: &str| format!(r#"{{"__metadata__":{{"fused-kd":{text:?}}},"t":{T}}}"#);
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend(b"{}");
    vec![
        attack(
            "student: absent",
            PREDICT,
            1,
            &["cannot read `x.safetensors`", "right path"],
        ),
        attack(
            "student: a directory",
            PREDICT.replace("x.safetensors", "old"),
            1,
            &["cannot read `old`", "regular file"],
        ),
        row(
            "student: nothing",
            vec![],
            &["`x.safetensors`", "0 bytes of 8"],
        ),
        row(
            "student: an array",
            array("<f4", &[2], vec![0; 8]),
            &["`x.safetensors`", "the header's length"],
        ),
        row(
            "student: a header of 2^64 bytes",
            huge,
            &["18446744073709551615 bytes are promised"],
        ),
        row(
            "student: cut",
            tensors(&about("{}"), &[0; 7]),
            &["8 bytes of tensors are promised, but 7 follow"],
        ),
        header(
            "student: no JSON",
            "weights",
            &["`x.safetensors`, the header"],
        ),
        header(
            "student: deep",
            &format!("{{\"t\":{}", "[".repeat(90_000)),
            &["`x.safetensors`, the header"],
        ),
        header(
            "student: of another program",
            &format!(r#"{{"__metadata__":{{"format":"pt"}},"t":{T}}}"#),
            &["`x.safetensors`", "was not written by `fused-kd train`"],
        ),
        header(
            "student: a tensor twice",
            &format!(r#"{{"t":{T},"t":{T}}}"#),
            &["the header", "`t` is there twice"],
        ),
        header(
            "student: an entry twice",
            &format!(r#"{{"__metadata__":{{"fused-kd":"1","fused-kd":"2"}},"t":{T}}}"#),
            &["`fused-kd` is there twice"],
        ),
        header(
            "student: a description that is none",
            &about("[]"),
            &["`x.safetensors`", "`fused-kd`"],
        ),
        header(
            "student: a format to come",
            &about(r#"{"format":99}"#),
            &["format 99", "another version"],
        ),
        header(
            "student: escape sequences",
            &about("{\"format\":\"\u{1b}[2J\u{9b}\"}"),
            &["`x.safetensors`"],
        ),
        attack(
            "student: absent, and its rows",
            "predict --model x.safetensors --data csv:absent.csv",
            1,
            &["x.safetensors"],
        ),
    ]
}

#[test]
fn files_that_are_no_students() {
    fall_short(&attacks());
}
