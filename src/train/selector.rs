//! Selection during training: scores from the student as it is, and the choice that follows.

use super::record::Choice;
use super::samples::{Samples, in_batches, row};
use crate::engine::{Engine, EngineError, Form, Product};
use crate::nn::Mlp;
use crate::random::{Philox, stream};
use crate::select::{History, Policy, Score, select};
use crate::spec::{LossSpec, Preset, RowStats};

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
    pub(super) choices: Vec<Choice>,
}

impl<'a, E: Engine> Selector<'a, E> {
    pub(super) fn new(
        engine: &mut E,
        policy: Policy,
        spec: &LossSpec,
        labels: &'a [i32],
        validation: &'a Samples<E>,
        given: Option<Vec<f32>>,
        seed: u64,
    ) -> Result<Self, EngineError> {
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
    pub(super) fn before_epoch(
        &mut self,
        engine: &mut E,
        net: &mut Mlp<E>,
        samples: &Samples<E>,
        plan: &E::Plan,
        epoch: usize,
    ) -> Result<Option<[Vec<f32>; 2]>, EngineError> {
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
    ) -> Result<Vec<f32>, EngineError> {
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
pub(super) fn stats<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    plan: &E::Plan,
) -> Result<Vec<RowStats>, EngineError> {
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
) -> Result<Vec<f32>, EngineError> {
    let mut all = Vec::new();
    in_batches(engine, net, samples, |engine, net, batch| {
        let stats = engine.stats(plan, batch.rows, net.logits(), batch.teacher, batch.labels)?;
        let (features, width) = net.features(batch.x);
        let mut host = vec![0.0; batch.rows * width];
        engine.download(&mut [(features, &mut host)])?;
        for (stats, h) in stats.iter().zip(host.chunks_exact(width)) {
            let square: f32 = h.iter().map(|h| h * h).sum();
            all.push(stats.el2n * (square + 1.0).sqrt());
        }
        Ok(())
    })?;
    Ok(all)
}

/// Influence of each sample on the validation loss, through the last layer.
pub(super) fn influence<E: Engine>(
    engine: &mut E,
    net: &mut Mlp<E>,
    samples: &Samples<E>,
    validation: &Samples<E>,
    ce: &E::Plan,
) -> Result<Vec<f32>, EngineError> {
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
) -> Result<[Vec<f32>; 2], EngineError> {
    let mut sums: [Vec<f32>; 2] = [Vec::new(), Vec::new()];
    let mut total = engine.zeros(1);
    let all = validation.rows() as f32;
    in_batches(engine, net, validation, |engine, net, batch| {
        row(engine, net, ce, &batch, &mut total)?;
        net.backward(engine, batch.x, batch.rows);
        // Each batch's gradient is that of its own mean.
        let share = batch.rows as f32 / all;
        let [(weights, a), (bias, b)] = net.last_gradients();
        let mut host = [vec![0.0; a], vec![0.0; b]];
        let [of_weights, of_bias] = &mut host;
        engine.download(&mut [(weights, of_weights), (bias, of_bias)])?;
        for (sum, of_batch) in sums.iter_mut().zip(host) {
            sum.resize(of_batch.len(), 0.0);
            let pairs = sum.iter_mut().zip(of_batch);
            pairs.for_each(|(sum, g)| *sum += share * g);
        }
        Ok(())
    })?;
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Scaling, ScalingRule, Source, Split, corrupt_labels};
    use crate::reference::Harness;
    use crate::train::fit::Fit;
    use crate::train::prepare::{NO_SHIFT, host_samples};
    use crate::train::samples::HostSamples;
    use crate::train::student_state::StudentState;
    use crate::train::{Learner, Optimiser, Schedule};

    /// Digits: training rows, of which some labels are wrong, and validation rows.
    fn digits(noise: f32) -> (HostSamples, HostSamples, Vec<bool>) {
        let dataset = Source::Digits.load().unwrap();
        let split = Split::new(&dataset, 3).unwrap();
        let scaling = Scaling::fit(&dataset, &split.train, ScalingRule::Common).unwrap();
        let host = |rows: &[u32]| host_samples(&dataset, &scaling, rows, &NO_SHIFT);
        let (mut train, validation) = (host(&split.train[..300]), host(&split.validation));
        let truth = train.labels.clone();
        corrupt_labels(&mut train.labels, 10, noise, 3).unwrap();
        let flipped = truth
            .iter()
            .zip(&train.labels)
            .map(|(a, b)| a != b)
            .collect();
        (train, validation, flipped)
    }

    fn learner(epochs: usize, batch: usize, learning_rate: f32) -> Learner {
        Learner {
            hidden: Vec::new(),
            epochs,
            batch,
            optimiser: Optimiser::Sgd {
                momentum: 0.0,
                decay: 0.0,
            },
            learning_rate,
            schedule: Schedule::Constant,
            warm_up: 0,
        }
    }

    /// A network after a few epochs on the ground truth.
    fn begun(engine: &mut Harness, samples: &Samples<Harness>, sizes: &[usize]) -> Mlp<Harness> {
        let plan = engine.plan(&Preset::Ce.spec(), 10).unwrap();
        let mut net = Mlp::new(engine, sizes, 256, &mut Philox::new(1, 0));
        step(engine, &mut net, samples, &plan, &learner(4, 32, 0.02));
        net
    }

    fn step(
        engine: &mut Harness,
        net: &mut Mlp<Harness>,
        samples: &Samples<Harness>,
        plan: &<Harness as Engine>::Plan,
        learner: &Learner,
    ) {
        let fit = Fit {
            samples,
            plan,
            learner,
            terms: &[],
            selector: None,
        };
        let mut state = StudentState::new(engine, net, learner.optimiser, None);
        fit.run(
            engine,
            &mut state,
            None,
            &mut Philox::new(2, 0),
            |_, _, _| Ok(()),
        )
        .unwrap();
    }

    /// The mean cross-entropy, by the sum of its records.
    fn loss(engine: &mut Harness, net: &mut Mlp<Harness>, samples: &Samples<Harness>) -> f64 {
        let plan = engine.plan(&Preset::Ce.spec(), 10).unwrap();
        let (mut sum, mut total) = (0.0, engine.zeros(1));
        in_batches(engine, net, samples, |engine, net, batch| {
            total[0] = 0.0;
            row(engine, net, &plan, &batch, &mut total)?;
            sum += total[0] * batch.rows as f64;
            Ok(())
        })
        .unwrap();
        sum / samples.rows() as f64
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let (ma, mb) = (mean(a), mean(b));
        let product = |x: &[f64], mx: f64, y: &[f64], my: f64| -> f64 {
            x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
        };
        product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
    }

    /// Softmax regression, of which influence sees everything, and a network with a hidden layer,
    /// of which it sees the last layer alone.
    const NETWORKS: [&[usize]; 2] = [&[64, 10], &[64, 32, 10]];

    /// What influence foretells happens to the validation loss in a step on one sample: exactly
    /// where the last layer steps, roughly where the layers before it step too.
    #[test]
    fn influence_foretells_single_sample_steps() {
        for (sizes, least) in NETWORKS.into_iter().zip([0.999, 0.65]) {
            let (foretold, last_layer, whole) = foretold_and_measured(sizes);
            for (foretold, measured) in foretold.iter().zip(&last_layer) {
                let bound = 1e-3 * measured.abs().max(0.1);
                assert!((foretold - measured).abs() < bound, "{foretold} {measured}");
            }
            let agreement = correlation(&foretold, &whole);
            assert!(agreement >= least, "{sizes:?}: {agreement}");
        }
    }

    /// For 100 samples: influence, and how much a small step on the sample lowers the validation
    /// loss, per unit of learning rate: a step of the last layer, and one of the whole network.
    fn foretold_and_measured(sizes: &[usize]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (engine, rate) = (&mut Harness, 1e-6);
        let (train, validation, _) = digits(0.1);
        let samples = Samples::upload(engine, &train);
        let held_out = Samples::upload(engine, &validation);
        let mut net = begun(engine, &samples, sizes);
        let ce = engine.plan(&Preset::Ce.spec(), 10).unwrap();
        let foretold = influence(engine, &mut net, &samples, &held_out, &ce).unwrap();
        let before = loss(engine, &mut net, &held_out);
        let kept: Vec<Vec<f64>> = net.parameters_mut().map(|p| p.clone()).collect();
        let restore = |net: &mut Mlp<Harness>, parameters: usize| {
            let all = net.parameters_mut().zip(&kept).take(parameters);
            all.for_each(|(p, kept)| p.clone_from(kept));
        };
        let (mut last_layer, mut whole) = (Vec::new(), Vec::new());
        for i in 0..100 {
            let one = Samples::upload(engine, &sample(&train, i));
            step(engine, &mut net, &one, &ce, &learner(1, 1, rate));
            whole.push((before - loss(engine, &mut net, &held_out)) / f64::from(rate));
            restore(&mut net, kept.len() - 2);
            last_layer.push((before - loss(engine, &mut net, &held_out)) / f64::from(rate));
            restore(&mut net, kept.len());
        }
        (
            foretold[..100].iter().copied().map(f64::from).collect(),
            last_layer,
            whole,
        )
    }

    /// Samples whose label was flipped are the ones that harm: the area under the curve.
    #[test]
    fn flipped_labels_rank_at_the_harmful_end() {
        for (sizes, least) in NETWORKS.into_iter().zip([0.95, 0.8]) {
            let engine = &mut Harness;
            let (train, validation, flipped) = digits(0.1);
            let samples = Samples::upload(engine, &train);
            let held_out = Samples::upload(engine, &validation);
            let mut net = begun(engine, &samples, sizes);
            let ce = engine.plan(&Preset::Ce.spec(), 10).unwrap();
            let scores = influence(engine, &mut net, &samples, &held_out, &ce).unwrap();
            let of = |which: bool| {
                scores
                    .iter()
                    .zip(&flipped)
                    .filter(move |(_, flipped)| **flipped == which)
            };
            let (mut below, mut pairs) = (0.0, 0.0);
            for (a, _) in of(true) {
                for (b, _) in of(false) {
                    below += f64::from(u8::from(a < b)) + 0.5 * f64::from(u8::from(a == b));
                    pairs += 1.0;
                }
            }
            assert!(below / pairs >= least, "{sizes:?}: {}", below / pairs);
        }
    }

    /// One sample alone.
    fn sample(train: &HostSamples, i: usize) -> HostSamples {
        HostSamples {
            features: train.features[i * 64..(i + 1) * 64].to_vec(),
            labels: vec![train.labels[i]],
            ..train.clone()
        }
    }

    /// The norm of the last layer's gradient, against the gradient itself.
    #[test]
    fn grand_last_is_the_norm_of_the_gradient() {
        let engine = &mut Harness;
        let (train, _, _) = digits(0.0);
        let samples = Samples::upload(engine, &train);
        let mut net = begun(engine, &samples, NETWORKS[1]);
        let ce = engine.plan(&Preset::Ce.spec(), 10).unwrap();
        let scores = grand_last(engine, &mut net, &samples, &ce).unwrap();
        for i in [0, 17, 299] {
            let one = Samples::upload(engine, &sample(&train, i));
            let [weights, bias] = validation_gradient(engine, &mut net, &one, &ce).unwrap();
            let square: f64 = weights.iter().chain(&bias).map(|g| f64::from(g * g)).sum();
            assert!(
                (square.sqrt() - f64::from(scores[i])).abs() < 1e-5,
                "{square} {}",
                scores[i]
            );
        }
    }
}
