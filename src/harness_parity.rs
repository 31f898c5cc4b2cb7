//! The harness's operations agree between engines: each against the oracle's plain loops.

use crate::engine::{AdamWStep, Engine, FeatureBatch, Form, Product, RowBatch, SgdStep};
use crate::feature::{Encoders, Split, Target};
use crate::nn::{Mlp, Optimiser, Updater};
use crate::random::Philox;
use crate::spec::{Distance, FeatureSpec, Preset, Relation};
use crate::train::fit::{Fit, HostSamples, Samples};
use crate::train::pupil::Pupil;
use crate::train::{Recipe, Schedule, Term};
use crate::{cpu, reference};

/// What an operation leaves behind, read back.
type Trial<E> = fn(&mut E, &mut Philox) -> Vec<f32>;

pub(crate) fn numbers(random: &mut Philox, len: usize) -> Vec<f32> {
    (0..len).map(|_| random.normal()).collect()
}

fn read<E: Engine>(engine: &mut E, buf: &E::Buf, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    engine.download(&mut [(buf, &mut out)]).unwrap();
    out
}

pub(crate) fn agree(name: &str, a: &[f32], b: &[f32], bound: f32) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!(
            (a - b).abs() <= bound * b.abs().max(1.0),
            "{name}[{i}]: {a}, reference {b}"
        );
    }
}

fn multiply<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let mut all = Vec::new();
    for form in [Form::Plain, Form::LeftTransposed, Form::RightTransposed] {
        for (rows, columns, inner) in [(1, 1, 1), (3, 5, 7), (33, 10, 64), (128, 32, 17)] {
            let a = engine.upload(&numbers(random, rows * inner));
            let b = engine.upload(&numbers(random, inner * columns));
            let mut out = engine.upload(&vec![7.0; rows * columns]);
            engine.multiply(
                Product {
                    rows,
                    columns,
                    inner,
                    form,
                },
                &a,
                &b,
                &mut out,
            );
            all.extend(read(engine, &out, rows * columns));
        }
    }
    all
}

fn layers<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, width) = (9, 13);
    let bias = engine.upload(&numbers(random, width));
    let gradient = numbers(random, rows * width);
    let mut all = Vec::new();
    for relu in [true, false] {
        let mut x = engine.upload(&numbers(random, rows * width));
        // One row fewer than there is room for: the last must stay as it is.
        engine.bias_relu(&mut x, &bias, rows - 1, relu);
        let mut g = engine.upload(&gradient);
        engine.relu_backward(&mut g, &x, (rows - 1) * width);
        let mut sums = engine.zeros(width);
        engine.column_sums(&g, rows - 1, &mut sums);
        all.extend(
            [
                read(engine, &x, rows * width),
                read(engine, &g, rows * width),
            ]
            .concat(),
        );
        all.extend(read(engine, &sums, width));
    }
    all
}

fn gathers<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let from = engine.upload(&numbers(random, 6 * 4));
    let indices = engine.upload_ints(&[5, 0, 0, 3, 2]);
    let mut rows = engine.zeros(3 * 4);
    engine.gather(&from, 4, &indices, 1..4, &mut rows);
    let mut all = read(engine, &rows, 3 * 4);
    // Labels cannot be read back; hits tell whether they arrived. Row 1 is a tie that 0 wins.
    let labels = engine.upload_ints(&[1, 0, 2, 2, 0, 1]);
    let mut gathered = engine.zero_ints(3);
    engine.gather_ints(&labels, &indices, 1..4, &mut gathered);
    let logits = engine.upload(&[0.0, 1.0, 0.5, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0]);
    let mut count = engine.upload(&[10.0]);
    engine.hits(&logits, &gathered, 3, 3, &mut count);
    all.extend(read(engine, &count, 1));
    all
}

fn columns<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, width) = (5, 7);
    let from = engine.upload(&numbers(random, rows * width));
    let chosen = engine.upload_ints(&[6, 0, 3]);
    let mut half = engine.upload(&vec![7.0; rows * 3]);
    // One row fewer than there is room for: the last must stay as it is.
    engine.gather_columns(&from, width, &chosen, rows - 1, &mut half);
    let mut into = engine.upload(&numbers(random, rows * width));
    engine.add_columns(&half, &chosen, rows - 1, &mut into, width);
    [
        read(engine, &half, rows * 3),
        read(engine, &into, rows * width),
    ]
    .concat()
}

fn absolute_errors<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let len = 33;
    let target = numbers(random, len);
    let mut values = numbers(random, len);
    values[5] = target[5];
    let (mut output, target) = (engine.upload(&values), engine.upload(&target));
    let mut total = engine.upload(&[10.0]);
    engine.absolute_error(&mut output, &target, len - 1, &mut total);
    [read(engine, &output, len), read(engine, &total, 1)].concat()
}

fn features<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, width) = (5, 17);
    let mut all = Vec::new();
    for distance in Distance::ALL {
        for (relation, weighted) in [(Relation::Inherit, true), (Relation::Explore, false)] {
            let plan = engine.feature_plan(&FeatureSpec { distance, relation }, width);
            let plan = plan.unwrap();
            let mut student = engine.upload(&numbers(random, rows * width));
            let target = engine.upload(&numbers(random, rows * width));
            let weight = engine.upload(&[1.0, 0.0, 2.0, 1.0, 1.0]);
            let mut total = engine.upload(&[10.0]);
            let batch = FeatureBatch {
                rows: rows - 1,
                student: &mut student,
                target: &target,
                weight: weighted.then_some(&weight),
                upstream: 50.0,
                total: &mut total,
            };
            engine.feature(&plan, batch).unwrap();
            all.extend(read(engine, &student, rows * width));
            all.extend(read(engine, &total, 1));
        }
    }
    all
}

fn steps<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let len = 37;
    let (mut w, g) = (
        engine.upload(&numbers(random, len)),
        engine.upload(&numbers(random, len)),
    );
    let mut velocity = engine.zeros(len);
    let mut moments = [engine.zeros(len), engine.zeros(len)];
    for t in 1..4 {
        engine.sgd(
            SgdStep {
                rate: 0.1,
                momentum: 0.9,
                decay: 0.01,
            },
            &mut w,
            &g,
            &mut velocity,
        );
        let betas = [0.9_f32, 0.999];
        let corrections = betas.map(|beta| 1.0 - beta.powi(t));
        let step = AdamWStep {
            rate: 0.1,
            betas,
            epsilon: 1e-8,
            decay: 0.01,
            corrections,
        };
        engine.adamw(step, &mut w, &g, &mut moments);
    }
    read(engine, &w, len)
}

fn rows<E: Engine>(engine: &mut E, random: &mut Philox) -> Vec<f32> {
    let (rows, classes) = (7, 5);
    let mut all = Vec::new();
    for (preset, weighted) in [
        (Preset::Lr, true),
        (Preset::LrMse, false),
        (Preset::Lskd, true),
        (Preset::DtdKa, true),
    ] {
        let plan = engine.plan(&preset.spec(), classes).unwrap();
        let mut student = engine.upload(&numbers(random, rows * classes));
        let teacher = engine.upload(&numbers(random, rows * classes));
        let labels = engine.upload_ints(&[0, 1, 2, 3, 4, crate::spec::IGNORE, 0]);
        let ones = engine.upload(&[1.0, 10.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        let kept = engine.upload(&[1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0]);
        let (rows, student, teacher, labels) = (rows - 1, &mut student, &teacher, &labels);
        let records = engine.stats(&plan, rows, student, teacher, labels);
        for record in records.unwrap() {
            all.extend([record.loss, record.beta, record.el2n, record.teacher_margin]);
            all.extend([record.teacher_top as f32, record.student_top as f32]);
        }
        all.extend(
            engine
                .influence(rows, student, teacher, labels, classes)
                .unwrap(),
        );
        let mut total = engine.upload(&[10.0]);
        let batch = RowBatch {
            rows,
            student,
            teacher,
            labels,
            weights: weighted.then_some([&ones, &kept]),
            total: &mut total,
        };
        engine.row(&plan, batch).unwrap();
        all.extend(read(engine, student, (rows + 1) * classes));
        all.extend(read(engine, &total, 1));
    }
    all
}

/// Each operation, alone, as the oracle's plain loops have it.
pub(crate) fn agree_with_the_oracle<E: Engine>(engine: &mut E, bound: f32) {
    let trials: [(&str, Trial<E>, Trial<reference::Harness>); 9] = [
        ("multiply", multiply, multiply),
        ("layers", layers, layers),
        ("gathers", gathers, gathers),
        ("columns", columns, columns),
        ("absolute errors", absolute_errors, absolute_errors),
        ("features", features, features),
        ("rows", rows, rows),
        ("steps", steps, steps),
        // Zeros are zeros where others have been.
        ("steps again", steps, steps),
    ];
    for (name, on_engine, on_reference) in trials {
        let a = on_engine(engine, &mut Philox::new(1, 0));
        let b = on_reference(&mut reference::Harness, &mut Philox::new(1, 0));
        agree(name, &a, &b, bound);
    }
}

#[test]
fn operations_agree_with_the_reference() {
    agree_with_the_oracle(&mut cpu::Harness::default(), 1e-5);
}

/// The hits of [`gathers`] by hand: rows 0, 0 and 3 of the labels are 1, 1 and 2.
#[test]
fn gathered_labels_are_counted() {
    let all = gathers(&mut reference::Harness, &mut Philox::new(1, 0));
    assert_eq!(all.last(), Some(&12.0));
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
    let recipe = Recipe {
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
    let mut pupil = Pupil::new(engine, &mut net, optimiser, of_net);
    let mut peer = mutual.then(|| Pupil::new(engine, &mut peer, optimiser, of_peer));
    let mut losses = Vec::new();
    let mut order = Philox::new(7, 0);
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        recipe: &recipe,
        terms,
        selector: None,
    };
    let (steps, mut seen) = (fit.steps_per_epoch(pupil.net), 0.0);
    let (peer, order) = (peer.as_mut(), &mut order);
    fit.run(engine, &mut pupil, peer, order, |engine, _, total| {
        let mut sum = [0.0];
        engine.download(&mut [(total, &mut sum)])?;
        losses.push((sum[0] - seen) / steps as f32);
        seen = sum[0];
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
        for optimiser in [
            Optimiser::Sgd {
                momentum: 0.9,
                decay: 1e-3,
            },
            Optimiser::AdamW { decay: 0.01 },
        ] {
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
    let optimiser = Optimiser::Sgd {
        momentum: 0.9,
        decay: 1e-3,
    };
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
