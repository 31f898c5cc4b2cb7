//! Training agrees between engines: against the oracle, step by step against the CPU, and its gradient
//! against differences.

use super::{agree, numbers};
use crate::data::{Scaling, ScalingRule, Source, Split as Parts};
use crate::engine::{Engine, EngineError, RowBatch};
use crate::feature::{Encoders, Split, Target};
use crate::nn::{Mlp, Optimiser, Updater};
use crate::random::Philox;
use crate::spec::{Distance, FeatureSpec, Preset, Relation};
use crate::train::fit::Fit;
use crate::train::samples::{HostSamples, Samples};
use crate::train::student_state::StudentState;
use crate::train::{Learner, Schedule, Term};
use crate::{cpu, reference};

pub(crate) const SGD: Optimiser = Optimiser::Sgd {
    momentum: 0.9,
    decay: 1e-3,
};
pub(crate) const ADAMW: Optimiser = Optimiser::AdamW { decay: 0.01 };

/// So many rows of the digits, and a teacher that has seen their labels.
fn digits(rows: usize) -> HostSamples {
    let dataset = Source::Digits.load().unwrap();
    let parts = Parts::new(&dataset, 0).unwrap();
    let scaling = Scaling::fit(&dataset, &parts.train, ScalingRule::Common).unwrap();
    let random = &mut Philox::new(4, 0);
    let mut host = HostSamples {
        classes: 10,
        variants: 1,
        ..HostSamples::default()
    };
    for &row in &parts.train[..rows] {
        let start = host.features.len();
        let features = &dataset.features()[row as usize * 64..][..64];
        host.features.extend_from_slice(features);
        scaling.apply_row(&mut host.features[start..]);
        let label = dataset.labels()[row as usize];
        host.labels.push(label);
        let sure = |c| if c == label { 3.0 } else { 0.0 };
        host.teacher
            .extend((0..10).map(|c| sure(c) + random.normal()));
    }
    host
}

/// A small student's training on the digits.
pub(crate) struct Small {
    pub(crate) rows: usize,
    pub(crate) batch: usize,
    pub(crate) epochs: usize,
    pub(crate) preset: Preset,
    pub(crate) optimiser: Optimiser,
}

impl Small {
    /// The mean loss of each epoch.
    pub(crate) fn losses<E: Engine>(&self, engine: &mut E) -> Vec<f32> {
        self.losses_and(engine, |_| {}).unwrap()
    }

    pub(crate) fn losses_and<E: Engine>(
        &self,
        engine: &mut E,
        mut after_epoch: impl FnMut(&mut E),
    ) -> Result<Vec<f32>, EngineError> {
        let samples = Samples::upload(engine, &digits(self.rows));
        let plan = engine.plan(&self.preset.spec(), 10)?;
        let random = &mut Philox::new(1, 0);
        let mut net = Mlp::new(engine, &[64, 40, 20, 10], self.batch, random);
        let mut state = StudentState::new(engine, &mut net, self.optimiser, None);
        let rate = match self.optimiser {
            Optimiser::Sgd { .. } => 0.02,
            Optimiser::AdamW { .. } => 0.01,
        };
        let learner = Learner {
            hidden: Vec::new(),
            epochs: self.epochs,
            batch: self.batch,
            optimiser: self.optimiser,
            learning_rate: rate,
            schedule: Schedule::Cosine,
            warm_up: 1,
        };
        let fit = Fit {
            samples: &samples,
            plan: &plan,
            learner: &learner,
            terms: &[],
            selector: None,
        };
        let mut losses = Vec::new();
        let steps = fit.steps_per_epoch(state.net) as f32;
        fit.run(engine, &mut state, None, random, |engine, _, total| {
            let mut sum = [0.0];
            engine.download(&mut [(total, &mut sum)])?;
            losses.push(sum[0] / steps);
            after_epoch(engine);
            Ok(())
        })?;
        Ok(losses)
    }
}

/// Epochs of one step, so that each step's loss is seen.
pub(crate) fn the_first_steps_lose_as_much_as_on_the_cpu<E: Engine>(new: impl Fn() -> E) {
    for (preset, optimiser) in [
        (Preset::Lr, SGD),
        (Preset::DtdKa, ADAMW),
        (Preset::Dkd, SGD),
        (Preset::LrMse, ADAMW),
    ] {
        let small = Small {
            rows: 48,
            batch: 48,
            epochs: 50,
            preset,
            optimiser,
        };
        let on_engine = small.losses(&mut new());
        let on_cpu = small.losses(&mut cpu::Harness::default());
        assert_eq!((on_engine.len(), on_cpu.len()), (50, 50));
        for (step, (a, b)) in on_engine.iter().zip(&on_cpu).enumerate() {
            let name = preset.name();
            assert!(
                (a - b).abs() <= 1e-3 * b.abs(),
                "{name}, step {step}: {a}, on the CPU {b}"
            );
        }
        assert!(on_engine[49] < 0.8 * on_engine[0], "{on_engine:?}");
    }
}

#[test]
fn the_oracles_first_steps_lose_as_much() {
    the_first_steps_lose_as_much_as_on_the_cpu(|| reference::Harness);
}

/// Losses of the first epochs of a training run, of one student, or of two in turns.
fn losses<E: Engine>(
    engine: &mut E,
    preset: Preset,
    optimiser: Optimiser,
    terms: &[Term],
    mutual: bool,
) -> Vec<f32> {
    let mut random = Philox::new(5, 0);
    let host = HostSamples {
        features: numbers(&mut random, 90 * 8),
        labels: (0..90).map(|_| random.below(5) as i32).collect(),
        teacher: numbers(&mut random, 90 * 5)
            .iter()
            .map(|z| 3.0 * z)
            .collect(),
        factor: numbers(&mut random, 90 * 6),
        classes: 5,
        variants: 1,
    };
    let learner = Learner {
        hidden: Vec::new(),
        epochs: 8,
        batch: 32,
        optimiser,
        learning_rate: 0.005,
        schedule: Schedule::Cosine,
        warm_up: 1,
    };
    let samples = Samples::upload(engine, &host);
    let plan = engine.plan(&preset.spec(), 5).unwrap();
    let [mut net, mut peer] =
        [6, 9].map(|seed| Mlp::new(engine, &[8, 16, 16, 5], 32, &mut Philox::new(seed, 0)));
    let to = if mutual { 16 } else { 6 };
    let encoders = |engine: &mut E| {
        let channels = |term: &Term| {
            let channels = Split::Permutation.channels(term.relation, 16, 3);
            (term.spec(), channels)
        };
        let (losses, random) = (terms.iter().map(channels), &mut Philox::new(10, 0));
        let made = Encoders::new(engine, losses, [16, to], 32, optimiser, random);
        (!terms.is_empty()).then(|| made.unwrap())
    };
    let of_net = encoders(engine);
    let of_peer = encoders(engine);
    let mut state = StudentState::new(engine, &mut net, optimiser, of_net);
    let mut peer = mutual.then(|| StudentState::new(engine, &mut peer, optimiser, of_peer));
    let mut losses = Vec::new();
    let mut order = Philox::new(7, 0);
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        learner: &learner,
        terms,
        selector: None,
    };
    let steps = fit.steps_per_epoch(state.net) as f32;
    let (peer, order) = (peer.as_mut(), &mut order);
    fit.run(engine, &mut state, peer, order, |engine, _, total| {
        let mut sum = [0.0];
        engine.download(&mut [(total, &mut sum)])?;
        losses.push(sum[0] / steps);
        Ok(())
    })
    .unwrap();
    losses
}

/// Training, step by step, as it is on the oracle: of all presets under both optimisers, with feature
/// terms, and of two networks under each other.
pub(crate) fn trains_as_the_oracle<E: Engine>(new: impl Fn() -> E) {
    presets_train_as_on_the_oracle(&new);
    features_and_peers_train_as_on_the_oracle(&new);
}

fn presets_train_as_on_the_oracle<E: Engine>(new: &impl Fn() -> E) {
    for preset in Preset::ALL {
        for optimiser in [SGD, ADAMW] {
            let on_engine = losses(&mut new(), preset, optimiser, &[], false);
            let on_reference = losses(&mut reference::Harness, preset, optimiser, &[], false);
            agree(preset.name(), &on_engine, &on_reference, 1e-3);
            assert!(
                on_engine.last() < on_engine.first(),
                "{}: {on_engine:?}",
                preset.name()
            );
        }
    }
}

fn features_and_peers_train_as_on_the_oracle<E: Engine>(new: &impl Fn() -> E) {
    let optimiser = SGD;
    let (none, both) = (Vec::new(), Term::both());
    let one = vec![Term {
        distance: Distance::Cosine,
        weight: 2.0,
        ..Term::new(Relation::Inherit)
    }];
    for (terms, mutual) in [(&both, false), (&one, false), (&none, true), (&both, true)] {
        let on_engine = losses(&mut new(), Preset::Kd, optimiser, terms, mutual);
        let oracle = &mut reference::Harness;
        let on_reference = losses(oracle, Preset::Kd, optimiser, terms, mutual);
        agree("the first loss", &on_engine[..1], &on_reference[..1], 1e-5);
        agree("losses", &on_engine, &on_reference, 1e-3);
        assert!(on_engine.last() < on_engine.first(), "{on_engine:?}");
    }
}

#[test]
fn training_agrees_with_training_on_the_reference() {
    trains_as_the_oracle(cpu::Harness::default);
}

/// The gradient of every parameter of student and encoders, through the row program and both feature
/// terms, by differences.
#[test]
fn feature_terms_are_part_of_the_derivative() {
    let mut random = Philox::new(8, 0);
    for distance in Distance::ALL {
        let mut trial = Trained::new(distance, &mut random);
        let [of_net, of_encoders] = {
            trial.total();
            [
                trial.net.gradients().concat(),
                trial.encoders.gradients().concat(),
            ]
        };
        let expected = of_net.iter().chain(&of_encoders);
        for (i, gradient) in expected.enumerate() {
            let step = 1e-6;
            let mut shifted = |by: f64| {
                *trial.parameter(i) += by;
                let total = trial.total();
                *trial.parameter(i) -= by;
                total
            };
            let difference = (shifted(step) - shifted(-step)) / (2.0 * step);
            assert!(
                (difference - gradient).abs() < 1e-6 * gradient.abs().max(1.0),
                "{distance:?} {i}: {difference} {gradient}"
            );
        }
    }
}

/// A student with encoders on a batch.
struct Trained {
    net: Mlp<reference::Harness>,
    encoders: Encoders<reference::Harness>,
    x: Vec<f64>,
    teacher: Vec<f64>,
    factor: Vec<f64>,
}

impl Trained {
    const ROWS: usize = 6;

    fn new(distance: Distance, random: &mut Philox) -> Self {
        let engine = &mut reference::Harness;
        let losses = [Relation::Inherit, Relation::Explore].map(|relation| {
            let channels = Split::Halves.channels(relation, 5, 0);
            (FeatureSpec { distance, relation }, channels)
        });
        let optimiser = Optimiser::AdamW { decay: 0.0 };
        let rows = Self::ROWS;
        let mut encoders =
            Encoders::new(engine, losses.into_iter(), [5, 4], rows, optimiser, random).unwrap();
        // A half that is 0 would stand where the distance has no derivative.
        let of_encoders = encoders.parameters_mut().flatten();
        of_encoders.for_each(|w| *w += 0.1 * f64::from(random.normal()));
        Self {
            net: Mlp::new(engine, &[4, 7, 5, 3], rows, random),
            encoders,
            x: engine.upload(&numbers(random, rows * 4)),
            teacher: engine.upload(&numbers(random, rows * 3)),
            factor: engine.upload(&numbers(random, rows * 4)),
        }
    }

    /// The total of a step, which leaves all gradients.
    fn total(&mut self) -> f64 {
        let engine = &mut reference::Harness;
        let plan = engine.plan(&Preset::Lr.spec(), 3).unwrap();
        let (mut total, rows) = (engine.zeros(1), Self::ROWS);
        self.net.forward(engine, &self.x, rows);
        let batch = RowBatch {
            rows,
            student: self.net.logits_mut(),
            teacher: &self.teacher,
            labels: &vec![0, 1, 2, 0, 1, 2],
            weights: None,
            total: &mut total,
        };
        engine.row(&plan, batch).unwrap();
        let target = Target {
            rows,
            features: &self.factor,
            weight: None,
            lambdas: &[3.0, 2.0],
        };
        let encoders = &mut self.encoders;
        let add = |engine: &mut _, features: &_, gradient: &mut _| {
            encoders.backward(engine, features, &target, gradient, &mut total)
        };
        let net = &mut self.net;
        net.backward_adding(engine, &self.x, rows, add).unwrap();
        total[0]
    }

    /// The parameter of this index: the student's, then the encoders'.
    fn parameter(&mut self, i: usize) -> &mut f64 {
        let of_encoders = self.encoders.parameters_mut();
        let mut all = self.net.parameters_mut().chain(of_encoders).flatten();
        all.nth(i).expect("a parameter of this index")
    }
}

/// The gradient of every parameter, through the network and the row program, by differences.
#[test]
fn backward_is_the_derivative_of_the_total() {
    let engine = &mut reference::Harness;
    let mut random = Philox::new(8, 0);
    let (rows, sizes) = (6, [4, 7, 5, 3]);
    let x = engine.upload(&numbers(&mut random, rows * 4));
    let teacher = engine.upload(&numbers(&mut random, rows * 3));
    let labels = engine.upload_ints(&[0, 1, 2, 0, 1, 2]);
    let plan = engine.plan(&Preset::Lr.spec(), 3).unwrap();
    let mut net: Mlp<reference::Harness> = Mlp::new(engine, &sizes, rows, &mut random);
    let total = |net: &mut Mlp<reference::Harness>, engine: &mut reference::Harness| {
        let mut total = engine.zeros(1);
        net.forward(engine, &x, rows);
        let batch = RowBatch {
            rows,
            student: net.logits_mut(),
            teacher: &teacher,
            labels: &labels,
            weights: None,
            total: &mut total,
        };
        engine.row(&plan, batch).unwrap();
        net.backward(engine, &x, rows);
        total[0]
    };
    total(&mut net, engine);
    let gradients: Vec<f64> = net.gradients().concat();
    for (i, gradient) in gradients.into_iter().enumerate() {
        let h = 1e-5;
        let mut shifted = |by: f64| {
            *nth(&mut net, i) += by;
            let total = total(&mut net, engine);
            *nth(&mut net, i) -= by;
            total
        };
        let difference = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!(
            (difference - gradient).abs() < 1e-7,
            "{i}: {difference} {gradient}"
        );
    }
}

fn nth(net: &mut Mlp<reference::Harness>, i: usize) -> &mut f64 {
    let mut all = net.parameters_mut().flatten();
    all.nth(i).expect("a parameter of this index")
}

/// An updater begins anew with each network.
#[test]
fn updates_follow_their_gradient() {
    let engine = &mut cpu::Harness::default();
    let mut updater = Updater::new(
        engine,
        Optimiser::Sgd {
            momentum: 0.0,
            decay: 0.5,
        },
        &[2],
    );
    let (mut w, g) = (vec![1.0, 2.0], vec![0.5, -0.5]);
    updater.begin(0.1);
    updater.update(engine, 0, &mut w, &g, false);
    assert_eq!(w, [0.95, 2.05]);
    updater.update(engine, 0, &mut w, &[0.0, 0.0].to_vec(), true);
    assert_eq!(w, [0.95 - 0.1 * 0.475, 2.05 - 0.1 * 1.025]);
}
