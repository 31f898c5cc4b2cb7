//! A comparison as a table for people.

use crate::train::{
    BudgetPoint, Comparison, Learner, MethodResult, Paired, SettingSummary, Spread,
};

/// The table's columns.
pub const COLUMNS: [&str; 6] = [
    "method",
    "test accuracy %",
    "− kd, 95 % interval",
    "best epoch %",
    "learning rate",
    "seconds",
];

/// What stands above the table: the data, and how reliable the teacher is.
#[must_use]
pub fn preamble(comparison: &Comparison) -> String {
    let (setting, teacher) = (&comparison.setting, &comparison.teacher);
    let noise = |share: f64| match share {
        0.0 => String::new(),
        share => format!(", {:.0} % of the labels wrong", 100.0 * share),
    };
    let scenario = setting
        .scenario
        .map_or(String::new(), |name| format!("{name}; "));
    let bayes = setting
        .bayes_accuracy
        .as_ref()
        .map_or(String::new(), |bayes| {
            format!(
                "; no classifier is better than {:.1} %",
                100.0 * bayes.accuracy
            )
        });
    let labelled = if setting.labelled_rows < setting.train_rows {
        format!(", {} of them labelled", setting.labelled_rows)
    } else {
        String::new()
    };
    let sensor = if setting.sensor_shift > 0.0 {
        format!(" of another sensor ({})", setting.sensor_shift)
    } else {
        String::new()
    };
    let sizes = |learner| layers(setting, learner);
    format!(
        "{scenario}{name}: {test} test rows, {validation} for validation, {seeds}; engine {engine}{bayes}\n\
         student {student}: {train} training rows{labelled}{noise}\n\
         teacher {teacher_sizes}: {rows} training rows{sensor}{teacher_noise}{shifted}; test accuracy {accuracy}, \
         wrong on {wrong:.1} % of the student's training labels, calibration error {calibration:.1} %",
        name = comparison.dataset,
        test = setting.test_rows,
        validation = setting.validation_rows,
        seeds = seeds(setting),
        engine = comparison.engine,
        student = sizes(&setting.student),
        train = setting.train_rows,
        noise = noise(setting.label_noise),
        teacher_sizes = sizes(&setting.teacher),
        rows = setting.teacher_rows,
        teacher_noise = noise(setting.teacher_label_noise),
        shifted = if setting.augment_teacher {
            ", shifted by up to a pixel"
        } else {
            ""
        },
        accuracy = percent(&teacher.test_accuracy_over_seeds),
        wrong = 100.0 * teacher.wrong_train_labels,
        calibration = 100.0 * teacher.test_calibration_error,
    )
}

/// The sizes of a network's layers, from the features to the classes.
pub(super) fn layers(setting: &SettingSummary, learner: &Learner) -> String {
    let sizes = [&[setting.features], &learner.hidden[..], &[setting.classes]].concat();
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("-")
}

pub(super) fn seeds(setting: &SettingSummary) -> String {
    match setting.seeds {
        1 => "1 seed".to_owned(),
        seeds => format!("{seeds} seeds"),
    }
}

/// The table's rows, one per method.
#[must_use]
pub fn rows(comparison: &Comparison) -> Vec<[String; COLUMNS.len()]> {
    comparison.methods.iter().map(row).collect()
}

fn row(method: &MethodResult) -> [String; COLUMNS.len()] {
    [
        method.name.clone(),
        percent(&method.test_accuracy),
        method
            .vs_kd
            .as_ref()
            .filter(|_| method.name != "kd")
            .map_or(String::new(), difference),
        format!("{:.2}", 100.0 * method.best_validation_test_accuracy.mean),
        method.learning_rate.to_string(),
        format!("{:.1}", method.seconds),
    ]
}

pub(super) fn percent(spread: &Spread) -> String {
    match spread.per_seed.len() {
        1 => format!("{:.2}", 100.0 * spread.mean),
        _ => format!("{:.2} ± {:.2}", 100.0 * spread.mean, 100.0 * spread.std),
    }
}

pub(super) fn difference(paired: &Paired) -> String {
    let mean = 100.0 * paired.mean;
    match paired.interval {
        None => format!("{mean:+.2}"),
        Some([low, high]) => format!("{mean:+.2} [{:+.2}, {:+.2}]", 100.0 * low, 100.0 * high),
    }
}

/// Whether a difference is more than chance, as far as its interval can tell.
pub(super) fn leaves_out_zero(paired: &Paired) -> bool {
    paired
        .interval
        .is_some_and(|[low, high]| low > 0.0 || high < 0.0)
}

/// The columns of the table of budget curves.
pub const BUDGET_COLUMNS: [&str; 5] = [
    "method",
    "score",
    "share",
    "test accuracy %",
    "− random, 95 % interval",
];

/// The rows of the table of budget curves.
#[must_use]
pub fn budget_rows(comparison: &Comparison) -> Vec<[String; BUDGET_COLUMNS.len()]> {
    let row = |point: &BudgetPoint| {
        let against = point.vs_random.as_ref().filter(|_| point.score != "random");
        [
            point.method.clone(),
            point.score.clone(),
            point.fraction.to_string(),
            percent(&point.test_accuracy),
            against.map_or(String::new(), difference),
        ]
    };
    comparison.budget.iter().map(row).collect()
}
