//! What a student is trained by, beside its data.

use super::method::Method;
use super::recipe::Learner;
use super::samples::Samples;
use super::student_state::StudentState;
use crate::engine::{Engine, EngineError};
use crate::feature::{Encoders, Split};
use crate::nn::Mlp;
use crate::random::Philox;

/// What a student is trained by, beside its data.
pub(super) struct StudentSetup<'a> {
    pub(super) learner: &'a Learner,
    pub(super) method: &'a Method,
    /// Which channels of the last hidden layer feature terms see.
    pub(super) split: Split,
    pub(super) seed: u64,
}

impl StudentSetup<'_> {
    /// A network with its optimiser, and its encoders if there are feature terms.
    pub(super) fn state<'n, E: Engine>(
        &self,
        engine: &mut E,
        net: &'n mut Mlp<E>,
        samples: &Samples<E>,
        encoders: u64,
    ) -> Result<StudentState<'n, E>, EngineError> {
        let (optimiser, width) = (self.learner.optimiser, self.features());
        let losses = self.method.terms.iter().map(|term| {
            let channels = self.split.channels(term.relation, width, self.seed);
            (term.spec(), channels)
        });
        // A peer's factor is its features as they are: nothing that moves can be frozen.
        let to = match self.method.mutual {
            true => width,
            false => samples.factor_width(),
        };
        let encoders = match self.method.terms[..] {
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
        Ok(StudentState::new(engine, net, optimiser, encoders))
    }

    /// Features of the student: its last hidden layer.
    fn features(&self) -> usize {
        self.learner.hidden.last().copied().unwrap_or(0)
    }
}
