//! Optimisers: their settings, and their state beside a network's parameters.

use crate::engine::{AdamWStep, Engine, SgdStep};
use crate::spec::as_tidy;

/// How a gradient becomes a step.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Optimiser {
    /// Stochastic gradient descent with Nesterov's momentum.
    Sgd {
        /// Momentum in [0, 1).
        #[serde(default = "momentum", serialize_with = "as_tidy")]
        momentum: f32,
        /// Weight decay ≥ 0, added to the gradient; biases are not decayed.
        #[serde(default = "sgd_decay", serialize_with = "as_tidy")]
        decay: f32,
    },
    /// AdamW with β = (0.9, 0.999) and ε = 1e-8.
    AdamW {
        /// Weight decay ≥ 0, apart from the gradient; biases are not decayed.
        #[serde(default = "adamw_decay", serialize_with = "as_tidy")]
        decay: f32,
    },
}

impl Default for Optimiser {
    fn default() -> Self {
        Self::Sgd {
            momentum: momentum(),
            decay: sgd_decay(),
        }
    }
}

fn momentum() -> f32 {
    0.9
}

fn sgd_decay() -> f32 {
    5e-4
}

fn adamw_decay() -> f32 {
    0.01
}

const BETAS: [f32; 2] = [0.9, 0.999];
const EPSILON: f32 = 1e-8;

/// An optimiser with its state.
pub(crate) struct Updater<E: Engine> {
    optimiser: Optimiser,
    /// Velocity, or first and second moment, of each parameter.
    state: Vec<State<E>>,
    rate: f32,
    /// Steps begun.
    steps: i32,
}

enum State<E: Engine> {
    Velocity(E::Buf),
    Moments([E::Buf; 2]),
}

impl<E: Engine> Updater<E> {
    /// The start of an optimiser over parameters of these sizes.
    pub(crate) fn new(engine: &mut E, optimiser: Optimiser, sizes: &[usize]) -> Self {
        let state = sizes.iter().map(|&size| match optimiser {
            Optimiser::Sgd { .. } => State::Velocity(engine.zeros(size)),
            Optimiser::AdamW { .. } => State::Moments([engine.zeros(size), engine.zeros(size)]),
        });
        Self {
            optimiser,
            state: state.collect(),
            rate: 0.0,
            steps: 0,
        }
    }

    /// Begins a step at this learning rate.
    pub(crate) fn begin(&mut self, rate: f32) {
        self.rate = rate;
        self.steps = self.steps.saturating_add(1);
    }

    /// Updates the parameter of this index.
    pub(crate) fn update(
        &mut self,
        engine: &mut E,
        index: usize,
        w: &mut E::Buf,
        g: &E::Buf,
        decayed: bool,
    ) {
        let rate = self.rate;
        let of = |decay: f32| if decayed { decay } else { 0.0 };
        match (self.optimiser, &mut self.state[index]) {
            (Optimiser::Sgd { momentum, decay }, State::Velocity(velocity)) => {
                let step = SgdStep {
                    rate,
                    momentum,
                    decay: of(decay),
                };
                engine.sgd(step, w, g, velocity);
            }
            (Optimiser::AdamW { decay }, State::Moments(moments)) => {
                let step = AdamWStep {
                    rate,
                    betas: BETAS,
                    epsilon: EPSILON,
                    decay: of(decay),
                    corrections: BETAS.map(|beta| 1.0 - beta.powi(self.steps)),
                };
                engine.adamw(step, w, g, moments);
            }
            _ => unreachable!("the state was made for this optimiser"),
        }
    }
}
