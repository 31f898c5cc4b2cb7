//! Files that lie about themselves.

use super::{Attack, attack, fall_short};
use crate::archive::npz as npz_file;
use crate::cli::STUDENT;
use crate::support::npy::{array, bytes, with_header};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

const CSV: &str = "train --epochs 1 --teacher-epochs 1 --out out --data csv:x.csv";
const IDX: &str = "train --epochs 1 --teacher-epochs 1 --out out --data idx:x";
const LOSS: &str = "loss --teacher t.npy --labels y.npy --out out --student x";
const TOML: &str = "train --epochs 1 --teacher-epochs 1 --out out --config x.toml";

pub(super) fn attacks() -> Vec<Attack> {
    [csv(), idx(), npy(), npz(), safetensors(), batches(), toml()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn files_that_lie() {
    fall_short(&attacks());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn csv() -> Vec<Attack> {
    let row = |name, text: &str, words| attack(name, CSV, 1, words).file("x.csv", text);
    let mut all = vec![
        row("csv: nothing", "", &["`x.csv` holds no rows"]),
        row(
            "csv: ragged",
            "1,2,0\n1,2\n",
            &["`x.csv`, line 2", "2 columns", "has 3"],
        ),
        row(
            "csv: one column",
            &"1\n2\n".repeat(9),
            &["`x.csv`, line 1", "1 column", "separated by"],
        ),
        row(
            "csv: text",
            &"1,u,2\n".repeat(20),
            &["`x.csv`, line 1, column 2", "`u` is not a number"],
        ),
        row(
            "csv: missing",
            &"1,nan,0\n".repeat(20),
            &["column 2: `nan` is missing", "missing=mean"],
        ),
        row(
            "csv: infinite",
            &"1,inf,0\n".repeat(20),
            &["`inf` is not finite"],
        ),
        row(
            "csv: too large a number",
            &"1,1e400,0\n".repeat(20),
            &["`1e400` is not finite"],
        ),
        row(
            "csv: a quote that is not closed",
            &"1,\"2,0\n3,4,1\n".repeat(9),
            &["column 2", "is not a number"],
        ),
        row(
            "csv: few rows",
            "1,2,0\n3,4,1\n",
            &["2 rows to split: at least 10"],
        ),
        row(
            "csv: one class",
            &"1,2,0\n3,4,0\n".repeat(20),
            &["every label is `0`", "label=NAME"],
        ),
        row(
            "csv: fractions of classes",
            &"1,2,0.5\n3,4,1.5\n".repeat(20),
            &["`0.5` is not a label"],
        ),
        row(
            "csv: a label beyond numbers",
            &"1,2,99999999999999999999\n3,4,1\n".repeat(20),
            &["line 1, column 3", "is not a label"],
        ),
        row(
            "csv: escape sequences in a label",
            &"1,2,\u{1b}[2J\u{9b}31m\u{202e}\n3,4,y\n".repeat(20),
            &["column 3", "is not a label"],
        ),
        row(
            "csv: escape sequences in a number",
            &"1,\u{1b}]0;x\u{7},y\n".repeat(20),
            &["`x.csv`, line 1", "is not a number"],
        ),
        attack("csv: no text", CSV, 1, &["`x.csv`, line 1"])
            .file("x.csv", (0..=255).collect::<Vec<u8>>().repeat(9)),
        attack("csv: zeros", CSV, 1, &["`x.csv`, line 1"]).file("x.csv", vec![0; 4096]),
        attack(
            "csv: absent",
            CSV,
            1,
            &["cannot read `x.csv`", "check that it is the right path"],
        ),
        attack(
            "csv: escape sequences in a path",
            CSV.replace("x.csv", "\u{1b}[2J\u{9b}31m\u{202e}.csv"),
            1,
            &["cannot read", "[2J", "right path"],
        ),
        attack(
            "csv: a directory",
            CSV.replace("x.csv", "old"),
            1,
            &["cannot read `old`", "not a regular file"],
        ),
        attack(
            "csv: a test file of other columns",
            CSV.replace("x.csv", "ok.csv,x.csv"),
            1,
            &["`x.csv`"],
        )
        .file("x.csv", "1,2\n3,4\n"),
        attack(
            "csv: a label that is not there",
            CSV.replace("x.csv", "ok.csv?label=nope"),
            1,
            &["label=nope"],
        ),
        attack(
            "csv: an id that is not there",
            CSV.replace("x.csv", "ok.csv?id=nope"),
            1,
            &["id=nope"],
        ),
        attack(
            "csv: a cut archive",
            CSV.replace("x.csv", "x.csv.gz"),
            1,
            &["`x.csv.gz`", "complete"],
        )
        .file("x.csv.gz", &gzip(&b"1,2,0\n".repeat(99))[..30]),
    ];
    if cfg!(unix) {
        all.push(attack(
            "csv: a device",
            CSV.replace("x.csv", "/dev/zero"),
            1,
            &["`/dev/zero`", "not a regular file"],
        ));
    }
    all
}

/// An idx file of type 8, bytes.
fn idx_file(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dimensions.len() as u8];
    file.extend(dimensions.iter().flat_map(|n| n.to_be_bytes()));
    file.extend(values);
    file
}

fn idx() -> Vec<Attack> {
    let images = idx_file(&[20, 2, 2], &[7; 80]);
    let labels = idx_file(&[20], &[0, 1].repeat(10));
    let row = |name, images: &[u8], labels: &[u8], words| {
        attack(name, IDX, 1, words)
            .file("x/train-images-idx3-ubyte", images)
            .file("x/train-labels-idx1-ubyte", labels)
            .file("x/t10k-images-idx3-ubyte", images)
            .file("x/t10k-labels-idx1-ubyte", labels)
    };
    let huge = idx_file(&[u32::MAX; 3], &[]);
    let empty = idx_file(&[0, 2, 2], &[]);
    let floats = [&[0, 0, 13, 3], &images[4..]].concat();
    let deep = [&[0, 0, 8, 255], &images[4..]].concat();
    vec![
        row(
            "idx: nothing",
            &[],
            &labels,
            &["train-images-idx3-ubyte`, byte 0", "within its header"],
        ),
        row(
            "idx: more than any machine has",
            &huge,
            &labels,
            &["train-images-idx3-ubyte`, byte 16", "the file ends after 0"],
        ),
        row(
            "idx: cut",
            &images[..95],
            &labels,
            &["the file ends after 79 of the 80 values"],
        ),
        row(
            "idx: more than promised",
            &[&images[..], b"x"].concat(),
            &labels,
            &["more than the 80 values"],
        ),
        row(
            "idx: floats",
            &floats,
            &labels,
            &["magic number 0x00000d03"],
        ),
        row(
            "idx: 255 dimensions",
            &deep,
            &labels,
            &["magic number 0x000008ff"],
        ),
        row("idx: no rows", &empty, &labels, &["a dimension of size 0"]),
        row(
            "idx: a label too few",
            &images,
            &idx_file(&[19], &[0; 19]),
            &["19 labels for the 20 images"],
        ),
        attack(
            "idx: an empty directory",
            IDX.replace("idx:x", "idx:old"),
            1,
            &["`old` lacks `train-images-idx3-ubyte`"],
        ),
        attack("idx: absent", IDX, 1, &["`x`"]),
        row(
            "idx: an archive that explodes",
            &gzip(&idx_file(&[100_000, 32, 32], &vec![0; 102_400_000])),
            &idx_file(&[100_000], &vec![0; 100_000]),
            &[
                "train-images-idx3-ubyte` holds more than",
                "take fewer rows",
            ],
        ),
    ]
}

fn npy() -> Vec<Attack> {
    let row = |name, file: Vec<u8>, words| {
        attack(name, format!("{LOSS}.npy"), 1, words).file("x.npy", file)
    };
    let whole = array("<f4", &[4, 3], bytes(&STUDENT));
    let header = |text: &str| with_header(text, bytes(&STUDENT));
    let shape = |shape: &str| {
        header(&format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
        ))
    };
    let descr = |descr: &str| {
        header(&format!(
            "{{'descr': '{descr}', 'fortran_order': False, 'shape': (4, 3), }}"
        ))
    };
    let version = [&whole[..6], &[9], &whole[7..]].concat();
    vec![
        row(
            "npy: nothing",
            vec![],
            &["`x.npy`", "it is empty", "numpy.save"],
        ),
        row(
            "npy: no magic number",
            b"\x93NUMPY".to_vec(),
            &["`x.npy`", "magic number"],
        ),
        row(
            "npy: a version to come",
            version,
            &["version 9.0 of the format is unknown"],
        ),
        row(
            "npy: more than any machine has",
            shape("(1000000000, 1000000000)"),
            &["4000000000000000000 bytes, but 48 follow"],
        ),
        row(
            "npy: a length below 0",
            shape("(-4, 3)"),
            &["a length below 2^64"],
        ),
        row(
            "npy: a length beyond numbers",
            shape("(99999999999999999999999, 3)"),
            &["a length below 2^64"],
        ),
        row(
            "npy: lengths that overflow",
            shape("(9223372036854775807, 9223372036854775807)"),
            &["`x.npy`"],
        ),
        row(
            "npy: a header of brackets",
            header(&"(".repeat(60_000)),
            &["`{` should be"],
        ),
        row(
            "npy: a value too few",
            whole[..whole.len() - 1].to_vec(),
            &["is 48 bytes, but 47 follow"],
        ),
        row(
            "npy: a value too many",
            [&whole[..], b"x"].concat(),
            &["is 48 bytes, but 49 follow"],
        ),
        row("npy: objects of Python", descr("|O"), &["Python objects"]),
        row(
            "npy: text",
            array("<U1", &[4, 3], bytes(&STUDENT)),
            &["it holds <U1", "astype"],
        ),
        row(
            "npy: escape sequences as a type",
            descr("\u{1b}[2J"),
            &["it is not a byte order"],
        ),
        row(
            "npy: no classes",
            array("<f4", &[4, 0], vec![]),
            &["`x.npy`", "shape (4, 0)"],
        ),
        row(
            "npy: no axes",
            array("<f4", &[], bytes(&STUDENT[..1])),
            &["`x.npy` has shape ()"],
        ),
        row(
            "npy: other rows",
            array("<f4", &[2, 6], bytes(&STUDENT)),
            &["`x.npy` has shape (2, 6)", "`t.npy` has shape (4, 3)"],
        ),
    ]
}

fn npz() -> Vec<Attack> {
    let row = |name, file: &[u8], words| {
        attack(name, format!("{LOSS}.npz"), 1, words).file("x.npz", file)
    };
    let member = array("<f4", &[4, 3], bytes(&STUDENT));
    let mut whole = npz_file(&[("a.npy", member.clone()), ("b.npy", member)]);
    let two = row(
        "npz: two arrays",
        &whole,
        &["it holds 2 arrays: `a`, `b`", "FILE:a"],
    );
    let wrong = attack(
        "npz: an array that is not there",
        format!("{LOSS}.npz:c"),
        1,
        &["it has no array `c`", "`a`, `b`"],
    )
    .file("x.npz", whole.clone());
    let cut = row(
        "npz: cut",
        &whole[..whole.len() - 10],
        &["zip archive without an end"],
    );
    let garbage = row(
        "npz: no archive",
        b"PK\x03\x04garbage",
        &["`x.npz`", "zip archive"],
    );
    let none = row("npz: no arrays", &npz_file(&[]), &["it holds no array"]);
    // A byte of the first member's values.
    whole[150] ^= 1;
    let damaged =
        attack("npz: damaged", format!("{LOSS}.npz:a"), 1, &["`x.npz:a`"]).file("x.npz", whole);
    vec![two, wrong, cut, garbage, none, damaged]
}

/// A safetensors file with this header.
pub(super) fn tensors(header: &str, values: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header.as_bytes(), values].concat()
}

fn safetensors() -> Vec<Attack> {
    let values = bytes(&STUDENT);
    let row = |name, file: Vec<u8>, words| {
        attack(name, format!("{LOSS}.safetensors"), 1, words).file("x.safetensors", file)
    };
    let of = |name, header: &str, words| row(name, tensors(header, &bytes(&STUDENT)), words);
    const A: &str = r#"{"dtype":"F32","shape":[4,3],"data_offsets":[0,48]}"#;
    let a = |from: &str, to: &str| format!(r#"{{"a":{}}}"#, A.replace(from, to));
    vec![
        row(
            "safetensors: three bytes",
            b"123".to_vec(),
            &["`x.safetensors`", "magic number"],
        ),
        row(
            "safetensors: a header of 2^63 bytes",
            [&(1_u64 << 63).to_le_bytes()[..], b"{}"].concat(),
            &["promises 9223372036854775808 bytes, but 2 follow"],
        ),
        row(
            "safetensors: cut",
            tensors(&a("", ""), &values[1..]),
            &["promises 48 bytes of tensors, but 47 follow"],
        ),
        of(
            "safetensors: no JSON",
            "{",
            &["its header is not that of safetensors"],
        ),
        of(
            "safetensors: a tensor twice",
            &format!(r#"{{"a":{A},"a":{A}}}"#),
            &["`a` is there twice", "write it again"],
        ),
        of(
            "safetensors: a tensor twice, in disguise",
            &format!(r#"{{"a":{A},"\u0061":{A}}}"#),
            &["`a` is there twice"],
        ),
        of(
            "safetensors: an entry twice",
            &format!(r#"{{"__metadata__":{{"x":"1","x":"2"}},"a":{A}}}"#),
            &["`x` is there twice"],
        ),
        of(
            "safetensors: metadata twice",
            &format!(r#"{{"__metadata__":{{}},"a":{A},"__metadata__":{{}}}}"#),
            &["`__metadata__` is there twice"],
        ),
        of(
            "safetensors: an unknown type",
            &a("F32", "F33"),
            &["unknown variant `F33`"],
        ),
        of(
            "safetensors: a hole",
            &a("[0,48]", "[4,48]"),
            &["invalid offset for tensor `a`"],
        ),
        of(
            "safetensors: backwards",
            &a("[0,48]", "[48,0]"),
            &["invalid offset for tensor `a`"],
        ),
        of(
            "safetensors: a shape that overflows",
            &a("[4,3]", "[4611686018427387904,4611686018427387904]"),
            &["its header is not that of safetensors"],
        ),
        of(
            "safetensors: values that the shape lacks",
            &a("[4,3]", "[4,2]"),
            &["its header is not that of safetensors"],
        ),
        of(
            "safetensors: escape sequences as a name",
            &format!(r#"{{"\u001b[2J\u009b\u202e":{A},"b":{A}}}"#),
            &["`x.safetensors`"],
        ),
        row(
            "safetensors: deep",
            tensors(&format!("{{\"a\":{}", "[".repeat(90_000)), &values),
            &["its header is not that of safetensors"],
        ),
        attack(
            "safetensors: a tensor that is not there",
            format!("{LOSS}.safetensors:b"),
            1,
            &["it has no array `b`", "its arrays: `a`"],
        )
        .file("x.safetensors", tensors(&a("", ""), &values)),
    ]
}

/// Files that are whole, and do not fit each other.
fn batches() -> Vec<Attack> {
    let labels = |name, values: &[i64], words| {
        let command = "loss --student s.npy --teacher t.npy --labels x.npy --out out";
        let file = array("<i8", &[values.len() as u64], bytes(values));
        attack(name, command, 1, words).file("x.npy", file)
    };
    let weights = |name, values: &[f32], words| {
        let command =
            "loss --student s.npy --teacher t.npy --labels y.npy --weights x.npy --out out";
        let file = array("<f4", &[values.len() as u64], bytes(values));
        attack(name, command, 1, words).file("x.npy", file)
    };
    vec![
        labels(
            "labels: one too many",
            &[0, 1, 2, 0, 0],
            &["`x.npy` has shape (5,)", "shape (4,)"],
        ),
        labels(
            "labels: beyond the classes",
            &[0, 1, 3, 0],
            &["--labels x.npy", "labels[2] = 3 is no class"],
        ),
        labels(
            "labels: below 0",
            &[0, 1, 2, -1],
            &["labels[3] = -1 is no class", "100 for no label"],
        ),
        labels(
            "labels: of 63 bits",
            &[0, 1, 1 << 62, 0],
            &["`x.npy`, row 2: 4611686018427387904 is no class"],
        ),
        attack(
            "labels: floats",
            "loss --student s.npy --teacher t.npy --labels s.npy --out out",
            1,
            &["`s.npy`", "shape"],
        ),
        weights(
            "weights: below 0",
            &[1.0, -1.0, 1.0, 1.0],
            &["--weights x.npy", "weight[1] = -1 is out of range"],
        ),
        weights(
            "weights: not a number",
            &[f32::NAN, 1.0, 1.0, 1.0],
            &["weight[0] = NaN is out of range"],
        ),
        weights(
            "weights: too few",
            &[1.0; 3],
            &["`x.npy` has shape (3,)", "shape (4,)"],
        ),
    ]
}

fn toml() -> Vec<Attack> {
    let row = |name, text: String, words| attack(name, TOML, 2, words).file("x.toml", text);
    let short = |name, text: &str, words| row(name, text.to_owned(), words);
    vec![
        short("toml: no TOML", "seed = = 1", &["`x.toml`", "x.toml:1:8"]),
        short(
            "toml: an unknown key",
            "sed = 1",
            &["unknown key `sed`", "`seed`"],
        ),
        short(
            "toml: a key twice",
            "seed = 1\nseed = 2",
            &["duplicate key", "x.toml:2:1"],
        ),
        short(
            "toml: another type",
            "[student]\nhidden = 64",
            &["student.hidden", "must be a list", "x.toml:2:10"],
        ),
        short(
            "toml: escape sequences",
            "seed = \u{1b}[2J\u{9b}31m\u{202e}",
            &["x.toml:1:"],
        ),
        short(
            "toml: escape sequences as a key",
            "\"\\u001b[2J\\u202e\" = 1",
            &["unknown key"],
        ),
        short(
            "toml: escape sequences as a method",
            "methods = [\"\\u001b[2J\"]",
            &["methods", "ie-kd"],
        ),
        short(
            "toml: a seed of 64 bits",
            "seed = 18446744073709551615",
            &["`x.toml`"],
        ),
        row(
            "toml: brackets",
            format!("a = {}", "[".repeat(100_000)),
            &["max recursion depth"],
        ),
        row(
            "toml: tables in tables",
            format!("a = {}", "{a = ".repeat(100_000)),
            &["max recursion depth"],
        ),
        row(
            "toml: a key of 200,000 parts",
            format!("{} = 1", vec!["a"; 200_000].join(".")),
            &["recursion limit"],
        ),
        attack(
            "toml: a MiB",
            TOML,
            1,
            &["cannot read `x.toml`", "more than 1048576 bytes"],
        )
        .file("x.toml", "#".repeat(1 << 21)),
        attack(
            "toml: no text",
            TOML,
            1,
            &["cannot read `x.toml`", "a TOML file"],
        )
        .file("x.toml", (0..=255).collect::<Vec<u8>>()),
        attack(
            "toml: absent",
            TOML,
            1,
            &["cannot read `x.toml`", "check that it is the right path"],
        ),
        attack(
            "toml: escape sequences in a path",
            TOML,
            1,
            &["cannot read", "check that it is the right path"],
        )
        .file("x.toml", "[data]\nsource = \"csv:\\u001b[2J\\u202e.csv\""),
    ]
}
