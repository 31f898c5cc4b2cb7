//! A comparison as a table for people.

use crate::spec::Relation;
use crate::train::{
    BudgetPoint, Comparison, Learner, MethodResult, Paired, RowCounts, Spread,
    listed_seeds as listed,
};

/// The table's columns.
pub const COLUMNS: [&str; 6] = [
    "method",
    "test accuracy %",
    "gain over kd [95 % CI]",
    "best epoch %",
    "learning rate",
    "seconds",
];

/// What stands above the table: the data, and how reliable the teacher is.
#[must_use]
pub fn preamble(comparison: &Comparison) -> String {
    let (rows, reliability) = (&comparison.rows, &comparison.teacher);
    let scenario = comparison.setting.scenario;
    let scenario = scenario.map(|scenario| format!("{}; ", scenario.name()));
    let calibration = reliability.test_calibration_error;
    let calibration =
        calibration.map(|error| format!(", calibration error {:.1} %", 100.0 * error));
    let ceiling = ceiling(comparison).map(|ceiling| format!("; {ceiling}"));
    format!(
        "{scenario}{name}: {test} test rows, {validation} validation rows, {seeds}; engine {engine}{ceiling}\n\
         student {student}\n\
         teacher {teacher}; test accuracy {accuracy}{calibration}; \
         misclassifies {wrong:.1} % of the student's training rows{read_as}",
        scenario = scenario.unwrap_or_default(),
        name = comparison.dataset,
        test = rows.test,
        validation = rows.validation,
        seeds = seeds(comparison),
        engine = comparison.engine,
        ceiling = ceiling.unwrap_or_default(),
        student = student(comparison),
        teacher = teacher(comparison),
        accuracy = known_percent(&reliability.test_accuracy_over_seeds),
        wrong = 100.0 * reliability.wrong_train_labels,
        calibration = calibration.unwrap_or_default(),
        read_as = read_as(&comparison.read_as),
    )
}

/// A line about how the data were read.
pub(super) fn read_as(how: &Option<String>) -> String {
    how.as_ref()
        .map_or(String::new(), |how| format!("\ndata: {how}"))
}

/// The best that any method could reach, where that is known.
pub(super) fn ceiling(comparison: &Comparison) -> Option<String> {
    let best = 100.0 * comparison.bayes_accuracy.as_ref()?.accuracy;
    Some(format!("no classifier can exceed {best:.1} %"))
}

/// The student's layers and what it learns from.
pub(super) fn student(comparison: &Comparison) -> String {
    let (rows, setting) = (&comparison.rows, &comparison.setting);
    let labelled = if rows.labelled < rows.train {
        format!(", {} of them labelled", rows.labelled)
    } else {
        String::new()
    };
    format!(
        "{}: {} training rows{labelled}{}",
        layers(rows, &setting.student),
        rows.train,
        noise(setting.data.label_noise)
    )
}

/// The teacher's layers and what it learned from.
pub(super) fn teacher(comparison: &Comparison) -> String {
    let (rows, setting) = (&comparison.rows, &comparison.setting);
    let data = &setting.data;
    if let Some(files) = &comparison.teacher.given {
        return format!("given by `{files}`");
    }
    let sensor = if data.sensor_shift > 0.0 {
        format!(" of another sensor ({})", data.sensor_shift)
    } else {
        String::new()
    };
    let shifted = if comparison.teacher.shifts {
        ", shifted by up to a pixel"
    } else {
        ""
    };
    format!(
        "{}: {} training rows{sensor}{}{shifted}",
        layers(rows, &setting.teacher),
        rows.teacher,
        noise(data.teacher_label_noise)
    )
}

fn noise(share: f32) -> String {
    match share {
        0.0 => String::new(),
        share => format!(
            ", {:.0} % of their labels replaced by wrong ones",
            100.0 * share
        ),
    }
}

/// The sizes of a network's layers, from the features to the classes.
fn layers(rows: &RowCounts, learner: &Learner) -> String {
    let sizes = [&[rows.features], &learner.hidden[..], &[rows.classes]].concat();
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("-")
}

pub(super) fn seeds(comparison: &Comparison) -> String {
    match comparison.setting.seeds {
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
        accuracy(&method.test_accuracy, &method.diverged),
        method
            .vs_kd
            .as_ref()
            .filter(|_| method.name != "kd")
            .map_or(String::new(), difference),
        match method.best_validation_test_accuracy.mean {
            mean if mean.is_finite() => format!("{:.2}", 100.0 * mean),
            _ => String::new(),
        },
        method.learning_rate.to_string(),
        format!("{:.1}", method.seconds),
    ]
}

/// An accuracy, unless the training of a seed diverged: then which seeds' did.
pub(super) fn accuracy(spread: &Spread, diverged: &[u64]) -> String {
    match diverged {
        [] => percent(spread),
        seeds => format!("diverged ({})", listed(seeds)),
    }
}

/// A teacher's accuracy, where it is known.
pub(super) fn known(spread: &Option<Spread>) -> String {
    spread
        .as_ref()
        .map_or_else(|| "unknown".to_owned(), percent)
}

/// The same with its unit.
pub(super) fn known_percent(spread: &Option<Spread>) -> String {
    match spread {
        Some(spread) => percent(spread) + " %",
        None => known(spread),
    }
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
    "gain over random [95 % CI]",
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
            accuracy(&point.test_accuracy, &point.diverged),
            against.map_or(String::new(), difference),
        ]
    };
    comparison.budget.iter().map(row).collect()
}

/// The columns of the table of similarities: linear CKA of the halves of the student's features to
/// the features of what supervises it, and the distance of their factors from its own.
pub const SIMILARITY_COLUMNS: [&str; 5] = [
    "method",
    "inheriting CKA",
    "its distance",
    "exploring CKA",
    "its distance",
];

/// The rows of the table of similarities; none where no method has feature terms.
#[must_use]
pub fn similarity_rows(comparison: &Comparison) -> Vec<[String; SIMILARITY_COLUMNS.len()]> {
    let number = |mean: f64| match mean.is_finite() {
        true => format!("{mean:.3}"),
        false => "diverged".to_owned(),
    };
    let change = |before: &Spread, after: &Spread| {
        format!("{} → {}", number(before.mean), number(after.mean))
    };
    let row = |method: &MethodResult| {
        let similarity = method.similarity.as_ref()?;
        let distance = |relation| {
            let found = method.distances.iter().find(|d| d.relation == relation);
            found.map_or(String::new(), |d| change(&d.before, &d.after))
        };
        Some([
            method.name.clone(),
            change(&similarity.inherit_before, &similarity.inherit_after),
            distance(Relation::Inherit),
            change(&similarity.explore_before, &similarity.explore_after),
            distance(Relation::Explore),
        ])
    };
    comparison.methods.iter().filter_map(row).collect()
}
