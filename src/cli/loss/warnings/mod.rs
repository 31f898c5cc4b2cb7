//! What is legal and yet probably not meant, as the numbers of a batch tell it.

mod agreement;
mod gradient;
mod losses;
mod numbers;
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
