//! The harness from the outside: repeatable, independent of threads and of what else is compared.

use fused_kd::auto::{self, Choice, EngineName};
use fused_kd::spec::Preset;
use fused_kd::train::{Comparison, MethodResult, Setting, TrainError, TrainSize};

fn cpu() -> Choice {
    EngineName::Cpu.resolve().unwrap()
}

/// The default scenario, shortened.
fn short() -> Setting {
    let mut setting = Setting::default();
    setting.methods = vec![
        Preset::Ce.into(),
        Preset::Kd.into(),
        Preset::Lr.into(),
        Preset::DtdFlsw.into(),
    ];
    setting.seeds = 2;
    setting.learning_rates = vec![0.02, 0.05];
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
    format!(
        "{:?} {:?} {:?} {:?}",
        method.name, method.learning_rate, method.test_accuracy, method.curves
    )
}

#[test]
fn bits_depend_neither_on_threads_nor_on_the_run() {
    let setting = short();
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    let runs: Vec<Vec<String>> = [1, 3, 3]
        .into_iter()
        .map(|threads| {
            pool(threads).install(|| compare(&setting).methods.iter().map(outcome).collect())
        })
        .collect();
    assert_eq!(runs[0], runs[1]);
    assert_eq!(runs[1], runs[2]);
}

#[test]
fn a_method_does_not_depend_on_the_others() {
    let mut setting = short();
    let all = compare(&setting);
    setting.methods = vec![Preset::Lr.into()];
    let alone = compare(&setting);
    assert_eq!(outcome(&all.methods[2]), outcome(&alone.methods[0]));
    assert_eq!(alone.methods[0].vs_kd, None);
    assert!(all.methods[2].vs_kd.is_some());
}

#[test]
fn one_seed_is_the_same_among_many() {
    let mut setting = short();
    setting.learning_rates = vec![0.05];
    let two = compare(&setting);
    setting.seeds = 1;
    let one = compare(&setting);
    for (one, two) in one.methods.iter().zip(&two.methods) {
        assert_eq!(one.test_accuracy.per_seed[0], two.test_accuracy.per_seed[0]);
    }
}

#[test]
fn the_cpu_learns_what_the_reference_learns() {
    let mut setting = short();
    setting.seeds = 1;
    setting.learning_rates = vec![0.05];
    setting.data.train_size = TrainSize::Rows(100);
    setting.data.teacher_train_size = TrainSize::Rows(100);
    let cpu = compare(&setting);
    let reference =
        auto::compare(&EngineName::Reference.resolve().unwrap(), &setting, &|_| {}).unwrap();
    assert_eq!((cpu.engine, reference.engine), ("cpu", "reference"));
    for (cpu, reference) in cpu.methods.iter().zip(&reference.methods) {
        let (a, b) = (cpu.test_accuracy.mean, reference.test_accuracy.mean);
        assert!((a - b).abs() <= 0.01, "{}: {a} {b}", cpu.name);
    }
}

/// Everything selected is the method itself, to the bit, and nothing selected is the ground truth
/// alone, to rounding (a loss without the teacher's term needs no tempered softmax): however often the
/// choice is made.
#[test]
fn selections_of_nothing_and_of_everything() {
    let mut setting = short();
    setting.methods = ["ce", "kd", "lr", "ds", "ds", "ds", "lr-ds"]
        .map(|name| name.parse().unwrap())
        .to_vec();
    let policies = [
        "fraction = 0\nwarm-up = 0\nevery = 0",
        "fraction = 0\nwarm-up = 0\nevery = 3",
        "fraction = 1",
        "fraction = 1\nscore = 'aum'",
    ];
    for (method, policy) in setting.methods[3..].iter_mut().zip(policies) {
        method.policy = Some(toml::from_str(policy).unwrap());
    }
    let comparison = compare(&setting);
    let curves: Vec<String> = comparison
        .methods
        .iter()
        .map(|m| format!("{:?}", m.curves))
        .collect();
    let [ce, kd, lr, none, none_often, all, all_lr] = &curves[..] else {
        panic!()
    };
    assert_eq!((none_often, all, all_lr), (none, kd, lr));
    assert_ne!(ce, kd);
    let [ce, none] = [0, 3].map(|i| &comparison.methods[i].curves);
    for (ce, none) in ce.iter().zip(none) {
        for (a, b) in ce.loss.iter().zip(&none.loss) {
            assert!((a - b).abs() <= 1e-3 * a, "{a} {b}");
        }
    }
    assert_eq!(comparison.methods[3].choices[0][0].rows, [0; 0]);
    assert_eq!(comparison.methods[5].choices[0].len(), 1);
}

/// What the README says of the default scenario, with all its epochs.
#[test]
fn the_default_teacher_beats_the_student_and_errs() {
    let mut setting = Setting::default();
    setting.methods = vec![Preset::Ce.into(), Preset::Kd.into(), Preset::Lr.into()];
    let comparison = compare(&setting);
    let teacher = &comparison.teacher;
    let [ce, kd, lr] = [0, 1, 2].map(|i| comparison.methods[i].test_accuracy.mean);
    assert!(
        teacher.test_accuracy > Some(ce),
        "teacher {:?}, ce {ce}",
        teacher.test_accuracy
    );
    assert!(
        (0.05..=0.15).contains(&teacher.wrong_train_labels),
        "{}",
        teacher.wrong_train_labels
    );
    assert!(lr > kd, "lr {lr}, kd {kd}");
    // Learning rates were chosen on validation data alone.
    for method in &comparison.methods {
        assert!(
            setting
                .learning_rates
                .iter()
                .any(|&rate| (f64::from(rate) - method.learning_rate).abs() < 1e-6)
        );
        assert!(method.test_accuracy.mean > 0.8, "{}", method.name);
    }
}

#[test]
fn other_data_are_compared_too() {
    let mut setting = short();
    setting.seeds = 1;
    for source in [
        "csv:optdigits/optdigits.tra,optdigits/optdigits.tes",
        "idx:mnist-t10k",
    ] {
        let Some(root) = crate::support::data_dir() else {
            return;
        };
        let (kind, paths) = source.split_once(':').unwrap();
        let paths: Vec<String> = paths
            .split(',')
            .map(|p| root.join(p).display().to_string())
            .collect();
        setting.data.source = format!("{kind}:{}", paths.join(",")).parse().unwrap();
        let comparison = compare(&setting);
        assert_eq!(comparison.rows.train, 200);
        assert!(comparison.methods[0].test_accuracy.mean > 0.6, "{source}");
    }
}

#[test]
fn settings_that_cannot_be_run_are_named() {
    type Change = fn(&mut Setting);
    let cases: [(Change, &str); 9] = [
        (|s| s.methods.clear(), "methods = []: must be at least one"),
        (
            |s| s.seeds = 0,
            "seeds = 0: must be a whole number from 1 to 10000",
        ),
        (|s| s.data.label_noise = 1.5, "data.label-noise = 1.5"),
        (
            |s| s.data.teacher_label_noise = f32::NAN,
            "data.teacher-label-noise = NaN",
        ),
        (|s| s.learning_rates = vec![0.0], "learning-rates = [0.0]"),
        (|s| s.learning_rates.clear(), "learning-rates = []"),
        (
            |s| s.data.train_size = TrainSize::Rows(5000),
            "data.train-size = 5000: must be from 1 to the 1118 rows",
        ),
        (|s| s.student.epochs = 0, "student.epochs = 0"),
        (|s| s.teacher.hidden = vec![0], "teacher.hidden = [0]"),
    ];
    for (change, expected) in cases {
        let mut setting = short();
        change(&mut setting);
        let error = auto::compare(&cpu(), &setting, &|_| {}).unwrap_err();
        assert!(matches!(error, TrainError::Setting(_)));
        assert!(error.to_string().contains(expected), "{error}");
    }
}
