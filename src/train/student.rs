//! One student: training under a method, and what is kept of the run.

use super::fit::{self, Fit, HostSamples, Samples};
use super::prepare::Prepared;
use super::recipe::{Learner, Recipe};
use super::selector::{self, Selector};
use super::summary::StudentRun;
use super::{Progress, TrainError};
use crate::engine::Engine;
use crate::nn::Mlp;
use crate::random::{Philox, stream};
use crate::select::{Policy, Score};
use crate::spec::{LossSpec, Preset};
use std::time::Instant;

/// Where batches are evaluated, and the most rows of a training step unless a recipe has more.
const CAPACITY: usize = 256;

/// What a student is trained on, beside its data.
pub(crate) struct Lesson<'a> {
    pub(crate) learner: &'a Learner,
    pub(crate) spec: &'a LossSpec,
    /// Which samples the teacher supervises; all where there is no policy.
    pub(crate) policy: Option<Policy>,
    pub(crate) seed: u64,
}

/// A trained student, on the engine that it was trained on.
pub(crate) struct Learned<E: Engine> {
    pub(crate) run: StudentRun,
    pub(crate) engine: E,
    pub(crate) net: Mlp<E>,
}

/// Trains one student.
pub(crate) fn learn<E: Engine + Default>(
    prepared: &Prepared,
    lesson: &Lesson,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Learned<E>, TrainError> {
    let begin = Instant::now();
    let Lesson {
        learner,
        spec,
        policy,
        seed,
    } = *lesson;
    let mut own_engine = E::default();
    let engine = &mut own_engine;
    let host = &prepared.train;
    let samples = Samples::upload(engine, host);
    let validation = Samples::upload(engine, &prepared.validation);
    let test = Samples::upload(engine, &prepared.test);
    let plan = engine.plan(spec, host.classes)?;
    let mut selector = match policy {
        None => None,
        Some(policy) => {
            let given = averaged_el2n::<E>(policy, host, learner, seed)?;
            Some(Selector::new(
                engine,
                policy,
                spec,
                &host.labels,
                &validation,
                given,
                seed,
            )?)
        }
    };

    let mut run = StudentRun::default();
    let mut net = network(
        engine,
        host,
        learner,
        &mut Philox::new(seed, stream::STUDENT_WEIGHTS),
    );
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        recipe: &learner.recipe,
        selector: selector.as_mut(),
    };
    let order = &mut Philox::new(seed, stream::STUDENT_ORDER);
    fit.run(engine, &mut net, order, |engine, net, loss| {
        run.loss.push(loss);
        run.validation.push(fit::accuracy(engine, net, &validation));
        run.test.push(fit::accuracy(engine, net, &test));
        progress(Progress::Epoch);
    })?;
    run.choices = selector
        .map(|selector| selector.choices)
        .unwrap_or_default();
    run.seconds = begin.elapsed().as_secs_f64();
    Ok(Learned {
        run,
        engine: own_engine,
        net,
    })
}

/// A network trained on `host` alone, with weights and order of the seed's own streams.
pub(crate) fn trained<E: Engine>(
    engine: &mut E,
    host: &HostSamples,
    learner: &Learner,
    spec: &LossSpec,
    seed: u64,
    [weights, order]: [u64; 2],
    after_epoch: &dyn Fn(),
) -> Result<Mlp<E>, TrainError> {
    let samples = Samples::upload(engine, host);
    let plan = engine.plan(spec, host.classes)?;
    let mut net = network(engine, host, learner, &mut Philox::new(seed, weights));
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        recipe: &learner.recipe,
        selector: None,
    };
    fit.run(
        engine,
        &mut net,
        &mut Philox::new(seed, order),
        |_, _, _| after_epoch(),
    )?;
    Ok(net)
}

/// Layer sizes, input first.
pub(super) fn sizes(features: usize, learner: &Learner, classes: usize) -> Vec<usize> {
    [&[features], &learner.hidden[..], &[classes]].concat()
}

/// A new network of the learner's sizes.
fn network<E: Engine>(
    engine: &mut E,
    host: &HostSamples,
    learner: &Learner,
    random: &mut Philox,
) -> Mlp<E> {
    let sizes = sizes(host.width(), learner, host.classes);
    Mlp::new(engine, &sizes, learner.recipe.batch.max(CAPACITY), random)
}

/// EL2N averaged over short runs on the ground truth from other initial weights, if that is the
/// policy's score: as many epochs as its warm-up, at least one.
fn averaged_el2n<E: Engine + Default>(
    policy: Policy,
    host: &HostSamples,
    learner: &Learner,
    seed: u64,
) -> Result<Option<Vec<f32>>, TrainError> {
    /// Runs to average over.
    const RUNS: u64 = 5;
    if policy.score != Score::El2nOverSeeds {
        return Ok(None);
    }
    let recipe = Recipe {
        epochs: policy.warm_up.max(1),
        ..learner.recipe.clone()
    };
    let learner = Learner {
        recipe,
        ..learner.clone()
    };
    let mut sum = vec![0.0; host.labels.len()];
    for run in 0..RUNS {
        let engine = &mut E::default();
        let streams = [stream::PROXIES + 2 * run, stream::PROXIES + 2 * run + 1];
        let ce = Preset::Ce.spec();
        let mut net = trained(engine, host, &learner, &ce, seed, streams, &|| {})?;
        let samples = Samples::upload(engine, host);
        let plan = engine.plan(&ce, host.classes)?;
        let stats = selector::stats(engine, &mut net, &samples, &plan)?;
        sum.iter_mut()
            .zip(&stats)
            .for_each(|(sum, stats)| *sum += stats.el2n / RUNS as f32);
    }
    Ok(Some(sum))
}
