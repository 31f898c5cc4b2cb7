//! One run as text for people and as CSV for programs.

use crate::train::{Curve, Run, RunResult, Selected, Term};

/// A run in a few lines.
#[must_use]
pub fn run_summary(result: &RunResult) -> String {
    let (rows, teacher, student) = (&result.rows, &result.teacher, &result.student);
    let labelled = match rows.labelled == rows.train {
        true => String::new(),
        false => format!(", {} of them labelled", rows.labelled),
    };
    let selection = match &result.selection {
        None => String::new(),
        Some(policy) => format!("\nselection {policy}"),
    };
    let best = &student.best_epoch;
    let halves = student.similarity.map_or(String::new(), |s| {
        format!(
            "\nCKA with the teacher inheriting half {:.3} → {:.3}, exploring half {:.3} → {:.3}",
            s.inherit_before, s.inherit_after, s.explore_before, s.explore_after
        )
    });
    format!(
        "{name}: {test} test rows, {validation} validation rows; seed {seed}, engine {engine}\n\
         teacher {teacher}; misclassifies {wrong:.1} % of the student's training rows\n\
         student {student_sizes}, {preset}{terms}{mutual}: {train} training rows{labelled}{selection}\n\
         test accuracy       {test_accuracy} %, calibration error {student_calibration:.1} %\n\
         validation accuracy {validation_accuracy} %\n\
         best epoch          {epoch}: validation accuracy {best_validation} %, test accuracy \
         {best_test} %{halves}{read_as}",
        read_as = super::table::read_as(&result.read_as),
        name = result.dataset,
        test = rows.test,
        validation = rows.validation,
        seed = result.seed,
        engine = result.engine,
        teacher = described(result),
        wrong = 100.0 * teacher.wrong_train_labels,
        student_sizes = sizes(&student.sizes),
        preset = result.preset,
        terms = terms(result),
        mutual = if result.mutual {
            ", two students in turns"
        } else {
            ""
        },
        train = rows.train,
        test_accuracy = percent(student.test_accuracy),
        student_calibration = 100.0 * student.test_calibration_error,
        validation_accuracy = percent(student.validation_accuracy),
        epoch = best.epoch,
        best_validation = percent(best.validation_accuracy),
        best_test = percent(best.test_accuracy),
    )
}

/// The teacher: where it comes from, and how good it is as far as that is known.
fn described(result: &RunResult) -> String {
    let teacher = &result.teacher;
    let mut text = match (&teacher.given, &teacher.sizes) {
        (None, Some(layers)) => format!("{}: {} training rows", sizes(layers), result.rows.teacher),
        (given, _) => format!("given by `{}`", given.as_deref().unwrap_or("")),
    };
    if let Some(accuracy) = teacher.test_accuracy {
        text += &format!("; test accuracy {} %", percent(accuracy));
    }
    if let Some(error) = teacher.test_calibration_error {
        text += &format!(", calibration error {:.1} %", 100.0 * error);
    }
    text
}

/// The feature terms beside the preset.
fn terms(result: &RunResult) -> String {
    let term = |term: &Term| format!(" + {} {}", term.weight, term.relation.name());
    result.terms.iter().map(term).collect()
}

fn sizes(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("-")
}

fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// The files of a run's directory beside its student and its configuration, by name: its curve, and
/// its selection if there is one.
#[must_use]
pub fn run_tables(run: &Run) -> Vec<(&'static str, String)> {
    let mut tables = vec![("curve.csv", curve_csv(&run.curve))];
    if !run.choices.is_empty() {
        tables.push(("selection.csv", selection_csv(&run.choices)));
    }
    tables
}

/// One line per epoch, after it.
fn curve_csv(curve: &Curve) -> String {
    let mut csv = String::from("epoch,loss,validation_accuracy,test_accuracy\n");
    let accuracies = curve.validation.iter().zip(&curve.test);
    for (i, (loss, (validation, test))) in curve.loss.iter().zip(accuracies).enumerate() {
        csv += &format!("{},{loss},{validation},{test}\n", i + 1);
    }
    csv
}

/// One line per choice and row of the data set that it lets the teacher supervise, from an epoch on.
fn selection_csv(choices: &[Selected]) -> String {
    let mut csv = String::from("from_epoch,row\n");
    for choice in choices {
        for row in &choice.rows {
            csv += &format!("{},{row}\n", choice.epoch + 1);
        }
    }
    csv
}
