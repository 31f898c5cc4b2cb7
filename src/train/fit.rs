//! The training loop, on whatever engine.

use super::recipe::Recipe;
use crate::engine::{Engine, RowBatch};
use crate::nn::{Mlp, Updater};
use crate::random::Philox;
use crate::spec::ArgumentError;

/// Rows that an engine holds.
pub(crate) struct Samples<E: Engine> {
    /// `[variants · rows, width]`: the rows, then the same rows shifted by a pixel, and so on.
    features: E::Buf,
    labels: E::Ints,
    /// `[rows, classes]`.
    teacher: E::Buf,
    order: E::Ints,
    rows: usize,
    width: usize,
    classes: usize,
    variants: usize,
}

/// Rows as the host has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostSamples {
    pub(crate) features: Vec<f32>,
    pub(crate) labels: Vec<i32>,
    /// The teacher's logits; empty where nobody asks for them.
    pub(crate) teacher: Vec<f32>,
    pub(crate) classes: usize,
    pub(crate) variants: usize,
}

impl<E: Engine> Samples<E> {
    pub(crate) fn upload(engine: &mut E, host: &HostSamples) -> Self {
        let rows = host.labels.len();
        let order: Vec<i32> = (0..rows as i32).collect();
        let teacher = if host.teacher.is_empty() {
            engine.zeros(rows * host.classes)
        } else {
            engine.upload(&host.teacher)
        };
        Self {
            features: engine.upload(&host.features),
            labels: engine.upload_ints(&host.labels),
            teacher,
            order: engine.upload_ints(&order),
            rows,
            width: host.features.len() / (rows * host.variants).max(1),
            classes: host.classes,
            variants: host.variants,
        }
    }
}

/// Trains `net` on `samples`; calls `after_epoch` with the epoch (from 0) and its mean total.
pub(crate) fn fit<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    plan: &E::Plan,
    recipe: &Recipe,
    random: &mut Philox,
    mut after_epoch: impl FnMut(&mut E, &mut Mlp<E>, usize, f32),
) -> Result<(), ArgumentError> {
    let batch = recipe.batch.min(net.capacity()).min(samples.rows);
    let steps = samples.rows.div_ceil(batch);
    let mut updater = Updater::new(engine, recipe.optimiser, &net.parameter_sizes());
    let mut x = engine.zeros(batch * samples.width);
    let mut teacher = engine.zeros(batch * samples.classes);
    let mut labels = engine.zero_ints(batch);
    let mut total = engine.zeros(1);
    let mut order: Vec<i32> = (0..samples.rows as i32).collect();
    let mut seen = 0.0;

    for epoch in 0..recipe.epochs {
        random.shuffle(&mut order);
        let rows = engine.upload_ints(&order);
        let variants = variants(&order, samples, random);
        let variants = engine.upload_ints(&variants);
        for step in 0..steps {
            let range = step * batch..samples.rows.min((step + 1) * batch);
            let n = range.len();
            engine.gather(
                &samples.features,
                samples.width,
                &variants,
                range.clone(),
                &mut x,
            );
            engine.gather(
                &samples.teacher,
                samples.classes,
                &rows,
                range.clone(),
                &mut teacher,
            );
            engine.gather_ints(&samples.labels, &rows, range, &mut labels);
            let student = net.forward(engine, &x, n);
            let (teacher, labels, total) = (&teacher, &labels, &mut total);
            engine.row(
                plan,
                RowBatch {
                    rows: n,
                    student,
                    teacher,
                    labels,
                    total,
                },
            )?;
            net.backward(engine, &x, n);
            net.update(
                engine,
                &mut updater,
                recipe.rate(epoch * steps + step, steps),
            );
        }
        let mut sum = [0.0];
        engine.download(&total, &mut sum);
        after_epoch(engine, net, epoch, (sum[0] - seen) / steps as f32);
        seen = sum[0];
    }
    Ok(())
}

/// For each row of the order one of its variants.
fn variants<E: Engine>(order: &[i32], samples: &Samples<E>, random: &mut Philox) -> Vec<i32> {
    if samples.variants == 1 {
        return order.to_vec();
    }
    let shifted = |&row: &i32| {
        let variant = random.below(samples.variants as u32);
        row + variant as i32 * samples.rows as i32
    };
    order.iter().map(shifted).collect()
}

/// The share of rows that the network gets right.
pub(crate) fn accuracy<E: Engine>(engine: &mut E, net: &mut Mlp<E>, samples: &Samples<E>) -> f64 {
    let mut count = engine.zeros(1);
    let mut labels = engine.zero_ints(net.capacity());
    in_batches(engine, net, samples, |engine, net, range| {
        engine.gather_ints(&samples.labels, &samples.order, range.clone(), &mut labels);
        engine.hits(
            net.logits(),
            &labels,
            range.len(),
            samples.classes,
            &mut count,
        );
    });
    let mut hits = [0.0];
    engine.download(&count, &mut hits);
    f64::from(hits[0]) / samples.rows.max(1) as f64
}

/// The network's logits on all rows.
pub(crate) fn logits<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
) -> Vec<f32> {
    let mut all = vec![0.0; samples.rows * samples.classes];
    in_batches(engine, net, samples, |engine, net, range| {
        let part = range.start * samples.classes..range.end * samples.classes;
        engine.download(net.logits(), &mut all[part]);
    });
    all
}

/// Forward over all rows, a batch at a time.
fn in_batches<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    mut each: impl FnMut(&mut E, &mut Mlp<E>, std::ops::Range<usize>),
) {
    let batch = net.capacity();
    let mut x = engine.zeros(batch * samples.width);
    for start in (0..samples.rows).step_by(batch) {
        let range = start..samples.rows.min(start + batch);
        engine.gather(
            &samples.features,
            samples.width,
            &samples.order,
            range.clone(),
            &mut x,
        );
        net.forward(engine, &x, range.len());
        each(engine, net, range);
    }
}
