//! A learner's network: new, or trained on labels alone.

use super::error::TrainError;
use super::fit::Fit;
use super::memory::CAPACITY;
use super::recipe::Learner;
use super::samples::{HostSamples, Samples};
use super::student_state::StudentState;
use crate::engine::Engine;
use crate::nn::Mlp;
use crate::random::Philox;
use crate::spec::LossSpec;

/// A new network of the learner's sizes.
pub(super) fn network<E: Engine>(
    engine: &mut E,
    host: &HostSamples,
    learner: &Learner,
    random: &mut Philox,
) -> Mlp<E> {
    let sizes = learner.sizes(host.width(), host.classes);
    Mlp::new(engine, &sizes, learner.batch.max(CAPACITY), random)
}

/// A network trained on `host` alone, with weights and order of the seed's own streams.
pub(super) fn trained<E: Engine>(
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
        learner,
        terms: &[],
        selector: None,
    };
    let mut state = StudentState::new(engine, &mut net, learner.optimiser, None);
    fit.run(
        engine,
        &mut state,
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
