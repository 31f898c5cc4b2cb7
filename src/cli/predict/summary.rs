//! What a student makes of rows, for programs.

use crate::data::Dataset;
use crate::train::{Model, Predictions};
use serde::Serialize;

/// Everything.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    pub(super) method: &'a str,
    sizes: &'a [usize],
    pub(super) trained_on: &'a str,
    pub(super) dataset: &'a str,
    pub(super) engine: &'static str,
    pub(super) rows: usize,
    /// Rows that have a label.
    pub(super) labelled: usize,
    /// Whether the student was trained on some of these rows.
    pub(super) is_over_training: bool,
    /// Over the rows with a label; none where there is none.
    pub(super) accuracy: Option<f64>,
    /// Likewise.
    pub(super) calibration_error: Option<f64>,
    /// In the order of `probabilities`.
    pub(super) class_names: &'a [String],
    /// Rows by label, then by predicted class; none where no row has a label.
    pub(super) confusion: Option<Vec<Vec<usize>>>,
    pub(super) predictions: Vec<Prediction<'a>>,
}

/// One row.
#[derive(Serialize)]
pub(super) struct Prediction<'a> {
    pub(super) row: u32,
    /// The number of the class that is most likely.
    pub(super) class: usize,
    pub(super) class_name: &'a str,
    pub(super) probability: f64,
    /// The number of the row's class, where it has a label that the student knows.
    label: Option<usize>,
    /// What the data call the row's class, where they say it.
    pub(super) label_name: Option<String>,
    probabilities: Vec<f64>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(
        model: &'a Model,
        dataset: &'a Dataset,
        engine: &'static str,
        rows: &[u32],
        predictions: &Predictions,
    ) -> Self {
        let name = |row: u32| {
            let label = usize::try_from(dataset.labels()[row as usize]).ok()?;
            Some(dataset.class_name(label))
        };
        let each = predictions.rows().zip(predictions.probabilities());
        let about = model.about();
        let known = |label: i32| usize::try_from(label).ok().filter(|&l| l < about.classes);
        let labels = rows.iter().zip(&predictions.labels);
        let row = |(((class, probability), probabilities), (&row, &label))| Prediction {
            row,
            class,
            class_name: &about.class_names[class],
            probability,
            label: known(label),
            label_name: name(row),
            probabilities,
        };
        let labelled = predictions.labelled();
        let score = |number: f64| (labelled > 0).then_some(number);
        Self {
            method: &about.method,
            sizes: &about.sizes,
            trained_on: &about.data,
            dataset: dataset.name(),
            engine,
            rows: rows.len(),
            labelled,
            is_over_training: false,
            accuracy: score(predictions.accuracy()),
            calibration_error: score(predictions.calibration_error()),
            class_names: &about.class_names,
            confusion: (labelled > 0).then(|| confusion(predictions)),
            predictions: each.zip(labels).map(row).collect(),
        }
    }

    /// A line per row, classes by their names.
    pub(super) fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let mut heading: Vec<String> = ["row", "class", "probability", "label"]
            .map(String::from)
            .into();
        heading.extend(self.class_names.iter().map(|name| format!("p({name})")));
        // Memory takes whatever is written to it.
        let _ = csv.write_record(&heading);
        for one in &self.predictions {
            let mut cells = vec![
                one.row.to_string(),
                one.class_name.to_owned(),
                one.probability.to_string(),
                one.label_name.clone().unwrap_or_default(),
            ];
            cells.extend(one.probabilities.iter().map(f64::to_string));
            let _ = csv.write_record(&cells);
        }
        csv.into_inner().unwrap_or_default()
    }
}

/// Rows by label and predicted class; those with a label that the student does not know are left out.
fn confusion(predictions: &Predictions) -> Vec<Vec<usize>> {
    let classes = predictions.classes;
    let mut counts = vec![vec![0; classes]; classes];
    for ((class, _), &label) in predictions.rows().zip(&predictions.labels) {
        if let Some(of_label) = usize::try_from(label).ok().and_then(|l| counts.get_mut(l)) {
            of_label[class] += 1;
        }
    }
    counts
}
