//! What a student makes of rows, for people.

use super::summary::Summary;
use crate::cli::failure::Failure;
use crate::cli::terminal;

/// Rows that are shown.
const SHOWN: usize = 10;
/// Classes that are shown by themselves, if there are no more.
const MOST_CLASSES: usize = 30;

pub(super) fn print(summary: &Summary) -> Result<(), Failure> {
    let mut table = terminal::table(["row", "class", "probability", "label"]);
    for one in summary.predictions.iter().take(SHOWN) {
        table.add_row([
            one.row.to_string(),
            one.class_name.to_owned(),
            format!("{:.4}", one.probability),
            one.label_name.clone().unwrap_or_default(),
        ]);
    }
    let more = match summary.predictions.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\nand {more} rows more: --format csv prints them all"),
    };
    // What comes from a file may hold anything.
    terminal::print(format_args!(
        "{}: {} rows{}; engine {}\nstudent {:?}, trained on {:?}\n\n{}{more}{}",
        summary.dataset,
        summary.rows,
        scores(summary),
        summary.engine,
        summary.method,
        summary.trained_on,
        table.trim_fmt(),
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
    let mut table = terminal::table(["class", "rows", "found", "most often taken for"]);
    for (class, counts) in confusion.iter().enumerate() {
        let rows: usize = counts.iter().sum();
        let found = match rows {
            0 => String::new(),
            _ => format!("{:.1} %", 100.0 * counts[class] as f64 / rows as f64),
        };
        let wrong = counts.iter().enumerate().filter(|&(c, _)| c != class);
        // The first of equals.
        let taken_for = match wrong.rev().max_by_key(|(_, count)| **count) {
            Some((other, &count)) if count > 0 => {
                format!("{} ({count} rows)", summary.class_names[other])
            }
            _ => String::new(),
        };
        let name = summary.class_names[class].clone();
        table.add_row([name, rows.to_string(), found, taken_for]);
    }
    format!("\n\n{}", table.trim_fmt())
}
