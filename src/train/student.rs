//! One student: training under a method, and what is kept of the run.

use super::fit::{self, Fit, HostSamples, Samples};
use super::look::Scene;
use super::prepare::Prepared;
use super::pupil::Pupil;
use super::recipe::{Learner, Recipe};
use super::selector::{self, Selector};
use super::summary::StudentRun;
use super::term::Term;
use super::{Progress, TrainError};
use crate::engine::{Engine, EngineError, Source};
use crate::feature::{Encoders, Split};
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
    /// Feature terms beside the loss of the logits.
    pub(crate) terms: &'a [Term],
    /// Which channels of the last hidden layer feature terms see.
    pub(crate) split: Split,
    /// Whether a second student is trained in turns with the first and takes the teacher's place.
    pub(crate) mutual: bool,
    pub(crate) seed: u64,
}

/// A trained student, on the engine that it was trained on.
pub(crate) struct Learned<E: Engine> {
    pub(crate) run: StudentRun,
    pub(crate) engine: E,
    pub(crate) net: Mlp<E>,
}

/// Trains one student.
pub(crate) fn learn<E: Engine>(
    engines: Source<E>,
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
        ..
    } = *lesson;
    let mut own_engine = engines()?;
    let engine = &mut own_engine;
    let host = &prepared.train;
    let samples = Samples::upload(engine, host);
    let validation = Samples::upload(engine, &prepared.validation);
    let test = Samples::upload(engine, &prepared.test);
    let plan = engine.plan(spec, host.classes)?;
    let mut selector = match policy {
        None => None,
        Some(policy) => {
            let given = averaged_el2n(engines, policy, host, learner, seed)?;
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
    let mut random = |weights| network(engine, host, learner, &mut Philox::new(seed, weights));
    let mut net = random(stream::STUDENT_WEIGHTS);
    let mut peer = lesson.mutual.then(|| random(stream::PEER_WEIGHTS));
    let mut pupil = lesson.pupil(engine, &mut net, &samples, stream::ENCODERS)?;
    let mut other = match &mut peer {
        None => None,
        Some(peer) => Some(lesson.pupil(engine, peer, &samples, stream::PEER_ENCODERS)?),
    };
    let scene = Scene {
        lesson,
        teacher: prepared.features.as_ref(),
        train: &samples,
        test: &test,
    };
    let before = scene.look(engine, &mut pupil, other.as_mut())?;
    let fit = Fit {
        samples: &samples,
        plan: &plan,
        recipe: &learner.recipe,
        terms: lesson.terms,
        selector: selector.as_mut(),
    };
    let order = &mut Philox::new(seed, stream::STUDENT_ORDER);
    let steps = fit.steps_per_epoch(pupil.net) as f32;
    fit.run(
        engine,
        &mut pupil,
        other.as_mut(),
        order,
        |engine, net, total| {
            let sets = [&validation, &test];
            let (sum, [of_validation, of_test]) = fit::accuracies(engine, net, sets, total)?;
            run.loss.push(sum / steps);
            run.validation.push(of_validation);
            run.test.push(of_test);
            progress(Progress::Epoch);
            Ok(())
        },
    )?;
    let after = scene.look(engine, &mut pupil, other.as_mut())?;
    after.keep(before, lesson, &mut run);
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

impl Lesson<'_> {
    /// A network with its optimiser, and its encoders if there are feature terms.
    fn pupil<'n, E: Engine>(
        &self,
        engine: &mut E,
        net: &'n mut Mlp<E>,
        samples: &Samples<E>,
        encoders: u64,
    ) -> Result<Pupil<'n, E>, EngineError> {
        let (optimiser, width) = (self.learner.recipe.optimiser, self.features());
        let losses = self.terms.iter().map(|term| {
            let channels = self.split.channels(term.relation, width, self.seed);
            (term.spec(), channels)
        });
        // A peer's factor is its features as they are: nothing that moves can be frozen.
        let to = match self.mutual {
            true => width,
            false => samples.factor_width(),
        };
        let encoders = match self.terms {
            [] => None,
            _ => Some(Encoders::new(
                engine,
                losses,
                [width, to],
                net.capacity(),
                optimiser,
                &mut Philox::new(self.seed, encoders),
            )?),
        };
        Ok(Pupil::new(engine, net, optimiser, encoders))
    }

    /// Features of the student: its last hidden layer.
    fn features(&self) -> usize {
        self.learner.hidden.last().copied().unwrap_or(0)
    }
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
        terms: &[],
        selector: None,
    };
    let mut pupil = Pupil::new(engine, &mut net, learner.recipe.optimiser, None);
    fit.run(
        engine,
        &mut pupil,
        None,
        &mut Philox::new(seed, order),
        |engine, _, total| {
            // A device that is slower than the host would be asked for ever more.
            engine.download(&mut [(total, &mut [0.0])])?;
            after_epoch();
            Ok(())
        },
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
