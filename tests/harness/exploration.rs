//! Feature terms and mutual learning from the outside: what they change, and what they must not.

use fused_kd::auto::{self, Choice, EngineName};
use fused_kd::train::{
    Comparison, Method, MethodResult, Model, Setting, Similarity, Split, Spread, TrainError,
    TrainSize,
};

fn cpu() -> Choice {
    EngineName::Cpu.resolve().unwrap()
}

/// The default scenario, shortened, with these methods.
fn short(methods: &[&str]) -> Setting {
    let mut setting = Setting::default();
    setting.methods = methods.iter().map(|name| name.parse().unwrap()).collect();
    setting.seeds = 2;
    setting.learning_rates = vec![0.05];
    setting.student.epochs = 8;
    setting.teacher.epochs = 8;
    setting.teacher.hidden = vec![32];
    setting
}

fn compare(setting: &Setting) -> Comparison {
    auto::compare(&cpu(), setting, &|_| {}).unwrap()
}

/// Everything that a method's runs left, but the time that they took.
fn outcome(method: &MethodResult) -> String {
    format!("{:?} {:?}", method.curves, method.similarity)
}

#[test]
fn bits_depend_neither_on_threads_nor_on_other_methods() {
    let names = ["ie-kd", "ie+lr-ds", "dml", "ie-dml"];
    let setting = short(&names);
    let pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap()
    };
    let run = |threads| -> Vec<String> {
        let comparison = pool(threads).install(|| compare(&setting));
        comparison.methods.iter().map(outcome).collect()
    };
    let all = run(1);
    assert_eq!(all, run(3));
    for (name, expected) in names.iter().zip(&all) {
        // Similarities are measured where feature terms are, and so is the factor trained.
        let alone = compare(&short(&[name, "ie-kd"]));
        assert_eq!(&outcome(&alone.methods[0]), expected, "{name}");
    }
}

/// Without feature terms in the comparison there is no factor, and no method moves by a bit where
/// there is one.
#[test]
fn other_methods_stay_as_they_are() {
    let without = compare(&short(&["kd", "lr", "ds"]));
    let with = compare(&short(&["kd", "lr", "ds", "ie+lr", "dml"]));
    assert_eq!(without.teacher.reconstruction_error, None);
    assert!(with.teacher.reconstruction_error.unwrap() < 1.0);
    for (a, b) in without.methods.iter().zip(&with.methods) {
        assert_eq!(format!("{:?}", a.curves), format!("{:?}", b.curves));
        assert!(a.similarity.is_none() && b.similarity.is_some());
    }
}

/// Terms that weigh nothing leave the student its bits, and so do those of samples that the teacher
/// does not supervise.
#[test]
fn terms_of_no_weight_are_none() {
    let mut setting = short(&["lr", "ie+lr", "ds", "ie+ds", "ie+lr"]);
    for term in &mut setting.methods[1].terms {
        term.weight = 0.0;
    }
    for method in &mut setting.methods[2..4] {
        method.policy = Some(toml::from_str("fraction = 0\nwarm-up = 0").unwrap());
    }
    let methods = compare(&setting).methods;
    let curves = |i: usize| format!("{:?}", methods[i].curves);
    assert_eq!(curves(0), curves(1));
    assert_eq!(curves(2), curves(3));
    assert_ne!(curves(0), curves(4));
}

/// An inheriting half comes closer to the teacher's features than it would by itself, where it is
/// given the time and the weight.
#[test]
fn the_inheriting_half_inherits() {
    let mut setting = short(&["ce", "ie-kd"]);
    setting.student.epochs = 60;
    setting.teacher.epochs = 40;
    setting.methods[1].terms.truncate(1);
    setting.methods[1].terms[0].weight = 200.0;
    let comparison = compare(&setting);
    let of = |i: usize| comparison.methods[i].similarity.clone().unwrap();
    let (alone, inherits): (Similarity<Spread>, Similarity<Spread>) = (of(0), of(1));
    assert_eq!(alone.inherit_before, inherits.inherit_before);
    assert!(
        inherits.inherit_after.mean > alone.inherit_after.mean + 0.03,
        "{inherits:?} {alone:?}"
    );
}

#[test]
fn the_cpu_learns_what_the_reference_learns() {
    let mut setting = short(&["ie-kd", "ie+lr", "dml", "ie-dml"]);
    setting.seeds = 1;
    setting.features.split = Split::Permutation;
    setting.data.train_size = TrainSize::Rows(64);
    setting.data.teacher_train_size = TrainSize::Rows(64);
    let cpu = compare(&setting);
    let reference =
        auto::compare(&EngineName::Reference.resolve().unwrap(), &setting, &|_| {}).unwrap();
    for (cpu, reference) in cpu.methods.iter().zip(&reference.methods) {
        let (a, b) = (&cpu.curves[0].loss, &reference.curves[0].loss);
        // The first epoch's loss has one step behind it; later ones have what grew of the rounding.
        assert!(
            (a[0] - b[0]).abs() <= 1e-4 * b[0].abs(),
            "{}: {a:?} {b:?}",
            cpu.name
        );
        let (a, b) = (cpu.test_accuracy.mean, reference.test_accuracy.mean);
        assert!((a - b).abs() <= 0.01, "{}: {a} {b}", cpu.name);
    }
}

/// A run is that of a comparison, and what it keeps is the student alone: a network of its sizes,
/// which predicts as it did.
#[test]
fn the_student_is_kept_alone() {
    for (name, more) in [
        (
            "ie+lr",
            "[loss]\npreset = \"lr\"\n[[term]]\nkind = \"inherit\"\n[[term]]\nkind = \"explore\"",
        ),
        (
            "dml",
            "[loss]\nlambda-kd = 1\nlambda-ce = 1\ntemperature = 1",
        ),
    ] {
        let mutual = name == "dml";
        let text = format!(
            "mutual = {mutual}\n[student]\nepochs = 4\n[teacher]\nepochs = 4\nhidden = [32]\n{more}"
        );
        let setting = Setting::from_toml(&text).unwrap();
        let run = auto::train(&cpu(), &setting, &|_| {}).unwrap();
        assert_eq!(run.model.about().sizes, [64, 32, 10]);
        assert_eq!(run.result.student.similarity.is_some(), !mutual);

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("student.safetensors");
        std::fs::write(&path, run.model.to_bytes().unwrap()).unwrap();
        let model = Model::load(&path).unwrap();
        let dataset = setting.data.source.load().unwrap();
        let test = fused_kd::data::Split::new(&dataset, 0).unwrap().test;
        let again = auto::predict(&cpu(), &model, &dataset, &test).unwrap();
        assert_eq!(again.logits, run.test.logits);

        let mut setting = setting;
        setting.methods = vec![name.parse().unwrap()];
        setting.learning_rates = vec![setting.student.learning_rate];
        setting.seeds = 1;
        let comparison = compare(&setting);
        assert_eq!(comparison.methods[0].curves[0].loss, run.curve.loss);
        assert_eq!(comparison.methods[0].curves[0].test, run.curve.test);
        // The file of a method by its name makes the same run.
        let mut of_name = Setting::from(name.parse::<Method>().unwrap());
        of_name.student = setting.student;
        of_name.teacher = setting.teacher;
        let again = Setting::from_toml(&of_name.to_toml().unwrap()).unwrap();
        let again = auto::train(&cpu(), &again, &|_| {}).unwrap();
        assert_eq!(again.curve.loss, run.curve.loss);
    }
}

#[test]
fn students_without_features_are_refused() {
    for (student, teacher, expected) in [
        (
            vec![],
            vec![32],
            "student.hidden = []: must be sizes of which the last is at least 2",
        ),
        (vec![8, 1], vec![32], "student.hidden = [8, 1]"),
        (vec![8], vec![], "teacher.hidden = []"),
    ] {
        let mut setting = short(&["ie-kd"]);
        setting.student.hidden = student;
        setting.teacher.hidden = teacher;
        let error = auto::compare(&cpu(), &setting, &|_| {}).unwrap_err();
        assert!(matches!(error, TrainError::Setting(_)));
        assert!(error.to_string().contains(expected), "{error}");
        setting.methods = vec!["dml".parse().unwrap()];
        auto::compare(&cpu(), &setting, &|_| {}).unwrap();
    }
}
