//! A comparison as a table for people and as CSV for programs.

use crate::train::{BudgetPoint, Comparison, MethodResult, Paired, Spread};

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
    format!(
        "{scenario}{name}: {test} test rows, {validation} for validation, {seeds}; engine {engine}{bayes}\n\
         student {student}: {train} training rows{labelled}{noise}\n\
         teacher {sizes}: {rows} training rows{sensor}{teacher_noise}{shifted}; test accuracy {accuracy}, \
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

/// Everything that is written of a comparison: file names and texts.
///
/// # Errors
/// Those of JSON's writer, which no comparison of ours gives rise to.
pub fn files(comparison: &Comparison) -> serde_json::Result<Vec<(&'static str, String)>> {
    let json = serde_json::to_string_pretty(comparison)? + "\n";
    let mut files = vec![
        ("results.json", json),
        ("results.csv", results_csv(comparison)),
        ("curves.csv", curves_csv(comparison)),
    ];
    if comparison
        .methods
        .iter()
        .any(|method| method.selection.is_some())
    {
        files.push(("selections.csv", selections_csv(comparison)));
    }
    if !comparison.budget.is_empty() {
        files.push(("budget.csv", budget_csv(comparison)));
    }
    Ok(files)
}

/// One line per sample that the teacher supervises from an epoch on; rows of the data set.
fn selections_csv(comparison: &Comparison) -> String {
    let mut csv = String::from("method,seed,epoch,row\n");
    for method in &comparison.methods {
        for (seed, choices) in method.choices.iter().enumerate() {
            for choice in choices {
                for row in &choice.rows {
                    csv += &format!("{},{seed},{},{row}\n", method.name, choice.epoch + 1);
                }
            }
        }
    }
    csv
}

/// One line per selection of the budget curves and seed.
fn budget_csv(comparison: &Comparison) -> String {
    let mut csv = String::from("method,score,fraction,seed,test_accuracy\n");
    for point in &comparison.budget {
        for (seed, accuracy) in point.test_accuracy.per_seed.iter().enumerate() {
            csv += &format!(
                "{},{},{},{seed},{accuracy}\n",
                point.method, point.score, point.fraction
            );
        }
    }
    csv
}

/// One line per method and seed, accuracies as shares.
fn results_csv(comparison: &Comparison) -> String {
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
fn curves_csv(comparison: &Comparison) -> String {
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
