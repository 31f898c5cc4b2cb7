//! One suite for every engine: agreement with the f64 oracle within the bounds of docs/methods.md.
//!
//! `cases` makes batches with every kind of row, `judge` holds an engine's answer against the
//! oracle's, `golden` against vectors that the oracle has no part in, `edges` are points of the contract
//! that batches at random seldom meet, `properties` are laws that hold on any batch that is `drawn`, and
//! each engine instantiates [`suite!`] once per pair of types.

#[cfg(feature = "wgpu")]
mod browser;
pub(crate) mod cases;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod drawn;
mod edges;
mod golden;
mod judge;
mod properties;
#[cfg(feature = "wgpu")]
mod wgsl;

use cases::{Case, Kind, Rng};
use fused_kd::spec::{
    Divergence, Dtd, LossSpec, Normalise, Omega, Preset, Reduction, Revision, Temperature,
};

/// What an engine computed for a case. `tau` is what it used, where it computes that itself.
pub(crate) struct Answer {
    pub(crate) total: f32,
    pub(crate) gradient: Vec<f32>,
    pub(crate) stats: Vec<fused_kd::spec::RowStats>,
    pub(crate) tau: Option<Vec<f32>>,
}

/// An engine under test, with its student's and teacher's types.
pub(crate) trait Subject {
    /// How the gradient is rounded.
    const STUDENT: fused_kd::spec::Format;
    const TEACHER: fused_kd::spec::Format;
    const BOUNDS: judge::Bounds;
    const EFFORT: Effort = Effort::FULL;

    /// Whether the engine can run here; if not, it has been said.
    fn is_available() -> bool {
        true
    }

    /// Runs the case on logits that these types hold exactly.
    fn answer(case: &Case) -> Answer;
}

/// How much of the suite a subject goes through: engines that compile each specification take their
/// time.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// One in so many specifications, and in so many presets.
    pub(crate) one_in: [usize; 2],
    /// Each on all numbers of classes, or on one of them by turns.
    pub(crate) all_classes: bool,
    /// Batches that each law is held against.
    pub(crate) drawn: u32,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        one_in: [1, 1],
        all_classes: true,
        drawn: 256,
    };
}

/// Every legal specification: sides × revision × temperature, and reductions by turns.
fn specifications() -> Vec<LossSpec> {
    let divergences = [
        Divergence::ForwardKl,
        Divergence::ReverseKl,
        Divergence::JensenShannon { beta: 0.5 },
        Divergence::JensenShannon { beta: 0.1 },
        Divergence::TotalVariation,
        Divergence::MseProbs,
        Divergence::MseLogits,
        Divergence::Decoupled {
            alpha: 1.0,
            beta: 8.0,
        },
        Divergence::Decoupled {
            alpha: 0.0,
            beta: 2.0,
        },
        Divergence::Decoupled {
            alpha: 3.0,
            beta: 0.0,
        },
    ];
    let revisions = [
        Revision::None,
        Revision::LabelRevision { eta: 0.8 },
        Revision::ProbabilityShift,
        Revision::LabelSmoothing { epsilon: 0.1 },
    ];
    let cwsm = Dtd {
        omega: Omega::Cwsm,
        normalise: Normalise::None,
        ..Dtd::default()
    };
    let temperatures = [
        Temperature::Fixed(1.0),
        Temperature::Fixed(4.0),
        Temperature::PerRow,
        Temperature::Dtd(Dtd::default()),
        Temperature::Dtd(cwsm),
        Temperature::Standardised { tau: 2.0 },
    ];
    let reductions = [Reduction::Mean, Reduction::Sum, Reduction::MeanPerGroup];
    let mut all = Vec::new();
    for divergence in divergences {
        for revision in revisions {
            for temperature in temperatures {
                let i = all.len();
                let spec = LossSpec::builder()
                    .divergence(divergence)
                    .revision(revision)
                    .temperature(temperature)
                    .weights([0.9, 1.0, 0.0][i % 3], [0.1, 0.0, 1.0][i % 3])
                    .temperature_squared(i % 5 != 4)
                    .reduction(reductions[i % 3]);
                // Pairs that have no meaning together are refused by the builder.
                all.extend(spec.build());
            }
        }
    }
    all
}

/// Every specification on small batches in which rows of every kind stand side by side.
pub(crate) fn every_specification<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(1);
    let (mut rows, mut skipped) = (0, 0);
    let all = specifications();
    let some = all.iter().enumerate().step_by(S::EFFORT.one_in[0]);
    for (turn, (i, spec)) in some.enumerate() {
        for (j, classes) in [1, 2, 3, 10, 31, 100].into_iter().enumerate() {
            // Six temperatures follow each other, so that turns are shifted every six.
            if !S::EFFORT.all_classes && j != (turn + turn / 6) % 6 {
                continue;
            }
            let kinds = if i % 2 == 0 {
                &Kind::TAME[..]
            } else {
                &Kind::ALL[..]
            };
            skipped += judge::judge::<S>(&Case::new(&mut rng, spec, 24, classes, kinds));
            let variation = spec.right().divergence == Divergence::TotalVariation;
            rows += if variation { 24 } else { 0 };
        }
    }
    println!("total variation: the gradient of {skipped} of {rows} rows has a kink");
    // A sample may be all kinks.
    assert!(
        S::EFFORT.one_in[0] > 1 || 4 * skipped < rows,
        "too few gradients are judged: {skipped} of {rows} skipped"
    );
}

/// The third preset, which revises labels, is always among them.
fn presets<S: Subject>() -> impl Iterator<Item = Preset> {
    let [_, n] = S::EFFORT.one_in;
    let some = Preset::ALL.into_iter().enumerate();
    some.filter(move |(i, _)| i % n == 2 % n)
        .map(|(_, preset)| preset)
}

/// Every preset on the sizes that people run.
pub(crate) fn every_preset_on_sizes<S: Subject>(most: usize, classes: &[usize]) {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(2);
    for preset in presets::<S>() {
        for &classes in classes {
            for rows in [0, 1, 7, 513] {
                if rows * classes <= most {
                    let case = Case::new(&mut rng, &preset.spec(), rows, classes, &Kind::ALL);
                    judge::judge::<S>(&case);
                }
            }
        }
    }
}

/// Each kind of row alone, so that a failure says which it was.
pub(crate) fn every_kind_alone<S: Subject>() {
    if !S::is_available() {
        return;
    }
    let mut rng = Rng::new(3);
    for kind in Kind::ALL {
        for preset in presets::<S>() {
            for classes in [1, 2, 10, 1003] {
                judge::judge::<S>(&Case::new(&mut rng, &preset.spec(), 7, classes, &[kind]));
            }
        }
    }
}

/// The suite for one subject.
macro_rules! suite {
    ($name:ident, $subject:ty, $most:expr, $classes:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn every_specification() {
                crate::parity::every_specification::<$subject>();
            }

            #[test]
            fn every_preset_on_sizes() {
                crate::parity::every_preset_on_sizes::<$subject>($most, $classes);
            }

            #[test]
            fn every_kind_alone() {
                crate::parity::every_kind_alone::<$subject>();
            }

            crate::parity::properties::laws!($subject);
        }
    };
}
pub(crate) use suite;
