//! The teacher's factor: what a linear auto-encoder makes of its frozen features.

use crate::engine::{Engine, EngineError};
use crate::nn::{Mlp, Optimiser, Updater};
use crate::random::{Philox, stream};

/// The auto-encoder on the teacher's features: two linear maps, trained on the mean absolute error of
/// reconstruction with AdamW at a rate that falls to 0, then frozen.
///
/// Source: Huang et al., arXiv 2107.00181, whose coders are convolutions and learn for 30 epochs; the
/// factors are those of Kim et al., arXiv 1802.04977. Width, rate, batch and optimiser are ours.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Factor {
    /// Features of the factor; half of the teacher's if none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Times that the training rows are gone through.
    pub epochs: usize,
    /// Rows per step.
    pub batch: usize,
    /// The learning rate of the first epoch.
    #[serde(serialize_with = "crate::spec::as_tidy")]
    pub learning_rate: f32,
}

impl Default for Factor {
    fn default() -> Self {
        Self {
            width: None,
            epochs: 30,
            batch: 32,
            learning_rate: 0.01,
        }
    }
}

/// What the encoder makes of rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoded {
    /// `[rows, the factor's width]`.
    pub(crate) values: Vec<f32>,
    /// `Σ |reconstructed − given| / Σ |given|` over the rows, after training.
    pub(crate) error: f64,
}

/// Trains an auto-encoder on these features, rows of `width` values, and encodes them.
pub(crate) fn encode<E: Engine>(
    engine: &mut E,
    features: &[f32],
    width: usize,
    setting: &Factor,
    seed: u64,
) -> Result<Encoded, EngineError> {
    let rows = features.len() / width;
    let batch = setting.batch.clamp(1, rows.max(1));
    let narrow = setting.width.unwrap_or(width / 2).max(1);
    let from = engine.upload(features);
    let mut net = Mlp::linear(
        engine,
        &[width, narrow, width],
        batch,
        &mut Philox::new(seed, stream::FACTOR_WEIGHTS),
    );
    let sizes = net.parameter_sizes();
    let mut updater = Updater::new(engine, Optimiser::AdamW { decay: 0.0 }, &sizes);
    let mut random = Philox::new(seed, stream::FACTOR_ORDER);
    let mut order: Vec<i32> = (0..rows as i32).collect();
    let [mut x, mut total] = [batch * width, 1].map(|len| engine.zeros(len));
    let batches = || {
        (0..rows)
            .step_by(batch)
            .map(|start| start..rows.min(start + batch))
    };

    for epoch in 0..setting.epochs {
        // The absolute error pulls as hard near the optimum as far from it.
        let rate = setting.learning_rate * (1.0 - epoch as f32 / setting.epochs as f32);
        random.shuffle(&mut order);
        let indices = engine.upload_ints(&order);
        for range in batches() {
            let rows = range.len();
            engine.gather(&from, width, &indices, range, &mut x);
            net.forward(engine, &x, rows);
            engine.absolute_error(net.logits_mut(), &x, rows * width, &mut total);
            net.backward(engine, &x, rows);
            net.update(engine, &mut updater, rate);
        }
        // A device that is slower than the host would be asked for ever more.
        engine.download(&mut [(&total, &mut [0.0])])?;
    }

    order.sort_unstable();
    let indices = engine.upload_ints(&order);
    let mut values = vec![0.0; rows * narrow];
    let mut error = 0.0;
    for range in batches() {
        let rows = range.len();
        engine.gather(&from, width, &indices, range.clone(), &mut x);
        net.forward(engine, &x, rows);
        let encoded = &mut values[range.start * narrow..range.end * narrow];
        let mut of_batch = engine.zeros(1);
        engine.absolute_error(net.logits_mut(), &x, rows * width, &mut of_batch);
        let mut mean = [0.0];
        let features = net.features(&x).0;
        engine.download(&mut [(features, encoded), (&of_batch, &mut mean)])?;
        error += f64::from(mean[0]) * (rows * width) as f64;
    }
    let size: f64 = features.iter().map(|x| f64::from(x.abs())).sum();
    Ok(Encoded {
        values,
        error: if size > 0.0 { error / size } else { 0.0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu, reference};

    /// Rows of 12 features that depend on 3 numbers alone.
    fn low_rank() -> Vec<f32> {
        let mut random = Philox::new(1, 0);
        let map: Vec<f32> = (0..36).map(|_| random.normal()).collect();
        let row = |_| -> Vec<f32> {
            let z = [0; 3].map(|_| random.normal());
            let feature = |i| (0..3).map(|k| z[k] * map[k * 12 + i]).sum();
            (0..12).map(feature).collect()
        };
        (0..200).flat_map(row).collect()
    }

    #[test]
    fn what_has_a_narrow_factor_is_reconstructed() {
        let features = low_rank();
        let of = |width, epochs| {
            let setting = Factor {
                width: Some(width),
                epochs,
                ..Factor::default()
            };
            encode(&mut cpu::Harness::default(), &features, 12, &setting, 5).unwrap()
        };
        let (enough, narrow, begun) = (of(3, 100), of(2, 100), of(3, 0));
        assert_eq!((enough.values.len(), narrow.values.len()), (600, 400));
        assert!(enough.error < 0.05, "{}", enough.error);
        assert!(narrow.error > 0.1, "{}", narrow.error);
        assert!(begun.error > 0.5, "{}", begun.error);
    }

    #[test]
    fn engines_encode_alike() {
        let features = low_rank();
        let setting = Factor {
            epochs: 3,
            batch: 33,
            ..Factor::default()
        };
        let a = encode(&mut cpu::Harness::default(), &features, 12, &setting, 5).unwrap();
        let b = encode(&mut reference::Harness, &features, 12, &setting, 5).unwrap();
        assert_eq!((a.values.len(), b.values.len()), (1200, 1200));
        for (a, b) in a.values.iter().zip(&b.values) {
            assert!((a - b).abs() < 1e-3 * b.abs().max(1.0), "{a} {b}");
        }
        assert!((a.error - b.error).abs() < 1e-3);
    }
}
