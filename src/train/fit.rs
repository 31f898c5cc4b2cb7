//! The training loop, on whatever engine.

use super::recipe::{Learner, StepIndex};
use super::samples::{BatchBuffers, Order, Samples};
use super::selector::Selector;
use super::student_state::{Step, StudentState};
use super::term::Term;
use crate::engine::{Engine, EngineError};
use crate::nn::Mlp;
use crate::random::Philox;

/// What a network is trained on, and how.
pub(crate) struct Fit<'a, 's, E: Engine> {
    pub(crate) samples: &'a Samples<E>,
    pub(crate) plan: &'a E::Plan,
    /// How; its hidden layers play no part.
    pub(crate) learner: &'a Learner,
    /// Feature terms, of a network that has encoders for them.
    pub(crate) terms: &'a [Term],
    /// Chooses the samples that the teacher supervises.
    pub(crate) selector: Option<&'a mut Selector<'s, E>>,
}

impl<E: Engine> Fit<'_, '_, E> {
    /// Rows per step.
    fn batch(&self, net: &Mlp<E>) -> usize {
        let rows = self.samples.rows();
        self.learner.batch.min(net.capacity()).min(rows)
    }

    pub(crate) fn steps_per_epoch(&self, net: &Mlp<E>) -> usize {
        self.samples.rows().div_ceil(self.batch(net))
    }

    /// Trains a network, and with it, in turns, its peer, where it has one that takes the teacher's
    /// place; calls `after_epoch` with the sum of the totals of the epoch's steps, which stays where it
    /// is unless that reads it.
    pub(crate) fn run(
        mut self,
        engine: &mut E,
        student: &mut StudentState<E>,
        mut peer: Option<&mut StudentState<E>>,
        random: &mut Philox,
        mut after_epoch: impl FnMut(&mut E, &mut Mlp<E>, &E::Buf) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let (samples, learner) = (self.samples, self.learner);
        let batch = self.batch(student.net);
        let steps_per_epoch = self.steps_per_epoch(student.net);
        let mut buffers = BatchBuffers::new(engine, samples, batch);
        let mut weights = None;
        let mut order: Vec<i32> = (0..samples.rows() as i32).collect();
        let mut lambdas = vec![0.0; self.terms.len()];

        for epoch in 0..learner.epochs {
            if let Some(selector) = &mut self.selector {
                let net = &mut *student.net;
                let chosen = selector.before_epoch(engine, net, samples, self.plan, epoch)?;
                weights = chosen.map(|w| w.map(|w| engine.upload(&w))).or(weights);
            }
            random.shuffle(&mut order);
            let order = Order {
                rows: &engine.upload_ints(&order),
                variants: &engine.upload_ints(&variants(&order, samples, random)),
                weights: weights.as_ref(),
            };
            engine.clear(&mut student.total);
            for step in 0..steps_per_epoch {
                let range = step * batch..samples.rows().min((step + 1) * batch);
                let batch = buffers.gather(engine, samples, &order, range);
                let at = StepIndex {
                    step: epoch * steps_per_epoch + step,
                    steps_per_epoch,
                    epochs: learner.epochs,
                };
                for (lambda, term) in lambdas.iter_mut().zip(self.terms) {
                    *lambda = term.lambda(at);
                }
                let step = Step {
                    plan: self.plan,
                    batch,
                    rate: learner.rate(at),
                    lambdas: &lambdas,
                };
                match &mut peer {
                    None => student.step(engine, &step)?,
                    Some(peer) => student.step_in_turns(peer, engine, &step)?,
                }
            }
            after_epoch(engine, student.net, &student.total)?;
        }
        Ok(())
    }
}

/// For each row of the order one of its variants.
fn variants<E: Engine>(order: &[i32], samples: &Samples<E>, random: &mut Philox) -> Vec<i32> {
    if samples.variants() == 1 {
        return order.to_vec();
    }
    let shifted = |&row: &i32| {
        let variant = random.below(samples.variants() as u32);
        row + variant as i32 * samples.rows() as i32
    };
    order.iter().map(shifted).collect()
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
    use crate::train::samples::HostSamples;

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
        let mut student = StudentState::new(engine, &mut net, optimiser, None);
        let learner = Learner {
            hidden: Vec::new(),
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
            learner: &learner,
            terms: &[],
            selector: None,
        };
        let after = |_: &mut Harness, _: &mut Mlp<Harness>, _: &Vec<f32>| Ok(());
        let (allocated, done) = allocations(|| fit.run(engine, &mut student, None, random, after));
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
