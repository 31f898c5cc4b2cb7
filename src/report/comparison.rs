//! A comparison as a table for people and as CSV for programs.

use crate::train::{Comparison, MethodResult, Paired, Spread};

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
    let sizes = |hidden: &[usize]| {
        let all = [&[setting.features], hidden, &[setting.classes]].concat();
        all.iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join("-")
    };
    format!(
        "{name}: {test} test rows, {validation} for validation, {seeds}; engine {engine}\n\
         student {student}: {train} training rows{noise}\n\
         teacher {sizes}: {rows} training rows{teacher_noise}{shifted}; test accuracy {accuracy}, \
         wrong on {wrong:.1} % of the student's training labels, calibration error {calibration:.1} %",
        name = comparison.dataset,
        test = setting.test_rows,
        validation = setting.validation_rows,
        seeds = if setting.seeds == 1 {
            "1 seed".to_owned()
        } else {
            format!("{} seeds", setting.seeds)
        },
        engine = comparison.engine,
        student = sizes(&setting.student.hidden),
        train = setting.train_rows,
        noise = noise(setting.label_noise),
        sizes = sizes(&setting.teacher.hidden),
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

/// The table's rows, one per method.
#[must_use]
pub fn rows(comparison: &Comparison) -> Vec<[String; COLUMNS.len()]> {
    comparison.methods.iter().map(row).collect()
}

fn row(method: &MethodResult) -> [String; COLUMNS.len()] {
    [
        method.name.to_owned(),
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

fn percent(spread: &Spread) -> String {
    match spread.per_seed.len() {
        1 => format!("{:.2}", 100.0 * spread.mean),
        _ => format!("{:.2} ± {:.2}", 100.0 * spread.mean, 100.0 * spread.std),
    }
}

fn difference(paired: &Paired) -> String {
    let mean = 100.0 * paired.mean;
    match paired.interval {
        None => format!("{mean:+.2}"),
        Some([low, high]) => format!("{mean:+.2} [{:+.2}, {:+.2}]", 100.0 * low, 100.0 * high),
    }
}

/// One line per method and seed, accuracies as shares.
#[must_use]
pub fn results_csv(comparison: &Comparison) -> String {
    let mut csv = String::from(
        "method,seed,learning_rate,test_accuracy,validation_accuracy,best_validation_test_accuracy\n",
    );
    for method in &comparison.methods {
        let rate = method.learning_rate;
        let spreads = [
            &method.test_accuracy,
            &method.validation_accuracy,
            &method.best_validation_test_accuracy,
        ];
        for seed in 0..method.curves.len() {
            let [test, validation, best] = spreads.map(|spread| spread.per_seed[seed]);
            csv += &format!("{},{seed},{rate},{test},{validation},{best}\n", method.name);
        }
    }
    csv
}

/// One line per method, seed and epoch, at the chosen learning rate.
#[must_use]
pub fn curves_csv(comparison: &Comparison) -> String {
    let mut csv = String::from("method,seed,epoch,loss,validation_accuracy,test_accuracy\n");
    for method in &comparison.methods {
        for (seed, curve) in method.curves.iter().enumerate() {
            let accuracies = curve.validation.iter().zip(&curve.test);
            for (epoch, (loss, (validation, test))) in curve.loss.iter().zip(accuracies).enumerate()
            {
                csv += &format!(
                    "{},{seed},{},{loss},{validation},{test}\n",
                    method.name,
                    epoch + 1
                );
            }
        }
    }
    csv
}
