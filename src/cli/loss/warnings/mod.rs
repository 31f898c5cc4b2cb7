//! What is legal and yet probably not meant, as the numbers of a batch tell it.

mod agreement;
mod gradient;
mod losses;
mod scan;

use super::evaluate::Evaluation;
use super::inputs::{Files, Inputs};
use super::logits::Logits;
use crate::spec::LossSpec;
use gradient::Sample;
use scan::Scan;

/// What is kept of a batch: an engine writes the gradient over the student's logits.
pub(super) struct BatchScan {
    student: Scan,
    teacher: Scan,
    labels: Vec<i32>,
    classes: usize,
    /// Where the gradient is f2.
    sample: Option<Sample>,
}

impl BatchScan {
    pub(super) fn new(inputs: &Inputs) -> Self {
        let scan = |logits| Scan::new(logits, inputs.classes, inputs.weight.as_deref());
        Self {
            student: scan(&inputs.student),
            teacher: scan(&inputs.teacher),
            labels: inputs.labels.clone(),
            classes: inputs.classes,
            sample: Sample::new(inputs),
        }
    }

    /// All findings, those about the input first.
    pub(super) fn warnings(
        &self,
        files: &Files,
        spec: &LossSpec,
        upstream: f32,
        evaluation: &Evaluation,
    ) -> Vec<String> {
        let records = &evaluation.records;
        let mut found = Vec::new();
        for (scan, file) in [
            (&self.student, &files.student),
            (&self.teacher, &files.teacher),
        ] {
            found.extend(scan.masks(file));
            found.extend(scan.giants(file));
            found.extend(scan.probabilities(file));
        }
        found.extend(losses::without_number(
            spec,
            records,
            [&self.student, &self.teacher],
        ));
        found.extend(agreement::odd(self.classes, &self.labels, records));
        if let (Some(sample), Logits::Half(gradient)) = (&self.sample, &evaluation.gradient) {
            found.extend(sample.warnings(spec, upstream, gradient, records));
        }
        found
    }
}

/// `1 row`, `2 rows`.
fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A share in per cent, with a digit more where it is small.
fn percent(part: usize, whole: usize) -> String {
    match 100.0 * part as f64 / whole as f64 {
        share if share >= 9.95 => format!("{share:.0} %"),
        share if share >= 0.1 => format!("{share:.1} %"),
        _ => "less than 0.1 %".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_shares_as_people_write_them() {
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(0, "row", "rows"), "0 rows");
        assert_eq!(percent(2, 7), "29 %");
        assert_eq!(percent(1, 200), "0.5 %");
        assert_eq!(percent(1, 5000), "less than 0.1 %");
    }
}
