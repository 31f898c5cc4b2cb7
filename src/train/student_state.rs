//! A network that learns: a step under a teacher, or of two networks under each other.

use super::samples::{Batch, Samples, in_batches, row};
use crate::engine::{Engine, EngineError};
use crate::feature::{Encoders, Target};
use crate::nn::{Mlp, Optimiser, Updater};

/// A network with what belongs to its training alone.
pub(crate) struct StudentState<'n, E: Engine> {
    pub(crate) net: &'n mut Mlp<E>,
    updater: Updater<E>,
    /// The encoders of feature terms.
    encoders: Option<Encoders<E>>,
    /// The sum of the totals of an epoch's steps.
    pub(crate) total: E::Buf,
}

/// What a step takes besides who learns from whom.
pub(crate) struct Step<'a, E: Engine> {
    pub(crate) plan: &'a E::Plan,
    pub(crate) batch: Batch<'a, E>,
    pub(crate) rate: f32,
    /// λ of each feature term.
    pub(crate) lambdas: &'a [f32],
}

impl<'n, E: Engine> StudentState<'n, E> {
    pub(crate) fn new(
        engine: &mut E,
        net: &'n mut Mlp<E>,
        optimiser: Optimiser,
        encoders: Option<Encoders<E>>,
    ) -> Self {
        Self {
            updater: Updater::new(engine, optimiser, &net.parameter_sizes()),
            net,
            encoders,
            total: engine.zeros(1),
        }
    }

    /// One step under the batch's teacher.
    pub(crate) fn step(&mut self, engine: &mut E, step: &Step<E>) -> Result<(), EngineError> {
        self.forward(engine, step);
        self.learn(engine, step, &step.batch)
    }

    /// One step of each of two networks, the other in the place of the teacher: the second learns from
    /// the first as its step has made it (Zhang et al., arXiv 1706.00384, algorithm 1).
    pub(crate) fn step_in_turns(
        &mut self,
        peer: &mut StudentState<E>,
        engine: &mut E,
        step: &Step<E>,
    ) -> Result<(), EngineError> {
        self.forward(engine, step);
        peer.forward(engine, step);
        self.learn(engine, step, &peer.teaching(&step.batch))?;
        self.forward(engine, step);
        peer.learn(engine, step, &self.teaching(&step.batch))
    }

    /// The mean distance of each feature term over samples, with the encoders as they are; of none
    /// without terms. `peer` is the network that takes the teacher's place.
    pub(crate) fn distances(
        &mut self,
        engine: &mut E,
        samples: &Samples<E>,
        mut peer: Option<&mut Mlp<E>>,
    ) -> Result<Vec<f64>, EngineError> {
        let Some(encoders) = &mut self.encoders else {
            return Ok(Vec::new());
        };
        let mut means = Vec::new();
        in_batches(engine, self.net, samples, |engine, net, batch| {
            let features = match &mut peer {
                None => batch.factor,
                Some(peer) => {
                    peer.forward(engine, batch.x, batch.rows);
                    peer.features(batch.x).0
                }
            };
            let target = Target {
                rows: batch.rows,
                features,
                weight: None,
                lambdas: &[],
            };
            let of_batch = encoders.distances(engine, net.features(batch.x).0, &target)?;
            means.resize(of_batch.len(), 0.0);
            let share = batch.rows as f64 / samples.rows() as f64;
            let sums = means.iter_mut().zip(of_batch);
            sums.for_each(|(mean, of_batch)| *mean += share * f64::from(of_batch));
            Ok(())
        })?;
        Ok(means)
    }

    fn forward(&mut self, engine: &mut E, step: &Step<E>) {
        self.net.forward(engine, step.batch.x, step.batch.rows);
    }

    /// The batch with this network, after its forward, as the teacher: logits, and the last hidden
    /// layer as the factor.
    fn teaching<'a>(&'a self, batch: &Batch<'a, E>) -> Batch<'a, E> {
        Batch {
            teacher: self.net.logits(),
            factor: self.net.features(batch.x).0,
            ..*batch
        }
    }

    /// Gradients and updates, after a forward.
    fn learn(
        &mut self,
        engine: &mut E,
        step: &Step<E>,
        batch: &Batch<E>,
    ) -> Result<(), EngineError> {
        let Self {
            net,
            updater,
            encoders,
            total,
        } = self;
        row(engine, net, step.plan, batch, total)?;
        match encoders {
            None => net.backward(engine, batch.x, batch.rows),
            Some(encoders) => {
                let target = Target {
                    rows: batch.rows,
                    features: batch.factor,
                    weight: batch.weights.map(|[_, kd_weight]| kd_weight),
                    lambdas: step.lambdas,
                };
                net.backward_adding(engine, batch.x, batch.rows, |engine, features, gradient| {
                    encoders.backward(engine, features, &target, gradient, total)
                })?;
                encoders.update(engine, step.rate);
            }
        }
        net.update(engine, updater, step.rate);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Harness;
    use crate::random::Philox;
    use crate::spec::Preset;

    const ROWS: usize = 4;

    fn step<'a>(
        plan: &'a <Harness as Engine>::Plan,
        x: &'a Vec<f32>,
        labels: &'a Vec<i32>,
        teacher: &'a Vec<f32>,
    ) -> Step<'a, Harness> {
        let batch = Batch {
            rows: ROWS,
            x,
            teacher,
            factor: teacher,
            labels,
            weights: None,
        };
        Step {
            plan,
            batch,
            rate: 0.5,
            lambdas: &[],
        }
    }

    /// In turns: the first learns from the second as it was, the second from the first as it has
    /// become. Each step is one that a teacher with these logits would have caused.
    #[test]
    fn the_second_learns_from_the_first_as_it_has_become() {
        let engine = &mut Harness::default();
        let mut random = Philox::new(1, 0);
        let x: Vec<f32> = (0..ROWS * 3).map(|_| random.normal()).collect();
        let labels = vec![0, 1, 1, 0];
        let plan = engine.plan(&Preset::Kd.spec(), 2).unwrap();
        let optimiser = Optimiser::Sgd {
            momentum: 0.9,
            decay: 0.0,
        };
        let mut nets =
            || [7, 8].map(|seed| Mlp::new(engine, &[3, 5, 2], ROWS, &mut Philox::new(seed, 0)));
        let ([mut first, mut second], [mut alone, mut peer]) = (nets(), nets());

        let nobody = vec![f32::NAN; ROWS * 2];
        let mut other = StudentState::new(engine, &mut second, optimiser, None);
        StudentState::new(engine, &mut first, optimiser, None)
            .step_in_turns(&mut other, engine, &step(&plan, &x, &labels, &nobody))
            .unwrap();

        for _ in 0..2 {
            peer.forward(engine, &x, ROWS);
            let teacher = peer.logits().clone();
            StudentState::new(engine, &mut alone, optimiser, None)
                .step(engine, &step(&plan, &x, &labels, &teacher))
                .unwrap();
            std::mem::swap(&mut alone, &mut peer);
        }
        assert_eq!(first.parameters(engine), alone.parameters(engine));
        assert_eq!(second.parameters(engine), peer.parameters(engine));
    }
}
