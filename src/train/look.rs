//! A look at the halves of a student's features: how alike they are to those of what supervises it,
//! and how far their factors are from its own.

use super::fit::{self, Samples};
use super::pupil::Pupil;
use super::student::Lesson;
use super::summary::{Similarity, StudentRun, TermDistance};
use crate::engine::{Engine, EngineError};
use crate::feature::Centred;
use crate::nn::Mlp;
use crate::spec::Relation;

/// What is seen at one time.
pub(super) struct Look {
    /// The inheriting and the exploring half, where similarities are asked for.
    alike: Option<[f64; 2]>,
    /// One per feature term.
    distances: Vec<f64>,
}

/// What is looked at.
pub(super) struct Scene<'a, E: Engine> {
    pub(super) lesson: &'a Lesson<'a>,
    /// The teacher's features on the test rows, where similarities are asked for.
    pub(super) teacher: Option<&'a Centred>,
    /// With the teacher's factor.
    pub(super) train: &'a Samples<E>,
    pub(super) test: &'a Samples<E>,
}

impl<E: Engine> Scene<'_, E> {
    /// Looks at a student; `peer` takes the teacher's place.
    pub(super) fn look(
        &self,
        engine: &mut E,
        pupil: &mut Pupil<E>,
        peer: Option<&mut Pupil<E>>,
    ) -> Result<Look, EngineError> {
        let mut peer = peer.map(|peer| &mut *peer.net);
        Ok(Look {
            distances: pupil.distances(engine, self.train, peer.as_deref_mut())?,
            alike: self
                .teacher
                .map(|teacher| self.alike(engine, pupil.net, peer, teacher))
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
        let of_peer = peer.map(|peer| fit::features(engine, peer, self.test));
        let of_peer = of_peer
            .transpose()?
            .map(|(values, width)| Centred::of(&values, width));
        let (values, width) = fit::features(engine, net, self.test)?;
        let Lesson { split, seed, .. } = *self.lesson;
        Ok([Relation::Inherit, Relation::Explore].map(|relation| {
            let channels = split.channels(relation, width, seed);
            let half = Centred::of_channels(&values, width, &channels);
            half.cka(of_peer.as_ref().unwrap_or(of_teacher))
        }))
    }
}

impl Look {
    /// Keeps what has changed since an earlier look.
    pub(super) fn keep(self, before: Self, lesson: &Lesson, run: &mut StudentRun) {
        let alike = before.alike.zip(self.alike);
        run.similarity = alike.map(|(before, after)| Similarity {
            inherit_before: before[0],
            inherit_after: after[0],
            explore_before: before[1],
            explore_after: after[1],
        });
        let distances = before.distances.into_iter().zip(self.distances);
        let of_term = |(term, (before, after)): (&super::Term, _)| TermDistance {
            relation: term.relation,
            before,
            after,
        };
        run.distances = lesson.terms.iter().zip(distances).map(of_term).collect();
    }
}
