//! Whether data are fit to train on, and what is legal about them and yet probably not meant.

use super::error::{Progress, TrainError};
use super::setting::{Data, TrainSize};
use crate::data::{DataError, Dataset, ScalingRule, Source};
use std::collections::HashSet;

/// Reads the data.
pub(super) fn read(
    data: &Data,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Dataset, TrainError> {
    let on_bytes = |bytes| progress(Progress::Reading { bytes });
    Ok(data.source.read(None, &on_bytes)?)
}

/// Refuses data of which nothing can be learned; gives warnings about the others.
pub(super) fn warnings(dataset: &Dataset, data: &Data) -> Result<Vec<String>, TrainError> {
    let refuse = |problem: String| {
        Err(TrainError::Data(DataError::Dataset {
            name: dataset.name().to_owned(),
            problem,
        }))
    };
    let read_as = match dataset.read_as() {
        "" => String::new(),
        how => format!(" ({how}; label=NAME, first or last says which column it is)"),
    };
    if dataset.labelled() == 0 {
        return refuse(format!("no row has a label{read_as}"));
    }
    if dataset.classes() == 1 {
        let class = dataset.class_name(0);
        return refuse(format!(
            "every label is `{class}`, and with one class there is nothing to learn{read_as}"
        ));
    }
    let mut warnings = Vec::new();
    let train = dataset.test_from().unwrap_or(dataset.len());
    let counts = counts(&dataset.labels()[..train], dataset.classes());
    let absent: Vec<usize> = (0..counts.len()).filter(|&c| counts[c] == 0).collect();
    if let Some(&first) = absent.first() {
        let name = dataset.class_name(first);
        let others = match absent.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} others"),
        };
        warnings.push(format!(
            "class `{name}`{others} of {} has no row to train on",
            dataset.classes()
        ));
    }
    if 4 * dataset.classes() > dataset.labelled() {
        warnings.push(format!(
            "{} classes for {} rows with a label: is this the column of the label?{read_as}",
            dataset.classes(),
            dataset.labelled()
        ));
    }
    if let Some(from) = dataset.test_from() {
        if dataset.labels()[from..].iter().all(|&label| label < 0) {
            return refuse("no row of the test file has a label".to_owned());
        }
        let (shared, test) = (shared_rows(dataset, from), dataset.len() - from);
        if shared == test {
            return refuse(format!(
                "all {test} test rows are training rows too: leave the test file out to split test \
                 rows off"
            ));
        }
        if 100 * shared >= test {
            warnings.push(format!(
                "{shared} of {test} test rows are training rows too"
            ));
        }
    }
    if data.scaling == ScalingRule::None && dataset.features().iter().any(|x| x.abs() > 100.0) {
        warnings.push("features beyond ±100 with scaling = none: networks learn badly".to_owned());
    }
    Ok(warnings)
}

fn counts(labels: &[i32], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in labels {
        if let Ok(label) = usize::try_from(label) {
            counts[label] += 1;
        }
    }
    counts
}

/// Test rows whose features and label some training row has, bit by bit.
fn shared_rows(dataset: &Dataset, from: usize) -> usize {
    let key = |(row, &label): (&[f32], &i32)| {
        let bits: Vec<u32> = row.iter().map(|x| x.to_bits()).collect();
        let mut hash = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&(bits, label), &mut hash);
        std::hash::Hasher::finish(&hash)
    };
    let rows = dataset.features().chunks_exact(dataset.dim());
    let mut keys = rows.zip(dataset.labels()).map(key);
    let train: HashSet<u64> = keys.by_ref().take(from).collect();
    keys.filter(|key| train.contains(key)).count()
}

/// How a user's file was read, and its features scaled, for people.
pub(super) fn described(dataset: &Dataset, data: &Data) -> Option<String> {
    if !data.source.is_files() {
        return None;
    }
    const SHOWN: usize = 6;
    let names: Vec<String> = (0..dataset.classes().min(SHOWN))
        .map(|class| dataset.class_name(class))
        .collect();
    let more = if dataset.classes() > SHOWN {
        ", …"
    } else {
        ""
    };
    let scaling = match data.scaling.of(dataset) {
        ScalingRule::Column => "each column divided by its own deviation",
        ScalingRule::None => "features as they are",
        _ => "all features divided by one deviation",
    };
    let mut parts = vec![
        format!("{} classes: {}{more}", dataset.classes(), names.join(", ")),
        scaling.to_owned(),
    ];
    if matches!(data.source, Source::Csv { .. }) {
        parts.insert(0, dataset.read_as().to_owned());
    }
    if let Some((height, width)) = dataset.image() {
        parts.push(format!("pictures of {height}×{width}"));
    }
    if dataset.labelled() < dataset.len() {
        let without = dataset.len() - dataset.labelled();
        parts.push(format!("{without} rows have no label"));
    }
    if dataset.missing() > 0 {
        parts.push(format!("{} missing values became means", dataset.missing()));
    }
    if data.train_size == TrainSize::Few {
        parts.push("the student trains on few of the rows (--train-size all: on all)".to_owned());
    }
    Some(parts.join("; "))
}
