//! Selection during training: scores from the student as it is, and the choice that follows.

use super::fit::{Samples, in_batches, row};
use crate::engine::{Engine, Form, Product};
use crate::nn::Mlp;
use crate::random::{Philox, stream};
use crate::select::{History, Policy, Score, select};
use crate::spec::{ArgumentError, LossSpec, Preset, RowStats};

/// The choices of one run.
pub(crate) struct Selector<'a, E: Engine> {
    policy: Policy,
    /// What the samples that the teacher does not supervise are weighted by, so that their
    /// cross-entropy counts once.
    alone: f32,
    labels: &'a [i32],
    validation: &'a Samples<E>,
    /// EL2N averaged over other runs, where that is the score.
    given: Option<Vec<f32>>,
    history: History,
    random: Philox,
    ce: E::Plan,
    pub(crate) choices: Vec<Choice>,
}

/// The samples that the teacher supervises from an epoch on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) epoch: usize,
    pub(crate) selected: Vec<bool>,
}

impl<'a, E: Engine> Selector<'a, E> {
    pub(crate) fn new(
        engine: &mut E,
        policy: Policy,
        spec: &LossSpec,
        labels: &'a [i32],
        validation: &'a Samples<E>,
        given: Option<Vec<f32>>,
        seed: u64,
    ) -> Result<Self, crate::spec::SpecError> {
        let lambda_ce = spec.right().lambda_ce;
        Ok(Self {
            policy,
            alone: if lambda_ce > 0.0 {
                1.0 / lambda_ce
            } else {
                1.0
            },
            labels,
            validation,
            given,
            history: History::default(),
            random: Philox::new(seed, stream::SELECTION),
            ce: engine.plan(&Preset::Ce.spec(), validation.classes())?,
            choices: Vec::new(),
        })
    }

    /// Before an epoch: chooses anew if that is due, and gives the weights and kd_weights of all
    /// samples if they have changed.
    pub(crate) fn before_epoch(
        &mut self,
        engine: &mut E,
        net: &mut Mlp<E>,
        samples: &Samples<E>,
        plan: &E::Plan,
        epoch: usize,
    ) -> Result<Option<[Vec<f32>; 2]>, ArgumentError> {
        if self.policy.score.needs_history() {
            let stats = stats(engine, net, samples, plan)?;
            self.history.add(&stats, self.labels);
        }
        if !self.policy.is_due(epoch) {
            return Ok(None);
        }
        let scores = self.scores(engine, net, samples, plan)?;
        let selected = select(&self.policy, &scores, self.labels);
        let weight = |&kept: &bool| if kept { 1.0 } else { self.alone };
        let weights = [
            selected.iter().map(weight).collect(),
            selected
                .iter()
                .map(|&kept| f32::from(u8::from(kept)))
                .collect(),
        ];
        self.choices.push(Choice { epoch, selected });
        Ok(Some(weights))
    }

    fn scores(
        &mut self,
        engine: &mut E,
        net: &mut Mlp<E>,
        samples: &Samples<E>,
        plan: &E::Plan,
    ) -> Result<Vec<f32>, ArgumentError> {
        let score = self.policy.score;
        if let Some(gathered) = self.history.score(score) {
            return Ok(gathered);
        }
        match score {
            Score::Random => Ok(self.labels.iter().map(|_| self.random.uniform()).collect()),
            Score::El2nOverSeeds => Ok(self
                .given
                .clone()
                .unwrap_or_else(|| vec![0.0; self.labels.len()])),
            Score::Influence => influence(engine, net, samples, self.validation, &self.ce),
            Score::GrandLast => grand_last(engine, net, samples, plan),
            field => {
                let stats = stats(engine, net, samples, plan)?;
                Ok(stats
                    .iter()
                    .map(|stats| field.field(stats).unwrap_or(0.0))
                    .collect())
            }
        }
    }
}

/// The records of all samples, of the student as it is.
pub(crate) fn stats<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    plan: &E::Plan,
) -> Result<Vec<RowStats>, ArgumentError> {
    let mut all = Vec::new();
    in_batches(engine, net, samples, |engine, net, batch| {
        all.extend(engine.stats(plan, batch.rows, net.logits(), batch.teacher, batch.labels)?);
        Ok(())
    })?;
    Ok(all)
}

/// `el2n · √(‖h‖² + 1)`: the norm of each sample's last-layer gradient.
fn grand_last<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    plan: &E::Plan,
) -> Result<Vec<f32>, ArgumentError> {
    let mut all = Vec::new();
    in_batches(engine, net, samples, |engine, net, batch| {
        let stats = engine.stats(plan, batch.rows, net.logits(), batch.teacher, batch.labels)?;
        let (features, width) = net.features(batch.x);
        let mut host = vec![0.0; batch.rows * width];
        engine.download(features, &mut host);
        for (stats, h) in stats.iter().zip(host.chunks_exact(width)) {
            let square: f32 = h.iter().map(|h| h * h).sum();
            all.push(stats.el2n * (square + 1.0).sqrt());
        }
        Ok(())
    })?;
    Ok(all)
}

/// Influence of each sample on the validation loss, through the last layer.
pub(crate) fn influence<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    validation: &Samples<E>,
    ce: &E::Plan,
) -> Result<Vec<f32>, ArgumentError> {
    let [weights, bias] = validation_gradient(engine, net, validation, ce)?;
    let [weights, bias] = [engine.upload(&weights), engine.upload(&bias)];
    let classes = samples.classes();
    let mut u = engine.zeros(net.capacity() * classes);
    let mut all = Vec::new();
    in_batches(engine, net, samples, |engine, net, batch| {
        let (features, width) = net.features(batch.x);
        let product = Product {
            rows: batch.rows,
            columns: classes,
            inner: width,
            form: Form::Plain,
        };
        engine.multiply(product, features, &weights, &mut u);
        engine.bias_relu(&mut u, &bias, batch.rows, false);
        all.extend(engine.influence(batch.rows, net.logits(), &u, batch.labels, classes)?);
        Ok(())
    })?;
    Ok(all)
}

/// The mean gradient of the validation cross-entropy by the last layer's weights and bias.
fn validation_gradient<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    validation: &Samples<E>,
    ce: &E::Plan,
) -> Result<[Vec<f32>; 2], ArgumentError> {
    let mut sums: [Vec<f32>; 2] = [Vec::new(), Vec::new()];
    let mut total = engine.zeros(1);
    let all = validation.rows() as f32;
    in_batches(engine, net, validation, |engine, net, batch| {
        row(engine, net, ce, &batch, &mut total)?;
        net.backward(engine, batch.x, batch.rows);
        // Each batch's gradient is that of its own mean.
        let share = batch.rows as f32 / all;
        for (sum, gradient) in sums.iter_mut().zip(net.last_gradients()) {
            let (buf, len) = gradient;
            let mut host = vec![0.0; len];
            engine.download(buf, &mut host);
            sum.resize(len, 0.0);
            sum.iter_mut()
                .zip(host)
                .for_each(|(sum, g)| *sum += share * g);
        }
        Ok(())
    })?;
    Ok(sums)
}
