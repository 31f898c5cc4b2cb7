//! The training loop, on whatever engine.

use super::pupil::{Pupil, Step};
use super::recipe::{Pace, Recipe};
use super::selector::Selector;
use super::term::Term;
use crate::engine::{Engine, EngineError, RowBatch};
use crate::nn::Mlp;
use crate::random::Philox;
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
            width: host.width(),
            classes: host.classes,
            variants: host.variants,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    /// Features of a row of the factor.
    pub(crate) fn factor_width(&self) -> usize {
        self.factor_width
    }
}

/// Room for one batch of samples.
struct Room<E: Engine> {
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
struct Order<'a, E: Engine> {
    rows: &'a E::Ints,
    variants: &'a E::Ints,
    /// Weights and kd_weights of all samples.
    weights: Option<&'a [E::Buf; 2]>,
}

impl<E: Engine> Room<E> {
    fn new(engine: &mut E, samples: &Samples<E>, rows: usize) -> Self {
        Self {
            x: engine.zeros(rows * samples.width),
            teacher: engine.zeros(rows * samples.classes),
            factor: engine.zeros(rows * samples.factor_width),
            labels: engine.zero_ints(rows),
            weights: [engine.zeros(rows), engine.zeros(rows)],
        }
    }

    fn gather(
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
pub(crate) fn row<E: Engine>(
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

/// What a network is trained on, and how.
pub(crate) struct Fit<'a, 's, E: Engine> {
    pub(crate) samples: &'a Samples<E>,
    pub(crate) plan: &'a E::Plan,
    pub(crate) recipe: &'a Recipe,
    /// Feature terms, of a network that has encoders for them.
    pub(crate) terms: &'a [Term],
    /// Chooses the samples that the teacher supervises.
    pub(crate) selector: Option<&'a mut Selector<'s, E>>,
}

impl<E: Engine> Fit<'_, '_, E> {
    /// Rows per step.
    fn batch(&self, net: &Mlp<E>) -> usize {
        let rows = self.samples.rows;
        self.recipe.batch.min(net.capacity()).min(rows)
    }

    pub(crate) fn steps_per_epoch(&self, net: &Mlp<E>) -> usize {
        self.samples.rows.div_ceil(self.batch(net))
    }

    /// Trains a network, and with it, in turns, its peer, where it has one that takes the teacher's
    /// place; calls `after_epoch` with the sum of the totals of the epoch's steps, which stays where it
    /// is unless that reads it.
    pub(crate) fn run(
        mut self,
        engine: &mut E,
        pupil: &mut Pupil<E>,
        mut peer: Option<&mut Pupil<E>>,
        random: &mut Philox,
        mut after_epoch: impl FnMut(&mut E, &mut Mlp<E>, &E::Buf) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let (samples, recipe) = (self.samples, self.recipe);
        let batch = self.batch(pupil.net);
        let steps_per_epoch = self.steps_per_epoch(pupil.net);
        let mut room = Room::new(engine, samples, batch);
        let mut weights = None;
        let mut order: Vec<i32> = (0..samples.rows as i32).collect();
        let mut lambdas = vec![0.0; self.terms.len()];

        for epoch in 0..recipe.epochs {
            if let Some(selector) = &mut self.selector {
                let net = &mut *pupil.net;
                let chosen = selector.before_epoch(engine, net, samples, self.plan, epoch)?;
                weights = chosen.map(|w| w.map(|w| engine.upload(&w))).or(weights);
            }
            random.shuffle(&mut order);
            let order = Order {
                rows: &engine.upload_ints(&order),
                variants: &engine.upload_ints(&variants(&order, samples, random)),
                weights: weights.as_ref(),
            };
            engine.clear(&mut pupil.total);
            for step in 0..steps_per_epoch {
                let range = step * batch..samples.rows.min((step + 1) * batch);
                let batch = room.gather(engine, samples, &order, range);
                let pace = Pace {
                    step: epoch * steps_per_epoch + step,
                    steps_per_epoch,
                    epochs: recipe.epochs,
                };
                for (lambda, term) in lambdas.iter_mut().zip(self.terms) {
                    *lambda = term.lambda(pace);
                }
                let step = Step {
                    plan: self.plan,
                    batch,
                    rate: recipe.rate(pace),
                    lambdas: &lambdas,
                };
                match &mut peer {
                    None => pupil.step(engine, &step)?,
                    Some(peer) => pupil.step_in_turns(peer, engine, &step)?,
                }
            }
            after_epoch(engine, pupil.net, &pupil.total)?;
        }
        Ok(())
    }
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

/// Forward over all samples, a batch at a time.
pub(crate) fn in_batches<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    mut each: impl FnMut(&mut E, &mut Mlp<E>, Batch<E>) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let rows = net.capacity().min(samples.rows);
    let mut room = Room::new(engine, samples, rows);
    let order = Order {
        rows: &samples.order,
        variants: &samples.order,
        weights: None,
    };
    for start in (0..samples.rows).step_by(rows.max(1)) {
        let range = start..samples.rows.min(start + rows);
        let batch = room.gather(engine, samples, &order, range);
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

/// The first number of `total`, and of each of two sets of samples the share that the network gets
/// right: read back together.
pub(crate) fn accuracies<E: Engine>(
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
    let share = |i: usize| f64::from(hits[i][0]) / sets[i].rows.max(1) as f64;
    Ok((sum[0], [share(0), share(1)]))
}

/// The network's logits on all rows.
pub(crate) fn logits<E: Engine>(
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

/// What the last layer sees of all rows, `[rows, width]`, and its width.
pub(crate) fn features<E: Engine>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocations::allocations;
    use crate::cpu::Harness;
    use crate::engine::{Form, Product};
    use crate::nn::Optimiser;
    use crate::spec::Preset;
    use crate::train::Schedule;

    const BATCH: usize = 8;
    const SIZES: [usize; 3] = [6, 5, 4];

    /// Allocations of an epoch of so many steps.
    fn of_an_epoch(steps: usize, preset: Preset, optimiser: Optimiser) -> usize {
        let engine = &mut Harness::default();
        let random = &mut Philox::new(1, 0);
        let rows = steps * BATCH;
        let mut normal = |n: usize| (0..n).map(|_| random.normal()).collect();
        let samples = HostSamples {
            features: normal(rows * SIZES[0]),
            teacher: normal(rows * SIZES[2]),
            labels: vec![1; rows],
            factor: Vec::new(),
            classes: SIZES[2],
            variants: 1,
        };
        let samples = Samples::upload(engine, &samples);
        let plan = engine.plan(&preset.spec(), SIZES[2]).unwrap();
        let mut net = Mlp::new(engine, &SIZES, BATCH, random);
        let mut pupil = Pupil::new(engine, &mut net, optimiser, None);
        let recipe = Recipe {
            epochs: 1,
            batch: BATCH,
            optimiser,
            learning_rate: 0.1,
            schedule: Schedule::Constant,
            warm_up: 0,
        };
        let fit = Fit {
            samples: &samples,
            plan: &plan,
            recipe: &recipe,
            terms: &[],
            selector: None,
        };
        let after = |_: &mut Harness, _: &mut Mlp<Harness>, _: &Vec<f32>| Ok(());
        let (allocated, done) = allocations(|| fit.run(engine, &mut pupil, None, random, after));
        done.unwrap();
        allocated
    }

    /// Allocations of a step's matrix products, which another crate makes.
    fn of_products() -> usize {
        use Form::{LeftTransposed, Plain, RightTransposed};
        let engine = &mut Harness::default();
        let [inputs, hidden, classes] = SIZES;
        let (a, b) = (vec![1.0; 64], vec![1.0; 64]);
        let mut out = vec![0.0; 64];
        let products = [
            (BATCH, hidden, inputs, Plain),
            (BATCH, classes, hidden, Plain),
            (hidden, classes, BATCH, LeftTransposed),
            (BATCH, hidden, classes, RightTransposed),
            (inputs, hidden, BATCH, LeftTransposed),
        ];
        let one = |(rows, columns, inner, form): (usize, usize, usize, Form)| {
            let product = Product {
                rows,
                columns,
                inner,
                form,
            };
            allocations(|| engine.multiply(product, &a, &b, &mut out)).0
        };
        products.map(one).into_iter().sum()
    }

    #[test]
    fn steps_allocate_nothing_but_for_products() {
        let sgd = Optimiser::Sgd {
            momentum: 0.9,
            decay: 0.1,
        };
        for (preset, optimiser) in [
            (Preset::Lr, sgd),
            (Preset::DtdKa, Optimiser::AdamW { decay: 0.1 }),
        ] {
            // The first may fill the caches of those who keep some.
            of_an_epoch(3, preset, optimiser);
            of_products();
            let (few, many) = [3, 30].map(|n| of_an_epoch(n, preset, optimiser)).into();
            assert!(few > 0, "nothing is counted");
            assert_eq!(many - few, 27 * of_products(), "{preset:?}");
        }
    }
}
