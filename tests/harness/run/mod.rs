//! One run from one configuration: what is read, what comes out, what is refused.

mod attacks;
mod config;
mod elsewhere;
#[cfg(feature = "cli")]
mod program;

use fused_kd::auto::{self, Choice, EngineName};
use fused_kd::data::{Source, Split};
use fused_kd::train::{Model, Run, Setting};
use std::fs;
use std::path::Path;

/// A run of a second or less.
const SHORT: &str = r#"
seed = 3
[student]
hidden = [16]
epochs = 4
[teacher]
hidden = [32]
epochs = 6
[loss]
preset = "lr"
revision.eta = 0.7
[select]
score = "el2n"
fraction = 0.5
warm-up = 1
every = 2
"#;

fn cpu() -> Choice {
    EngineName::Cpu.resolve().unwrap()
}

fn setting(text: &str) -> Setting {
    Setting::from_toml(text).unwrap()
}

fn train(setting: &Setting, engine: EngineName) -> Run {
    auto::train(&engine.resolve().unwrap(), setting, &|_| {}).unwrap()
}

/// The student as it is read from the file that it was written to.
fn through_a_file(model: &Model, directory: &Path) -> Model {
    let path = directory.join("student.safetensors");
    fs::write(&path, model.to_bytes().unwrap()).unwrap();
    Model::load(&path).unwrap()
}

#[test]
fn a_student_from_its_file_gives_the_bits_of_its_run() {
    let directory = tempfile::tempdir().unwrap();
    // A batch above the usual number of rows of a forward, and a network without hidden layers.
    for more in ["", "[student]\nbatch = 300", "[student]\nhidden = []"] {
        let text = match more {
            "" => SHORT.to_owned(),
            more => format!("seed = 3\n{more}\nepochs = 3\n[teacher]\nepochs = 3"),
        };
        let setting = setting(&text);
        let run = train(&setting, EngineName::Cpu);
        let model = through_a_file(&run.model, directory.path());
        assert_eq!(model, run.model);
        let dataset = setting.data.source.load().unwrap();
        let test = Split::new(&dataset, setting.seed).unwrap().test;
        let again = auto::predict(&cpu(), &model, &dataset, &test).unwrap();
        let bits = |logits: &[f32]| logits.iter().map(|z| z.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again.logits), bits(&run.test.logits));
        assert_eq!(again.labels, run.test.labels);
        assert_eq!(again.accuracy(), run.result.student.test_accuracy);
        assert_eq!(run.curve.test.last(), Some(&again.accuracy()));
        assert_eq!(model.about().test_accuracy, again.accuracy());
    }
}

#[test]
fn the_same_run_leaves_the_same_bytes() {
    let run = |text: &str| {
        train(&setting(text), EngineName::Cpu)
            .model
            .to_bytes()
            .unwrap()
    };
    let first = run(SHORT);
    assert_eq!(first, run(SHORT));
    assert_ne!(first, run(&SHORT.replace("seed = 3", "seed = 4")));
    // The configuration that the student carries makes the same run again.
    let carried = train(&setting(SHORT), EngineName::Cpu)
        .model
        .about()
        .config
        .clone();
    assert_eq!(first, run(&carried));
}

#[test]
fn the_reference_keeps_a_student_too() {
    let text = SHORT.replace(
        "seed = 3",
        "seed = 3\n[data]\ntrain-size = 60\nteacher-train-size = 60",
    );
    let setting = setting(&text);
    let run = train(&setting, EngineName::Reference);
    assert_eq!(run.model.about().engine, "reference");
    let dataset = Source::Digits.load().unwrap();
    let test = Split::new(&dataset, setting.seed).unwrap().test;
    let again = auto::predict(&cpu(), &run.model, &dataset, &test).unwrap();
    // Another engine, and weights of single precision: sums of 64 and 16 products round otherwise.
    for (a, b) in again.logits.iter().zip(&run.test.logits) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn a_run_says_what_came_of_it() {
    let run = train(
        &setting(&SHORT.replace("seed = 3", "seed = 3\ndata.labelled = 150")),
        EngineName::Cpu,
    );
    let (rows, student) = (&run.result.rows, &run.result.student);
    assert_eq!((rows.train, rows.labelled, rows.test), (200, 150, 500));
    assert_eq!(student.sizes, [64, 16, 10]);
    let best = student.best_epoch;
    assert_eq!(
        run.curve.validation[best.epoch - 1],
        best.validation_accuracy
    );
    assert!(
        run.curve
            .validation
            .iter()
            .all(|&v| v <= best.validation_accuracy)
    );
    assert_eq!(run.curve.test[best.epoch - 1], best.test_accuracy);
    // Choices before the epochs 1 and 3, of half the rows each.
    let choices: Vec<(usize, usize)> = run
        .choices
        .iter()
        .map(|choice| (choice.epoch, choice.rows.len()))
        .collect();
    assert_eq!(choices.iter().map(|c| c.0).collect::<Vec<_>>(), [1, 3]);
    assert!(
        choices.iter().all(|c| c.1.abs_diff(100) <= 6),
        "{choices:?}"
    );
    let wrong = run.result.teacher.wrong_train_labels;
    assert!((0.0..1.0).contains(&wrong) && wrong > 0.0);
}

#[test]
fn a_run_is_that_of_a_comparison() {
    let setting = setting(
        "[student]\nepochs = 4\n[teacher]\nepochs = 6\nhidden = [32]\n[loss]\npreset = \"lr\"\n[select]",
    );
    let run = train(&setting, EngineName::Cpu);
    let mut setting = setting.clone();
    setting.methods = vec!["lr-ds".parse().unwrap()];
    setting.learning_rates = vec![setting.student.learning_rate];
    setting.seeds = 1;
    let comparison = auto::compare(&cpu(), &setting, &|_| {}).unwrap();
    let curve = &comparison.methods[0].curves[0];
    assert_eq!(curve.loss, run.curve.loss);
    assert_eq!(curve.test, run.curve.test);
    assert_eq!(comparison.methods[0].choices[0], run.choices);
    let teacher = &run.result.teacher;
    assert_eq!(comparison.teacher.test_accuracy, teacher.test_accuracy);
}

#[test]
fn the_example_runs() {
    let text = include_str!("../../../examples/run.toml");
    let mut setting = setting(text);
    setting.student.epochs = 7;
    setting.teacher.epochs = 3;
    let run = train(&setting, EngineName::Cpu);
    assert_eq!(run.result.preset, "lr");
    assert!(run.result.student.test_accuracy > 0.3);
    assert_eq!(run.choices.len(), 1);
}

#[test]
fn runs_that_cannot_be_are_named() {
    for (text, words) in [
        (
            "data.train-size = 5000",
            "data.train-size = 5000: must be from 1 to the 1118",
        ),
        (
            "student.learning-rate = 1e30\n[teacher]\nepochs = 1",
            "student.learning-rate = 1000000000000000000000000000000: must be smaller",
        ),
        (
            "teacher.learning-rate = 1e30\n[student]\nepochs = 1",
            "teacher.learning-rate",
        ),
        (
            "student.hidden = [65536, 65536]",
            "with 64 features and 10 classes the network has more than 268435456",
        ),
        ("data.source = \"csv:absent.csv\"", "absent.csv"),
    ] {
        let error = auto::train(&cpu(), &setting(text), &|_| {}).unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn other_data_must_fit_the_student() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("narrow.csv");
    fs::write(&path, "1,2,0\n3,4,1\n").unwrap();
    let narrow = format!("csv:{}", path.display())
        .parse::<Source>()
        .unwrap()
        .load()
        .unwrap();
    let mut setting = setting(SHORT);
    setting.select = None;
    let model = train(&setting, EngineName::Cpu).model;
    let error = auto::predict(&cpu(), &model, &narrow, &[0]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`narrow`: rows of 2 features, but the student takes 64"),
        "{error}"
    );
    let digits = Source::Digits.load().unwrap();
    let error = auto::predict(&cpu(), &model, &digits, &[5, 1797]).unwrap_err();
    assert!(
        error.to_string().contains("1797 rows, but row 1797"),
        "{error}"
    );
    let none = auto::predict(&cpu(), &model, &digits, &[]).unwrap();
    assert!(none.logits.is_empty());
}
