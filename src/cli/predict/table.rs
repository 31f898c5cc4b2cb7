//! What a student makes of rows, for people.

use super::summary::{Prediction, Summary};
use crate::cli::failure::Failure;
use crate::cli::layout;
use crate::cli::terminal;

/// Rows that are shown.
const SHOWN: usize = 10;
/// Classes that are shown by themselves, if there are no more.
const MOST_CLASSES: usize = 30;

pub(super) fn print(summary: &Summary) -> Result<(), Failure> {
    let shown = summary.predictions.iter().take(SHOWN);
    let row = |one: &Prediction| {
        [
            one.row.to_string(),
            one.class_name.to_owned(),
            format!("{:.4}", one.probability),
            one.label_name.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = shown.map(row).collect();
    let table = layout::table(["row", "class", "probability", "label"], &rows);
    let more = match summary.predictions.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n… and {more} more rows: --format csv prints them all"),
    };
    // What comes from a file may hold anything.
    let heading = format!(
        "{}: {} rows{}; engine {}\nstudent {:?}, trained on {:?}",
        summary.dataset,
        summary.rows,
        scores(summary),
        summary.engine,
        summary.method,
        summary.trained_on,
    );
    terminal::print(format_args!(
        "{}\n\n{table}{more}{}",
        layout::facts(&heading),
        by_class(summary),
    ))
}

fn scores(summary: &Summary) -> String {
    let (Some(accuracy), Some(error)) = (summary.accuracy, summary.calibration_error) else {
        return ", none with a label".to_owned();
    };
    let of = match summary.labelled == summary.rows {
        true => String::new(),
        false => format!(" ({} with a label)", summary.labelled),
    };
    let whose = match summary.is_over_training {
        true => " (training rows among them)",
        false => "",
    };
    format!(
        "{of}, accuracy {:.2} %{whose}, calibration error {:.1} %",
        100.0 * accuracy,
        100.0 * error
    )
}

/// How well each class is found, and what it is most often taken for.
fn by_class(summary: &Summary) -> String {
    let Some(confusion) = &summary.confusion else {
        return String::new();
    };
    if confusion.len() > MOST_CLASSES {
        return String::new();
    }
    let mut rows = Vec::new();
    for (class, counts) in confusion.iter().enumerate() {
        let of_class: usize = counts.iter().sum();
        let found = match of_class {
            0 => String::new(),
            _ => format!("{:.1} %", 100.0 * counts[class] as f64 / of_class as f64),
        };
        let wrong = counts.iter().enumerate().filter(|&(c, _)| c != class);
        // The first of equals.
        let taken_for = match wrong.rev().max_by_key(|(_, count)| **count) {
            Some((other, &count)) if count > 0 => {
                format!("{} ({count}×)", summary.class_names[other])
            }
            _ => String::new(),
        };
        let name = summary.class_names[class].clone();
        rows.push([name, of_class.to_string(), found, taken_for]);
    }
    let header = ["class", "rows", "recall", "most often mistaken for"];
    format!("\n\n{}", layout::table(header, &rows))
}
