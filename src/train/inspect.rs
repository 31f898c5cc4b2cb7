//! A look at the teacher: how far its confidence can be trusted, and what revision makes of its
//! errors.

use super::metrics::{BINS, Tally};
use super::samples::HostSamples;
use crate::data::Dataset;
use crate::engine::top;
use crate::reference;
use crate::spec::Preset;
use serde::Serialize;

/// Samples that a comparison keeps.
const SAMPLES: usize = 12;
/// The temperature of the samples' targets: that of `kd`.
const TAU: f64 = 4.0;

/// Rows on which the teachers are about equally sure of their answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReliabilityBin {
    /// The bin's least confidence.
    pub from: f64,
    /// The bin's greatest confidence.
    pub to: f64,
    /// Mean confidence, `max_c softmax(t)_c`.
    pub confidence: f64,
    /// The share of rows that the teacher gets right.
    pub accuracy: f64,
    /// Rows, those of all teachers together.
    pub rows: usize,
}

/// The bins of all teachers together; those without a row are left out.
pub(super) fn reliability<'a>(
    teachers: impl Iterator<Item = &'a [Tally; BINS]>,
) -> Vec<ReliabilityBin> {
    let mut pooled = [Tally::default(); BINS];
    for (pool, bin) in teachers.flat_map(|bins| bins.iter().enumerate()) {
        pooled[pool].rows += bin.rows;
        pooled[pool].hits += bin.hits;
        pooled[pool].confidence += bin.confidence;
    }
    let share = |part: f64, bin: &Tally| part / bin.rows as f64;
    let bins = pooled.iter().enumerate().filter(|(_, bin)| bin.rows > 0);
    bins.map(|(i, bin)| ReliabilityBin {
        from: i as f64 / BINS as f64,
        to: (i + 1) as f64 / BINS as f64,
        confidence: share(bin.confidence, bin),
        accuracy: share(bin.hits as f64, bin),
        rows: bin.rows,
    })
    .collect()
}

/// A training row that the teacher gets wrong, and the targets that the student is given instead.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RevisedSample {
    /// The row of the data set, from 0.
    pub row: u32,
    /// The label that the student is given.
    pub label: i32,
    /// The label before noise.
    pub label_in_data: i32,
    /// The class that the teacher prefers.
    pub teacher_top: usize,
    /// τ of the targets.
    pub temperature: f64,
    /// The teacher's own p.
    pub target: Vec<f64>,
    /// p' of label revision, η = 0.8.
    pub label_revision: Vec<f64>,
    /// p' of probability shift.
    pub probability_shift: Vec<f64>,
    /// p' of label smoothing, ε = 0.1.
    pub label_smoothing: Vec<f64>,
    /// The row as a picture, where it is one.
    #[serde(skip)]
    pub picture: Option<Picture>,
}

/// Grey levels in the units of the data, row-major.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Picture {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// `height · width` levels.
    pub pixels: Vec<f32>,
}

/// The first rows that the teacher gets wrong. `rows` are the rows of `dataset` that `train` was
/// made of, with the labels that the student is given and the teacher's logits.
pub(super) fn samples(dataset: &Dataset, rows: &[u32], train: &HostSamples) -> Vec<RevisedSample> {
    let logits = train.teacher.chunks_exact(train.classes);
    rows.iter()
        .zip(logits.zip(&train.labels))
        .filter(|(_, (logits, label))| is_wrong(logits, **label))
        .take(SAMPLES)
        .map(|(&row, (logits, &label))| sample(dataset, row, logits, label))
        .collect()
}

/// As [`Revision`](crate::spec::Revision) has it; the logits of a teacher that diverged are no row
/// to show.
fn is_wrong(logits: &[f32], label: i32) -> bool {
    let of_label = usize::try_from(label).ok().and_then(|y| logits.get(y));
    logits.iter().all(|z| z.is_finite()) && of_label.is_some_and(|&z| z < logits[top(logits)])
}

fn sample(dataset: &Dataset, row: u32, logits: &[f32], label: i32) -> RevisedSample {
    let teacher: Vec<f64> = logits.iter().map(|&z| f64::from(z)).collect();
    let target = |preset: Preset| reference::revise(&preset.spec(), &teacher, label, TAU);
    let picture = dataset.image().zip(dataset.row(row as usize));
    RevisedSample {
        row,
        label,
        label_in_data: dataset.labels()[row as usize],
        teacher_top: top(logits),
        temperature: TAU,
        target: target(Preset::Kd),
        label_revision: target(Preset::Lr),
        probability_shift: target(Preset::KaPs),
        label_smoothing: target(Preset::KaLsr),
        picture: picture.map(|((height, width), pixels)| Picture {
            height,
            width,
            pixels: pixels.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::metrics::tally;

    #[test]
    fn bins_of_several_teachers_are_pooled() {
        // Confidence ½ (right), ½ (wrong) and next to 1 (right), seen by two teachers.
        let one = tally(&[0.0, 0.0, 0.0, 0.0, 9.0, 0.0], &[0, 1, 0], 2);
        let bins = reliability([one, one].iter());
        assert_eq!(bins.len(), 2);
        assert_eq!((bins[0].rows, bins[0].accuracy), (4, 0.5));
        assert_eq!((bins[0].from, bins[0].to), (7.0 / 15.0, 8.0 / 15.0));
        assert_eq!((bins[1].rows, bins[1].accuracy), (2, 1.0));
        assert!(bins[0].confidence == 0.5 && bins[1].confidence > 0.999);
    }

    #[test]
    fn samples_are_the_first_wrong_rows_and_their_targets() {
        let features = (0..32).map(|i| i as f32).collect();
        let dataset = Dataset::new("two pictures", features, 16, vec![0, 1], 3).unwrap();
        let dataset = dataset.with_image(4, 4).unwrap();
        let train = |teacher: &[f32]| HostSamples {
            labels: vec![2, 1],
            teacher: teacher.to_vec(),
            classes: 3,
            ..HostSamples::default()
        };
        // Row 1 comes first: its label was replaced, and the teacher answers 1.
        let found = samples(&dataset, &[1, 0], &train(&[0.0, 4.0, 1.0, 0.0, 3.0, 0.0]));
        let [sample] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((sample.row, sample.label, sample.label_in_data), (1, 2, 1));
        assert_eq!(sample.teacher_top, 1);
        assert_eq!(sample.target[1], sample.probability_shift[2]);
        assert!((sample.label_smoothing[2] - 0.9).abs() < 1e-7);
        assert!(sample.label_revision[2] > sample.label_revision[1]);
        assert_eq!(sample.picture.as_ref().unwrap().pixels[0], 16.0);

        let diverged = train(&[f32::NAN, 4.0, 1.0, f32::INFINITY, 3.0, 0.0]);
        assert_eq!(samples(&dataset, &[1, 0], &diverged), []);
    }
}
