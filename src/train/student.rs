//! One student: training under a method, and what is kept of the run.

use super::error::{Progress, TrainError};
use super::feature_probe::FeatureProbe;
use super::fit::Fit;
use super::network::{network, trained};
use super::prepare::Prepared;
use super::recipe::Learner;
use super::record::StudentRun;
use super::samples::{HostSamples, Samples, accuracies, is_finite};
use super::selector::{self, Selector};
use super::student_setup::StudentSetup;
use crate::engine::{Engine, Source};
use crate::nn::Mlp;
use crate::random::{Philox, stream};
use crate::select::{Policy, Score};
use crate::spec::Preset;
use std::time::Instant;

/// A trained student, on the engine that it was trained on.
pub(super) struct Learned<E: Engine> {
    pub(super) run: StudentRun,
    pub(super) engine: E,
    pub(super) net: Mlp<E>,
}

/// Trains one student.
pub(super) fn learn<E: Engine>(
    engines: Source<E>,
    prepared: &Prepared,
    setup: &StudentSetup,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Learned<E>, TrainError> {
    let begin = Instant::now();
    let StudentSetup {
        learner,
        method,
        seed,
        ..
    } = *setup;
    let mut own_engine = engines()?;
    let engine = &mut own_engine;
    let host = &prepared.train;
    let samples = Samples::upload(engine, host);
    let validation = Samples::upload(engine, &prepared.validation);
    let test = Samples::upload(engine, &prepared.test);
    let plan = engine.plan(&method.spec, host.classes)?;
    let mut selector = match method.policy {
        None => None,
        Some(policy) => {
            let given = averaged_el2n(engines, policy, host, learner, seed)?;
            Some(Selector::new(
                engine,
                policy,
                &method.spec,
                &host.labels,
                &validation,
                given,
                seed,
            )?)
        }
    };

    let mut run = StudentRun::default();
    let mut random = |weights| network(engine, host, learner, &mut Philox::new(seed, weights));
    let mut net = random(stream::STUDENT_WEIGHTS);
    let mut peer = method.mutual.then(|| random(stream::PEER_WEIGHTS));
    let mut state = setup.state(engine, &mut net, &samples, stream::ENCODERS)?;
    let mut other = match &mut peer {
        None => None,
        Some(peer) => Some(setup.state(engine, peer, &samples, stream::PEER_ENCODERS)?),
    };
    let probe = FeatureProbe {
        setup,
        teacher: prepared.features.as_ref(),
        train: &samples,
        test: &test,
    };
    let before = probe.look(engine, &mut state, other.as_mut())?;
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        learner,
        terms: &method.terms,
        selector: selector.as_mut(),
    };
    let order = &mut Philox::new(seed, stream::STUDENT_ORDER);
    let steps = fit.steps_per_epoch(state.net) as f32;
    fit.run(
        engine,
        &mut state,
        other.as_mut(),
        order,
        |engine, net, total| {
            let sets = [&validation, &test];
            let (sum, [of_validation, of_test]) = accuracies(engine, net, sets, total)?;
            run.curve.loss.push(sum / steps);
            run.curve.validation.push(of_validation);
            run.curve.test.push(of_test);
            progress(Progress::Epoch);
            Ok(())
        },
    )?;
    let finite = is_finite(engine, state.net, [&validation, &test])?;
    run.note_divergence(finite);
    let after = probe.look(engine, &mut state, other.as_mut())?;
    after.keep(before, method, &mut run);
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

/// EL2N averaged over short runs on the ground truth from other initial weights, if that is the
/// policy's score: as many epochs as its warm-up, at least one.
fn averaged_el2n<E: Engine>(
    engines: Source<E>,
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
    let learner = Learner {
        epochs: policy.warm_up.max(1),
        ..learner.clone()
    };
    let mut sum = vec![0.0; host.labels.len()];
    for run in 0..RUNS {
        let engine = &mut engines()?;
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
