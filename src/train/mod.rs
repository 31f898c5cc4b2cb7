//! The harness: a teacher, students under several losses, and what came of them.
//!
//! Nothing here prints, and nothing here names a device: training runs on the engine that it is
//! given.

mod compare;
pub(crate) mod fit;
mod inspect;
mod look;
mod method;
mod metrics;
mod model;
mod prepare;
pub(crate) mod pupil;
mod recipe;
mod run;
mod scenario;
mod selector;
mod setting;
mod student;
mod summary;
mod term;

pub use crate::feature::{Factor, Split};
pub use crate::nn::Optimiser;
pub(crate) use compare::compare;
pub use compare::{Progress, TrainError};
pub use inspect::{Picture, ReliabilityBin, RevisedSample};
pub use method::Method;
pub use metrics::{Paired, Spread};
pub(crate) use model::predict;
pub use model::{About, Model, ModelError, Predictions};
pub use recipe::{Learner, Recipe, Schedule};
pub(crate) use run::run;
pub use run::{
    BestEpoch, ConfigError, Run, RunConfig, RunResult, RunRows, StudentScores, TeacherScores,
};
pub use scenario::Scenario;
pub use setting::{Budget, Setting, TrainSize};
pub use summary::{
    BudgetPoint, Comparison, Curve, MethodResult, Selected, SettingSummary, Similarities,
    Similarity, TeacherResult, TermDistance, TermDistances,
};
pub use term::{Term, Terms};
