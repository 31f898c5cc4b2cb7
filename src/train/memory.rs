//! Whether a training fits the machine's memory.

use super::recipe::Learner;
use super::setting::{Setting, SettingError};
use crate::data::{Dataset, Split};
use crate::memory::{in_words, lacking};

/// Where batches are evaluated, and the most rows of a training step unless a learner has more.
pub(super) const CAPACITY: usize = 256;

/// What a key asks for, in bytes.
struct Part {
    key: String,
    given: String,
    bytes: u64,
}

/// Refuses what does not fit: `seeds` of them, and so many `runs` altogether. What is counted is the
/// least that is needed; the key that asks for most of it is named.
pub(super) fn check(
    setting: &Setting,
    dataset: &Dataset,
    seeds: u64,
    runs: usize,
) -> Result<(), SettingError> {
    let parts = parts(setting, dataset, seeds, runs);
    let needed = parts
        .iter()
        .map(|part| part.bytes)
        .fold(0, u64::saturating_add);
    let (Some(available), Some(most)) =
        (lacking(needed), parts.iter().max_by_key(|part| part.bytes))
    else {
        return Ok(());
    };
    Err(SettingError::refused(
        most.key.clone(),
        &most.given,
        format_args!(
            "smaller: the training needs {} of memory, {} of it for this, and there are {}",
            in_words(needed),
            in_words(most.bytes),
            in_words(available)
        ),
    ))
}

fn parts(setting: &Setting, dataset: &Dataset, seeds: u64, runs: usize) -> Vec<Part> {
    let part = |key: &str, given: &dyn std::fmt::Display, bytes| Part {
        key: key.to_owned(),
        given: given.to_string(),
        bytes,
    };
    let data = &setting.data;
    // What cannot be split or counted is refused elsewhere.
    let Ok(split) = Split::new(dataset, setting.seed) else {
        return Vec::new();
    };
    let student_rows = data.train_size.of(split.train.len(), "").unwrap_or(0);
    let judged = split.validation.len() + split.test.len();
    let (dim, classes) = (dataset.dim(), dataset.classes());
    let logits = product(&[student_rows + judged, classes]);
    let features = product(&[student_rows + judged, dim]);
    let of_seed = features.saturating_add(product(&[student_rows, classes]));
    let at_once = rayon::current_num_threads().min(runs) as u64;
    let source = &data.source;
    let mut parts = vec![
        part("seeds", &seeds, of_seed.saturating_mul(seeds)),
        part(
            "data.source",
            source,
            logits.saturating_add(of_seed.saturating_mul(at_once)),
        ),
    ];
    for (table, learner, times) in [
        ("student", &setting.student, at_once),
        ("teacher", &setting.teacher, 1),
    ] {
        if table == "teacher" && data.given().is_some() {
            continue;
        }
        let [parameters, activations] = network(learner, dim, classes);
        let sizes = format!("{:?}", learner.hidden);
        parts.push(part(
            &format!("{table}.hidden"),
            &sizes,
            parameters.saturating_mul(times),
        ));
        let batch = format!("{table}.batch");
        parts.push(part(
            &batch,
            &learner.batch,
            activations.saturating_mul(times),
        ));
    }
    parts
}

/// Bytes of a network's parameters, with gradients and an optimiser's state, and of what a batch makes
/// of its layers.
fn network(learner: &Learner, features: usize, classes: usize) -> [u64; 2] {
    of_sizes(
        &learner.sizes(features, classes),
        learner.batch.max(CAPACITY),
    )
}

/// The same, for batches of so many rows.
pub(crate) fn of_sizes(sizes: &[usize], rows: usize) -> [u64; 2] {
    let layers = sizes.windows(2).map(|pair| product(&[pair[0], pair[1]]));
    let parameters = layers.fold(0, u64::saturating_add);
    let outputs = sizes[1..].iter().map(|&size| product(&[size, rows]));
    let activations = outputs.fold(0, u64::saturating_add);
    [parameters.saturating_mul(3), activations.saturating_mul(2)]
}

/// Bytes of so many `f32`.
fn product(counts: &[usize]) -> u64 {
    counts
        .iter()
        .fold(4, |bytes, &count| bytes.saturating_mul(count as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;

    #[test]
    fn the_key_that_asks_for_most_is_named() {
        let dataset = Source::Digits.load().unwrap();
        let mut setting = Setting::default();
        let most = |setting: &Setting, seeds, runs| {
            let parts = parts(setting, &dataset, seeds, runs);
            let most = parts.iter().max_by_key(|part| part.bytes).unwrap();
            (most.key.clone(), most.bytes)
        };
        check(&setting, &dataset, 5, 20).unwrap();
        assert_eq!(most(&setting, 10_000, 1).0, "seeds");
        setting.student.batch = 1 << 40;
        let (key, bytes) = most(&setting, 1, 1);
        // Activations and their gradients of 32 hidden units and 10 classes.
        assert_eq!((key.as_str(), bytes), ("student.batch", (2 * 4 * 42) << 40));
        if cfg!(target_os = "linux") {
            let error = check(&setting, &dataset, 1, 1).unwrap_err().to_string();
            assert!(
                error.contains("student.batch = 1099511627776: must be smaller"),
                "{error}"
            );
        }
        setting.teacher.hidden = vec![1 << 30, 1 << 30];
        assert_eq!(most(&setting, 1, 1).0, "teacher.hidden");
        setting.teacher.hidden = vec![usize::MAX, usize::MAX];
        assert_eq!(most(&setting, 1, 1).1, u64::MAX);
    }
}
