//! Files that pretend to be students: each is refused, and the error names the file and the place.

use fused_kd::train::{Model, ModelError};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;

/// A student of sizes 2-3-2, as a file is made of parts that can be changed one by one.
struct Student {
    about: Value,
    /// Name, type, shape and bytes, in the order of the data.
    tensors: Vec<(String, &'static str, Vec<u64>, Vec<u8>)>,
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn f64s(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

impl Student {
    fn new() -> Self {
        let about = json!({
            "format": 3, "formula": "x", "sizes": [2, 3, 2], "classes": 2, "rows-at-once": 4, "train-rows": 10,
            "labelled-rows": 10, "version": "0.1.0", "method": "kd", "data": "two", "rows-checksum": 1,
            "train-checksum": 2, "class-names": ["ash", "oak"], "columns": {}, "seed": 0,
            "engine": "cpu", "test-accuracy": 0.5, "config": ""
        });
        let tensors = [
            ("0.weight", "F32", vec![3, 2], f32s(&[0.5; 6])),
            ("0.bias", "F32", vec![3], f32s(&[0.0; 3])),
            ("2.weight", "F32", vec![2, 3], f32s(&[1.0; 6])),
            ("2.bias", "F32", vec![2], f32s(&[0.25, 0.5])),
            ("scaling.mean", "F64", vec![2], f64s(&[1.0, 2.0])),
            ("scaling.scale", "F64", vec![2], f64s(&[2.0, 3.0])),
        ];
        let tensors =
            tensors.map(|(name, dtype, shape, bytes)| (name.to_owned(), dtype, shape, bytes));
        Self {
            about,
            tensors: tensors.into(),
        }
    }

    fn tensor(&mut self, name: &str) -> &mut (String, &'static str, Vec<u64>, Vec<u8>) {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.0 == name)
            .unwrap()
    }

    fn header(&self) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert(
            "__metadata__".into(),
            json!({ "fused-kd": self.about.to_string() }),
        );
        let mut start = 0;
        for (name, dtype, shape, bytes) in &self.tensors {
            let end = start + bytes.len();
            let offsets = [start, end];
            let info = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
            header.insert(name.clone(), info);
            start = end;
        }
        header
    }

    fn data(&self) -> Vec<u8> {
        self.tensors
            .iter()
            .flat_map(|tensor| tensor.3.clone())
            .collect()
    }

    fn bytes(&self) -> Vec<u8> {
        file(&Value::Object(self.header()).to_string(), &self.data())
    }
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

fn load(directory: &Path, bytes: &[u8]) -> Result<Model, ModelError> {
    let path = directory.join("hostile.safetensors");
    fs::write(&path, bytes).unwrap();
    Model::load(&path)
}

/// The message, which names the file and holds nothing that moves a cursor.
#[track_caller]
fn refused(directory: &Path, bytes: &[u8], what: &str) -> String {
    let message = match load(directory, bytes) {
        Ok(_) => panic!("{what} was accepted"),
        Err(error) => error.to_string(),
    };
    assert!(message.contains("hostile.safetensors"), "{what}: {message}");
    assert!(
        !message.contains(|c: char| c.is_control()),
        "{what}: {message:?}"
    );
    assert!(message.len() < 2_000, "{what}: {} bytes", message.len());
    message
}

#[test]
fn the_student_itself_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let model = load(directory.path(), &Student::new().bytes()).unwrap();
    assert_eq!((model.features(), model.classes()), (2, 2));
    assert_eq!(
        (model.scaling().mean(), model.scaling().deviation()),
        (&[1.0, 2.0][..], &[2.0, 3.0][..])
    );
    // What it writes is what it read.
    let again = load(directory.path(), &model.to_bytes().unwrap()).unwrap();
    assert_eq!(again, model);
}

#[test]
fn students_that_contradict_themselves_are_refused() {
    type Change = fn(&mut Student);
    let cases: [(&str, Change, &str, &str); 31] = [
        (
            "no metadata",
            |s| s.about = Value::Null,
            "`fused-kd`",
            "null",
        ),
        (
            "unknown key",
            |s| s.about["more"] = 1.into(),
            "`fused-kd`",
            "unknown field `more`",
        ),
        (
            "format",
            |s| s.about["format"] = 1.into(),
            "`fused-kd`",
            "format 1, which another version of fused-kd wrote: this one reads 3",
        ),
        (
            "an old description",
            |s| s.about = json!({"format": 1, "sizes": [2, 3, 2]}),
            "`fused-kd`",
            "format 1, which another version",
        ),
        (
            "a name too few",
            |s| s.about["class-names"] = json!(["ash"]),
            "`fused-kd`",
            "1 names of classes, but 2 classes",
        ),
        (
            "a feature's name too many",
            |s| s.about["columns"] = json!({"features": ["a", "b", "c"]}),
            "`fused-kd`",
            "3 names of features, but sizes 2-3-2",
        ),
        (
            "one size",
            |s| s.about["sizes"] = json!([2]),
            "`fused-kd`",
            "sizes 2: ",
        ),
        (
            "no sizes",
            |s| s.about["sizes"] = json!([]),
            "`fused-kd`",
            "a network has features",
        ),
        (
            "a size of 0",
            |s| s.about["sizes"] = json!([2, 0, 2]),
            "`fused-kd`",
            "sizes 2-0-2",
        ),
        (
            "a negative size",
            |s| s.about["sizes"] = json!([2, -3, 2]),
            "`fused-kd`",
            "-3",
        ),
        (
            "many layers",
            |s| s.about["sizes"] = json!(vec![2; 1000]),
            "`fused-kd`",
            "at most 16 hidden layers",
        ),
        (
            "a wide layer",
            |s| s.about["sizes"] = json!([2, 70000, 2]),
            "`fused-kd`",
            "at most 65536 units",
        ),
        (
            "many parameters",
            |s| s.about["sizes"] = json!([1_u64 << 40, 2]),
            "`fused-kd`",
            "268435456 parameters",
        ),
        (
            "overflow",
            |s| s.about["sizes"] = json!([u64::MAX, 2]),
            "`fused-kd`",
            "parameters",
        ),
        (
            "classes",
            |s| s.about["classes"] = 3.into(),
            "`fused-kd`",
            "3 classes, but sizes 2-3-2",
        ),
        (
            "no rows",
            |s| s.about["rows-at-once"] = 0.into(),
            "`fused-kd`",
            "rows-at-once 0: between 1 and 65536",
        ),
        (
            "many rows",
            |s| s.about["rows-at-once"] = (1_u64 << 40).into(),
            "`fused-kd`",
            "rows-at-once",
        ),
        (
            "other sizes",
            |s| s.about["sizes"] = json!([2, 4, 2]),
            "0.weight",
            "shape [3, 2], but sizes 2-4-2 ask for [4, 2]",
        ),
        (
            "another layer",
            |s| s.about["sizes"] = json!([2, 3, 2, 2]),
            "4.weight",
            "missing",
        ),
        (
            "a layer less",
            |s| s.about["sizes"] = json!([2, 3]),
            "`fused-kd`",
            "2 classes, but sizes 2-3",
        ),
        (
            "missing",
            |s| drop(s.tensors.remove(1)),
            "0.bias",
            "missing; sizes are 2-3-2",
        ),
        (
            "no scaling",
            |s| s.tensors.truncate(4),
            "scaling.mean",
            "missing",
        ),
        (
            "surplus",
            |s| s.tensors.push(("4.bias".into(), "F32", vec![0], vec![])),
            "4.bias",
            "no tensor of sizes",
        ),
        (
            "a name that moves cursors",
            |s| {
                s.tensors
                    .push(("\u{1b}[2J\n".into(), "F32", vec![0], vec![]))
            },
            "[2J",
            "no tensor",
        ),
        (
            "transposed",
            |s| s.tensor("0.weight").2 = vec![2, 3],
            "0.weight",
            "shape [2, 3]",
        ),
        (
            "flat",
            |s| s.tensor("0.weight").2 = vec![6],
            "0.weight",
            "shape [6]",
        ),
        (
            "integers",
            |s| s.tensor("2.bias").1 = "I32",
            "2.bias",
            "its values are I32, not F32",
        ),
        (
            "single scaling",
            |s| {
                *s.tensor("scaling.scale") =
                    ("scaling.scale".into(), "F32", vec![2], f32s(&[2.0; 2]));
            },
            "scaling.scale",
            "F32, not F64",
        ),
        (
            "no number",
            |s| s.tensor("2.weight").3 = f32s(&[0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0]),
            "2.weight",
            "value 3 is NaN",
        ),
        (
            "infinite",
            |s| s.tensor("scaling.mean").3 = f64s(&[f64::INFINITY, 0.0]),
            "scaling.mean",
            "value 0 is inf",
        ),
        (
            "a scale of 0",
            |s| s.tensor("scaling.scale").3 = f64s(&[1.0, 0.0]),
            "scaling.scale",
            "greater than 0",
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (what, change, place, words) in cases {
        let mut student = Student::new();
        change(&mut student);
        let message = refused(directory.path(), &student.bytes(), what);
        assert!(
            message.contains(place) && message.contains(words),
            "{what}: {message}"
        );
    }
}

#[test]
fn headers_that_lie_are_refused() {
    let (header, data) = (Student::new().header(), Student::new().data());
    let changed = |change: &dyn Fn(&mut Map<String, Value>)| {
        let mut header = header.clone();
        change(&mut header);
        file(&Value::Object(header).to_string(), &data)
    };
    let offsets = |name: &'static str, offsets: [u64; 2]| {
        changed(&move |header| header[name]["data_offsets"] = json!(offsets))
    };
    let whole = Student::new().bytes();
    let huge = [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat();
    let large = file(&" ".repeat((1 << 26) + 1), &data);
    let text = Value::Object(header.clone()).to_string();
    let twice = format!(
        "{},\"__metadata__\":{{}}}}",
        text.trim_end_matches('}').to_owned() + "}"
    );
    let cases: [(&str, Vec<u8>, &str); 19] = [
        ("nothing", vec![], "0 bytes of 8: truncated"),
        (
            "less than a length",
            whole[..5].to_vec(),
            "5 bytes of 8: truncated",
        ),
        ("a length alone", whole[..8].to_vec(), "0 follow"),
        (
            "a huge header",
            huge,
            "18446744073709551615 bytes are promised",
        ),
        ("a large header", large, "at most 67108864 are accepted"),
        ("a truncated header", whole[..100].to_vec(), "92 follow"),
        (
            "truncated data",
            whole[..whole.len() - 1].to_vec(),
            "are promised, but",
        ),
        (
            "data behind",
            [&whole[..], b"x"].concat(),
            "are promised, but",
        ),
        ("no JSON", file("weights", &data), "the header"),
        (
            "no UTF-8",
            [&3_u64.to_le_bytes()[..], &[0xff, 0xfe, 0xfd]].concat(),
            "the header",
        ),
        ("depth", file(&"[".repeat(100_000), &data), "the header"),
        (
            "no metadata",
            changed(&|h| drop(h.remove("__metadata__"))),
            "was not written by `fused-kd train`",
        ),
        (
            "other metadata",
            changed(&|h| h["__metadata__"] = json!({ "format": "pt" })),
            "missing",
        ),
        (
            "metadata twice",
            file(&twice, &data),
            "`__metadata__` is there twice",
        ),
        (
            "an unknown type",
            changed(&|h| h["0.bias"]["dtype"] = "F33".into()),
            "F33",
        ),
        ("overlap", offsets("0.bias", [0, 12]), "the header"),
        ("backwards", offsets("0.bias", [36, 24]), "the header"),
        (
            "beyond",
            offsets("scaling.scale", [u64::MAX - 8, u64::MAX]),
            "the header",
        ),
        (
            "overflow",
            changed(&|h| h["0.bias"]["shape"] = json!([1_u64 << 62, 1_u64 << 62])),
            "the header",
        ),
    ];
    let directory = tempfile::tempdir().unwrap();
    for (what, bytes, words) in cases {
        let message = refused(directory.path(), &bytes, what);
        assert!(message.contains(words), "{what}: {message}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for path in [
        directory.path().to_path_buf(),
        directory.path().join("absent"),
    ] {
        let error = Model::load(&path).unwrap_err();
        assert!(matches!(error, ModelError::Read { .. }), "{error}");
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
    }
}

/// No single byte, and no length, makes the reader panic; a student that it accepts can be written
/// again.
#[test]
fn damage_anywhere_is_refused_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    let whole = Student::new().bytes();
    for length in 0..whole.len() {
        refused(directory.path(), &whole[..length], "a truncated file");
    }
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= [1, 0x40, 0x80][at % 3];
        match load(directory.path(), &bytes) {
            Ok(model) => assert!(model.to_bytes().is_ok()),
            Err(error) => assert!(error.to_string().contains("hostile.safetensors")),
        }
    }
}
