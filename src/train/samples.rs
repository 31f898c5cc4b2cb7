//! Rows where an engine keeps them: gathered into batches, and evaluated a batch at a time.

use crate::engine::{Engine, EngineError, RowBatch};
use crate::nn::Mlp;
use crate::spec::IGNORE;
use std::ops::Range;

/// Rows as the host has them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostSamples {
    /// `[variants · rows, width]`: the rows, then the same rows shifted by a pixel, and so on.
    pub(crate) features: Vec<f32>,
    pub(crate) labels: Vec<i32>,
    /// The teacher's logits `[rows, classes]`; empty where nobody asks for them.
    pub(crate) teacher: Vec<f32>,
    /// What feature terms hold the student against, `[rows, width]`; empty where there are none.
    pub(crate) factor: Vec<f32>,
    pub(crate) classes: usize,
    pub(crate) variants: usize,
}

impl HostSamples {
    /// Features per row.
    pub(crate) fn width(&self) -> usize {
        self.features.len() / (self.labels.len() * self.variants).max(1)
    }
}

/// The same rows where an engine keeps them.
pub(crate) struct Samples<E: Engine> {
    features: E::Buf,
    labels: E::Ints,
    teacher: E::Buf,
    factor: E::Buf,
    factor_width: usize,
    /// 0, 1, …
    order: E::Ints,
    rows: usize,
    /// Rows that have a label.
    labelled: usize,
    width: usize,
    classes: usize,
    variants: usize,
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
            factor: engine.upload(&host.factor),
            factor_width: host.factor.len() / rows.max(1),
            order: engine.upload_ints(&order),
            rows,
            labelled: host.labels.iter().filter(|&&label| label != IGNORE).count(),
            width: host.width(),
            classes: host.classes,
            variants: host.variants,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Copies of each row, shifted by a pixel or not at all.
    pub(crate) fn variants(&self) -> usize {
        self.variants
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    /// Features of a row of the factor.
    pub(crate) fn factor_width(&self) -> usize {
        self.factor_width
    }
}

/// Memory for one batch of samples.
pub(super) struct BatchBuffers<E: Engine> {
    x: E::Buf,
    teacher: E::Buf,
    factor: E::Buf,
    labels: E::Ints,
    weights: [E::Buf; 2],
}

/// A batch that was gathered from samples.
pub(crate) struct Batch<'a, E: Engine> {
    pub(crate) rows: usize,
    pub(crate) x: &'a E::Buf,
    pub(crate) teacher: &'a E::Buf,
    pub(crate) factor: &'a E::Buf,
    pub(crate) labels: &'a E::Ints,
    pub(crate) weights: Option<[&'a E::Buf; 2]>,
}

/// Which samples, in which of their variants.
pub(super) struct Order<'a, E: Engine> {
    pub(super) rows: &'a E::Ints,
    pub(super) variants: &'a E::Ints,
    /// Weights and kd_weights of all samples.
    pub(super) weights: Option<&'a [E::Buf; 2]>,
}

impl<E: Engine> BatchBuffers<E> {
    pub(crate) fn new(engine: &mut E, samples: &Samples<E>, rows: usize) -> Self {
        Self {
            x: engine.zeros(rows * samples.width),
            teacher: engine.zeros(rows * samples.classes),
            factor: engine.zeros(rows * samples.factor_width),
            labels: engine.zero_ints(rows),
            weights: [engine.zeros(rows), engine.zeros(rows)],
        }
    }

    pub(crate) fn gather(
        &mut self,
        engine: &mut E,
        samples: &Samples<E>,
        order: &Order<E>,
        range: Range<usize>,
    ) -> Batch<'_, E> {
        let rows = range.len();
        engine.gather(
            &samples.features,
            samples.width,
            order.variants,
            range.clone(),
            &mut self.x,
        );
        engine.gather(
            &samples.teacher,
            samples.classes,
            order.rows,
            range.clone(),
            &mut self.teacher,
        );
        if samples.factor_width > 0 {
            engine.gather(
                &samples.factor,
                samples.factor_width,
                order.rows,
                range.clone(),
                &mut self.factor,
            );
        }
        engine.gather_ints(&samples.labels, order.rows, range.clone(), &mut self.labels);
        for (from, to) in order.weights.into_iter().flatten().zip(&mut self.weights) {
            engine.gather(from, 1, order.rows, range.clone(), to);
        }
        Batch {
            rows,
            x: &self.x,
            teacher: &self.teacher,
            factor: &self.factor,
            labels: &self.labels,
            weights: order.weights.map(|_| self.weights.each_ref()),
        }
    }
}

/// Runs the row program over the logits of the last forward against the batch's teacher: the gradient
/// replaces them.
pub(super) fn row<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    plan: &E::Plan,
    batch: &Batch<E>,
    total: &mut E::Buf,
) -> Result<(), EngineError> {
    let batch = RowBatch {
        rows: batch.rows,
        student: net.logits_mut(),
        teacher: batch.teacher,
        labels: batch.labels,
        weights: batch.weights,
        total,
    };
    engine.row(plan, batch)
}

/// Forward over all samples, a batch at a time.
pub(super) fn in_batches<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    mut each: impl FnMut(&mut E, &mut Mlp<E>, Batch<E>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let rows = net.capacity().min(samples.rows);
    let mut buffers = BatchBuffers::new(engine, samples, rows);
    let order = Order {
        rows: &samples.order,
        variants: &samples.order,
        weights: None,
    };
    for start in (0..samples.rows).step_by(rows.max(1)) {
        let range = start..samples.rows.min(start + rows);
        let batch = buffers.gather(engine, samples, &order, range);
        net.forward(engine, batch.x, batch.rows);
        each(engine, net, batch)?;
    }
    Ok(())
}

/// Counts the rows that the network gets right.
fn hits<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
) -> Result<E::Buf, EngineError> {
    let mut count = engine.zeros(1);
    in_batches(engine, net, samples, |engine, net, batch| {
        let (rows, classes) = (batch.rows, samples.classes);
        engine.hits(net.logits(), batch.labels, rows, classes, &mut count);
        Ok(())
    })?;
    Ok(count)
}

/// The first number of `total`, and of each of two sets of samples the share of those with a label that
/// the network gets right: read back together.
pub(super) fn accuracies<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    sets: [&Samples<E>; 2],
    total: &E::Buf,
) -> Result<(f32, [f64; 2]), EngineError> {
    let counts = [hits(engine, net, sets[0])?, hits(engine, net, sets[1])?];
    let mut sum = [0.0];
    let mut hits = [[0.0]; 2];
    let [of_first, of_second] = &mut hits;
    engine.download(&mut [
        (total, &mut sum),
        (&counts[0], of_first),
        (&counts[1], of_second),
    ])?;
    let share = |i: usize| f64::from(hits[i][0]) / sets[i].labelled.max(1) as f64;
    Ok((sum[0], [share(0), share(1)]))
}

/// The network's logits on all rows.
pub(super) fn logits<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
) -> Result<Vec<f32>, EngineError> {
    let mut all = Vec::with_capacity(samples.rows * samples.classes);
    in_batches(engine, net, samples, |engine, net, batch| {
        let start = all.len();
        all.resize(start + batch.rows * samples.classes, 0.0);
        engine.download(&mut [(net.logits(), &mut all[start..])])
    })?;
    Ok(all)
}

/// Whether a network is made of finite numbers, and its logits on two sets of samples too.
pub(super) fn is_finite<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    sets: [&Samples<E>; 2],
) -> Result<bool, EngineError> {
    let all_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    let parameters = net.parameters(engine)?;
    let mut finite = parameters.iter().flatten().all(|values| all_finite(values));
    for samples in sets {
        finite = finite && all_finite(&logits(engine, net, samples)?);
    }
    Ok(finite)
}

/// What the last layer sees of all rows, `[rows, width]`, and its width.
pub(super) fn features<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
) -> Result<(Vec<f32>, usize), EngineError> {
    let (mut all, mut of_row) = (Vec::new(), 0);
    in_batches(engine, net, samples, |engine, net, batch| {
        let (features, width) = net.features(batch.x);
        let start = all.len();
        all.resize(start + batch.rows * width, 0.0);
        of_row = width;
        engine.download(&mut [(features, &mut all[start..])])
    })?;
    Ok((all, of_row))
}
