//! A look at the halves of a student's features: how alike they are to those of what supervises it,
//! and how far their factors are from its own.

use super::method::Method;
use super::record::{Similarity, StudentRun, TermDistance};
use super::samples::{self, Samples};
use super::student_setup::StudentSetup;
use super::student_state::StudentState;
use super::term::Term;
use crate::engine::{Engine, EngineError};
use crate::feature::Centred;
use crate::nn::Mlp;
use crate::spec::Relation;

/// What is seen at one time.
pub(super) struct Seen {
    /// The inheriting and the exploring half, where similarities are asked for.
    alike: Option<[f64; 2]>,
    /// One per feature term.
    distances: Vec<f64>,
}

/// What is looked at.
pub(super) struct FeatureProbe<'a, E: Engine> {
    pub(super) setup: &'a StudentSetup<'a>,
    /// The teacher's features on the test rows, where similarities are asked for.
    pub(super) teacher: Option<&'a Centred>,
    /// With the teacher's factor.
    pub(super) train: &'a Samples<E>,
    pub(super) test: &'a Samples<E>,
}

impl<E: Engine> FeatureProbe<'_, E> {
    /// Looks at a student; `peer` takes the teacher's place.
    pub(super) fn look(
        &self,
        engine: &mut E,
        state: &mut StudentState<E>,
        peer: Option<&mut StudentState<E>>,
    ) -> Result<Seen, EngineError> {
        let mut peer = peer.map(|peer| &mut *peer.net);
        Ok(Seen {
            distances: state.distances(engine, self.train, peer.as_deref_mut())?,
            alike: self
                .teacher
                .map(|teacher| self.alike(engine, state.net, peer, teacher))
                .transpose()?,
        })
    }

    fn alike(
        &self,
        engine: &mut E,
        net: &mut Mlp<E>,
        peer: Option<&mut Mlp<E>>,
        of_teacher: &Centred,
    ) -> Result<[f64; 2], EngineError> {
        let of_peer = peer.map(|peer| samples::features(engine, peer, self.test));
        let of_peer = of_peer
            .transpose()?
            .map(|(values, width)| Centred::of(&values, width));
        let (values, width) = samples::features(engine, net, self.test)?;
        let StudentSetup { split, seed, .. } = *self.setup;
        Ok([Relation::Inherit, Relation::Explore].map(|relation| {
            let channels = split.channels(relation, width, seed);
            let half = Centred::of_channels(&values, width, &channels);
            half.cka(of_peer.as_ref().unwrap_or(of_teacher))
        }))
    }
}

impl Seen {
    /// Keeps what has changed since an earlier look.
    pub(super) fn keep(self, before: Self, method: &Method, run: &mut StudentRun) {
        let alike = before.alike.zip(self.alike);
        run.similarity = alike.map(|(before, after)| Similarity {
            inherit_before: before[0],
            inherit_after: after[0],
            explore_before: before[1],
            explore_after: after[1],
        });
        let distances = before.distances.into_iter().zip(self.distances);
        let of_term = |(term, (before, after)): (&Term, _)| TermDistance {
            relation: term.relation,
            before,
            after,
        };
        run.distances = method.terms.iter().zip(distances).map(of_term).collect();
    }
}
