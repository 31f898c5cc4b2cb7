//! A teacher from elsewhere: its students, and files that are not what they should be.

mod ids;

use crate::archive::{npz, safetensors};
use crate::support::npy::{array, bytes, fortran, with_header};
use fused_kd::auto::{self, Choice, EngineName};
use fused_kd::train::{Comparison, Setting, TrainError};
use half::{bf16, f16};
use std::fs;

const ROWS: usize = 150;
const CLASSES: usize = 4;

fn cpu() -> Choice {
    EngineName::Cpu.resolve().unwrap()
}

/// The case's files: an empty directory of tests would pass unseen.
fn here(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    format!("{root}/tests/harness/given_teacher/{name}")
}

fn data() -> String {
    format!("csv:{},{}", here("train.csv"), here("test.csv"))
}

/// The teacher's logits of the training rows.
fn logits() -> Vec<f32> {
    let file = fs::read(here("teacher_train.npy")).unwrap();
    let values = &file[file.len() - ROWS * CLASSES * 4..];
    let float = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
    values.chunks_exact(4).map(float).collect()
}

fn probabilities() -> Vec<f32> {
    let softmax = |row: &[f32]| {
        let sum: f32 = row.iter().map(|z| z.exp()).sum();
        row.iter().map(|z| z.exp() / sum).collect::<Vec<f32>>()
    };
    logits().chunks_exact(CLASSES).flat_map(softmax).collect()
}

/// The case with this text more in `[data]`.
fn setting(more: &str) -> Setting {
    let text = format!(
        "seeds = 5\nmethods = [\"ce\", \"kd\"]\nlearning-rates = [0.05]\nstudent.epochs = 100\n\
         [data]\nsource = \"{}\"\ntrain-size = \"all\"\n{more}",
        data()
    );
    Setting::from_toml(&text).unwrap()
}

fn short(more: &str) -> Setting {
    let mut setting = setting(more);
    setting.seeds = 1;
    setting.student.epochs = 3;
    setting
}

fn compare(setting: &Setting) -> Result<Comparison, TrainError> {
    auto::compare(&cpu(), setting, &|_| {})
}

/// The teacher allows 97 %, the labels 60 to 70.
#[test]
fn students_get_as_far_as_the_given_teacher() {
    let setting = setting(&format!(
        "teacher-logits = \"{}\"",
        here("teacher_train.npy")
    ));
    let comparison = compare(&setting).unwrap();
    let [ce, kd] = [0, 1].map(|i| comparison.methods[i].test_accuracy.mean);
    assert!(kd > 0.95 && ce < 0.8, "kd {kd}, ce {ce}");
    let teacher = &comparison.teacher;
    assert!(
        teacher
            .given
            .as_ref()
            .unwrap()
            .ends_with("teacher_train.npy")
    );
    assert!((0.2..0.5).contains(&teacher.wrong_train_labels));
    // Nothing is known of the test rows, and nothing is made up.
    assert_eq!(
        (teacher.test_accuracy, teacher.test_calibration_error),
        (None, None)
    );
    assert!(comparison.reliability.is_empty() && comparison.warnings.is_empty());
    assert_eq!(comparison.rows.teacher, 0);

    let run = auto::train(&cpu(), &setting, &|_| {}).unwrap();
    assert!(run.result.student.test_accuracy > 0.95);
    assert_eq!(
        (run.result.teacher.sizes, run.result.teacher.test_accuracy),
        (None, None)
    );
    // What it leaves makes the same run.
    let again = Setting::from_toml(&run.model.about().config).unwrap();
    assert_eq!(again, setting);
}

/// A row of the file belongs to the row of the data in the same place, wherever the split and the
/// shuffle put that: the teacher's accuracies are those of its answers to these rows.
#[test]
fn rows_are_matched_by_their_places() {
    let directory = tempfile::tempdir().unwrap();
    let mut setting = Setting::from_toml("seed = 3\nstudent.epochs = 9").unwrap();
    let model = auto::train(&cpu(), &setting, &|_| {}).unwrap().model;
    let digits = setting.data.source.load().unwrap();
    let rows: Vec<u32> = (0..digits.len() as u32).collect();
    let all = auto::predict(&cpu(), &model, &digits, &rows)
        .unwrap()
        .logits;
    let path = directory.path().join("t.npy");
    let file = array("<f4", &[digits.len() as u64, 10], bytes(&all));
    fs::write(&path, file).unwrap();

    setting.data.teacher_logits = Some(path.display().to_string().parse().unwrap());
    setting.student.epochs = 1;
    let run = auto::train(&cpu(), &setting, &|_| {}).unwrap();
    let of = |rows: &[u32]| {
        let hits = rows.iter().filter(|&&row| {
            let row = row as usize;
            let logits = &all[row * 10..][..10];
            let top = (0..10).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
            top.unwrap() as i32 == digits.labels()[row]
        });
        hits.count() as f64 / rows.len() as f64
    };
    let split = fused_kd::data::Split::new(&digits, 3).unwrap();
    let teacher = &run.result.teacher;
    assert_eq!(teacher.train_accuracy, of(&split.train[..200]));
    assert_eq!(teacher.test_accuracy, Some(of(&split.test)));
    assert_eq!(teacher.validation_accuracy, Some(of(&split.validation)));
    assert!(
        teacher.train_accuracy < 1.0,
        "a teacher that is always right matches any rows"
    );
}

/// What a file is, and the words of its refusal.
type Case = (&'static str, Vec<u8>, &'static [&'static str]);

fn with(index: usize, value: f32) -> Vec<f32> {
    let mut values = logits();
    values[index] = value;
    values
}

fn f4(values: &[f32], shape: &[u64]) -> Vec<u8> {
    array("<f4", shape, bytes(values))
}

const SHAPE: [u64; 2] = [ROWS as u64, CLASSES as u64];

/// Files that are refused.
fn wrong() -> Vec<Case> {
    let all = logits();
    let whole = f4(&all, &SHAPE);
    let ints: Vec<i32> = all.iter().map(|&z| z as i32).collect();
    let masked: Vec<f32> = (0..all.len())
        .map(|i| {
            if i / CLASSES == 7 {
                f32::NEG_INFINITY
            } else {
                all[i]
            }
        })
        .collect();
    let bomb = {
        let zeros = vec![0; 256 << 20];
        let mut packer = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
        std::io::Write::write_all(&mut packer, &array("<f4", &[1 << 24, 4], zeros)).unwrap();
        packer.finish().unwrap()
    };
    vec![
        (
            "a row less",
            f4(&all[CLASSES..], &[149, 4]),
            &["149 rows", "150 training rows"],
        ),
        (
            "a row more",
            f4(&[&all[..], &all[..4]].concat(), &[151, 4]),
            &["151 rows"],
        ),
        (
            "transposed",
            f4(&all, &[4, 150]),
            &["4 rows of 150 columns"],
        ),
        ("flat", f4(&all, &[600]), &["1 axes", "two are needed"]),
        ("three axes", f4(&all, &[150, 2, 2]), &["3 axes"]),
        (
            "a class less",
            f4(&all[..450], &[150, 3]),
            &["3 columns", "4 classes"],
        ),
        (
            "a class more",
            f4(&vec![0.5; 750], &[150, 5]),
            &["5 columns", "4 classes"],
        ),
        ("no column", f4(&[], &[150, 0]), &["150 rows of 0 columns"]),
        (
            "NaN",
            f4(&with(14, f32::NAN), &SHAPE),
            &["row 3, column 2 is NaN"],
        ),
        (
            "infinite",
            f4(&with(14, f32::INFINITY), &SHAPE),
            &["row 3, column 2 is inf"],
        ),
        (
            "a row masked",
            f4(&masked, &SHAPE),
            &["row 7 is −∞ throughout"],
        ),
        (
            "integers",
            array("<i4", &SHAPE, bytes(&ints)),
            &["<i4", "'f4'"],
        ),
        ("text", array("<U4", &SHAPE, vec![0; 600 * 16]), &["<U4"]),
        (
            "objects",
            with_header(
                "{'descr': '|O', 'fortran_order': False, 'shape': (150, 4), }",
                vec![],
            ),
            &["Python objects"],
        ),
        ("complex", array("<c8", &SHAPE, vec![0; 600 * 8]), &["<c8"]),
        (
            "truncated",
            whole[..whole.len() - 1].to_vec(),
            &["but 2399 follow"],
        ),
        (
            "a header alone",
            whole[..128.min(whole.len())].to_vec(),
            &["but 54 follow"],
        ),
        ("empty", vec![], &["it is empty"]),
        (
            "no array",
            b"f0,f1,f2,f3\n1,2,3,4\n".to_vec(),
            &["magic number"],
        ),
        (
            "a pickle",
            b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.".to_vec(),
            &["Python pickle"],
        ),
        ("a bomb", bomb, &["may unpack to"]),
        (
            "two arrays",
            npz(&[("a.npy", whole.clone()), ("b.npy", whole.clone())]),
            &["2 arrays", "`a`, `b`"],
        ),
        (
            "a checkpoint",
            npz(&[("archive/data.pkl", vec![1])]),
            &["PyTorch"],
        ),
        (
            "a damaged archive",
            npz(&[("a.npy", whole.clone())])[..900].to_vec(),
            &["without an end"],
        ),
        (
            "tensors of another shape",
            safetensors(&[("t", "F32", &[4, 150], bytes(&all))]),
            &["4 rows of 150"],
        ),
        (
            "quantised",
            safetensors(&[("t", "U8", &SHAPE, vec![1; 600])]),
            &["not floats"],
        ),
    ]
}

#[test]
fn files_that_are_no_teacher_of_these_rows_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher");
    let setting = short(&format!("teacher-logits = \"{}\"", path.display()));
    let mut astray = Vec::new();
    for (what, file, words) in wrong() {
        fs::write(&path, file).unwrap();
        let error = match compare(&setting) {
            Ok(_) => panic!("{what} was accepted"),
            Err(error) => error.to_string(),
        };
        let named = error.contains("teacher`") && !error.contains(|c: char| c.is_control());
        if !named || !words.iter().all(|word| error.contains(word)) {
            astray.push(format!("{what}: {error}"));
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}

/// Files that are accepted, with their words of warning; none for those that are as they should be.
#[test]
fn files_that_are_strange_are_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("teacher");
    let all = logits();
    let columns = |order: [usize; 4]| -> Vec<f32> {
        let rows = all.chunks_exact(CLASSES);
        rows.flat_map(|row| order.map(|c| row[c])).collect()
    };
    let rows = |order: &dyn Fn(usize) -> usize| -> Vec<f32> {
        let row = |i| all[order(i) * CLASSES..][..CLASSES].to_vec();
        (0..ROWS).flat_map(row).collect()
    };
    let f8: Vec<f64> = all.iter().map(|&z| f64::from(z)).collect();
    let f2: Vec<f16> = all.iter().map(|&z| f16::from_f32(z)).collect();
    let bf: Vec<bf16> = all.iter().map(|&z| bf16::from_f32(z)).collect();
    let turned: Vec<f32> = (0..all.len())
        .map(|i| all[i % ROWS * CLASSES + i / ROWS])
        .collect();
    let big: Vec<u8> = all.iter().flat_map(|z| z.to_be_bytes()).collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("as it is", f4(&all, &SHAPE), ""),
        ("f8", array("<f8", &SHAPE, bytes(&f8)), ""),
        ("f2", array("<f2", &SHAPE, bytes(&f2)), ""),
        (
            "bf16",
            safetensors(&[("t", "BF16", &SHAPE, bytes(&bf))]),
            "",
        ),
        ("columns first", fortran("<f4", &SHAPE, bytes(&turned)), ""),
        ("big-endian", array(">f4", &SHAPE, big), ""),
        (
            "one array of an archive",
            npz(&[("logits.npy", f4(&all, &SHAPE))]),
            "",
        ),
        (
            "a class masked",
            f4(&with(5, f32::NEG_INFINITY), &SHAPE),
            "",
        ),
        (
            "two classes exchanged",
            f4(&columns([1, 0, 2, 3]), &SHAPE),
            "permuted (label 0 is its class 1",
        ),
        (
            "classes from 1",
            f4(&columns([3, 0, 1, 2]), &SHAPE),
            "shifted by 1",
        ),
        (
            "rows by forty",
            f4(&rows(&|i| (i + 40) % ROWS), &SHAPE),
            "in the same order",
        ),
        (
            "rows by one",
            f4(&rows(&|i| (i + 1) % ROWS), &SHAPE),
            "in the same order",
        ),
        (
            "probabilities",
            f4(&probabilities(), &SHAPE),
            "--teacher-probabilities",
        ),
        ("a constant", f4(&[0.5; ROWS * CLASSES], &SHAPE), "chance"),
    ];
    let setting = short(&format!("teacher-logits = \"{}\"", path.display()));
    for (what, file, words) in cases {
        fs::write(&path, file).unwrap();
        let warnings = compare(&setting).unwrap().warnings.join("\n");
        match words {
            "" => assert_eq!(warnings, "", "{what}"),
            words => assert!(warnings.contains(words), "{what}: {warnings}"),
        }
    }
}

#[test]
fn probabilities_have_a_floor() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, values: &[f32]| {
        let path = directory.path().join(name);
        fs::write(&path, f4(values, &SHAPE)).unwrap();
        path.display().to_string()
    };
    let good = write("good", &probabilities());
    // As a forest has it: the whole of a row for one class, and zeros.
    let sure: Vec<f32> = probabilities().iter().map(|p| p.round()).collect();
    let certain: Vec<f32> = sure
        .chunks_exact(CLASSES)
        .flat_map(|row| {
            if row.iter().sum::<f32>() == 1.0 {
                row.to_vec()
            } else {
                vec![0.25; 4]
            }
        })
        .collect();
    let certain = write("certain", &certain);
    for file in [&good, &certain] {
        let mut setting = setting(&format!("teacher-probabilities = \"{file}\""));
        setting.seeds = 2;
        let comparison = compare(&setting).unwrap();
        assert!(comparison.methods[1].test_accuracy.mean > 0.9, "{file}");
        assert!(comparison.warnings.is_empty());
    }
    // Zeros become the floor, and so another floor makes another teacher.
    let curves = |floor: &str| {
        let more = format!("teacher-probabilities = \"{certain}\"\nprobability-floor = {floor}");
        format!("{:?}", compare(&short(&more)).unwrap().methods[1].curves)
    };
    assert_ne!(curves("0.001"), curves("0.1"));
    assert_eq!(curves("0.001"), curves("1e-3"));
    for (what, values, words) in [
        ("logits", logits(), "between 0 and 1; logits"),
        (
            "a sum of 1.2",
            {
                let mut p = probabilities();
                p[0] = (p[0] + 0.2) % 1.0;
                p
            },
            "row 0 sums to",
        ),
    ] {
        let file = write("odd", &values);
        let error = compare(&short(&format!("teacher-probabilities = \"{file}\""))).unwrap_err();
        assert!(error.to_string().contains(words), "{what}: {error}");
    }
}

/// A second file is for the test rows; feature terms need features.
#[test]
fn the_parts_of_a_given_teacher_go_together() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, file: Vec<u8>| {
        let path = directory.path().join(name);
        fs::write(&path, file).unwrap();
        path.display().to_string()
    };
    let train = here("teacher_train.npy");
    let ramp = |n: usize| (0..n).map(|i| (i * 7 % 11) as f32).collect::<Vec<f32>>();
    let test = write("test", f4(&ramp(1600), &[400, 4]));
    let logits = format!("teacher-logits = \"{train},{test}\"");
    let comparison = compare(&short(&logits)).unwrap();
    let accuracy = comparison.teacher.test_accuracy.unwrap();
    assert!((0.0..0.5).contains(&accuracy) && comparison.reliability.len() > 1);

    let features = |rows: usize, width: usize| {
        let values = ramp(rows * width);
        write(
            &format!("{rows}x{width}"),
            f4(&values, &[rows as u64, width as u64]),
        )
    };
    let of_train = features(150, 6);
    let mut values = ramp(150 * 6);
    values[3 * 6 + 1] = f32::NAN;
    let spoilt = write("spoilt", f4(&values, &[150, 6]));
    let both = format!("{of_train},{}", features(400, 6));
    let with_terms = |more: String| {
        let mut setting = short(&more);
        setting.methods = vec!["ie-kd".parse().unwrap()];
        compare(&setting)
    };
    let complete = with_terms(format!("{logits}\nteacher-features = \"{both}\"")).unwrap();
    assert!(complete.methods[0].similarity.is_some());
    // Without the test rows' there is nothing to hold the student's against.
    let half = with_terms(format!("{logits}\nteacher-features = \"{of_train}\"")).unwrap();
    assert!(half.methods[0].similarity.is_none() && half.methods[0].distances.len() == 2);
    for (more, words) in [
        (
            logits.clone(),
            "feature terms need the given teacher's features",
        ),
        (
            format!("{logits}\nteacher-features = \"{}\"", features(149, 6)),
            "149 rows",
        ),
        (
            format!("{logits}\nteacher-features = \"{spoilt}\""),
            "row 3, column 1 is NaN: a feature is a finite number",
        ),
        (
            format!(
                "{logits}\nteacher-features = \"{of_train},{}\"",
                features(400, 5)
            ),
            "5 columns",
        ),
        (
            format!("teacher-logits = \"{train},{train}\""),
            "400 test rows",
        ),
        (format!("teacher-logits = \"{train}:a\""), "no key"),
    ] {
        let error = with_terms(more.clone()).unwrap_err().to_string();
        assert!(error.contains(words), "{more}: {error}");
    }
    for (more, key, words) in [
        (
            "teacher-logits = \"a,b,c\"",
            "data.teacher-logits",
            "more than 2 paths",
        ),
        (
            "teacher-logits = \"a,\"",
            "data.teacher-logits",
            "a path is missing",
        ),
        (
            "teacher-logits = \"a\"\nteacher-probabilities = \"b\"",
            "data.teacher-probabilities",
            "not both",
        ),
        (
            "teacher-features = \"a\"",
            "data.teacher-features",
            "give its logits",
        ),
        (
            "probability-floor = 0",
            "data.probability-floor",
            "both excluded",
        ),
    ] {
        let error = Setting::from_toml(&format!("[data]\n{more}")).unwrap_err();
        assert_eq!(error.key, key, "{more}");
        assert!(error.problem.contains(words), "{more}: {error}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_program_speaks_of_the_given_teacher() {
    use crate::cli::{json, run, succeed};
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for name in ["train.csv", "test.csv", "teacher_train.npy"] {
        fs::copy(here(name), at.join(name)).unwrap();
    }
    let given = "--data csv:train.csv,test.csv --teacher-logits teacher_train.npy --train-size all";
    let given = format!("{given} --epochs 3");
    let out = succeed(
        at,
        &format!("compare {given} --seeds 2 --methods kd,lr --out out"),
    );
    assert!(
        out.contains("teacher given by `teacher_train.npy`; test accuracy unknown"),
        "{out}"
    );
    let file = |name: &str| fs::read_to_string(at.join("out").join(name)).unwrap();
    assert!(file("report.html").contains("given by `teacher_train.npy`"));
    let results = json(&file("results.json"));
    assert_eq!(results["teacher"]["given"], "teacher_train.npy");
    assert!(results["teacher"]["test_accuracy"].is_null());
    assert_eq!(results["teacher"]["shifts"], false);
    // The file beside the results repeats the comparison.
    let again = json(&succeed(
        at,
        "compare --config out/setting.toml --format json",
    ));
    assert_eq!(
        again["methods"][1]["test_accuracy"],
        results["methods"][1]["test_accuracy"]
    );
    let out = succeed(at, &format!("train {given}"));
    assert!(
        out.contains("teacher given by `teacher_train.npy`; misclassifies"),
        "{out}"
    );
    for (more, words) in [
        (
            "--teacher-epochs 3",
            "--teacher-epochs 3: does not apply with --teacher-logits",
        ),
        ("--teacher-probabilities p.npy", "cannot be used with"),
    ] {
        let (code, _, err) = run(at, &format!("compare {given} {more}"));
        assert!(code == 2 && err.contains(words), "{err}");
    }
}
