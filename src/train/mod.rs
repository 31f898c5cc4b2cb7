//! The harness: a teacher, students under several losses, and what came of them.
//!
//! Nothing here prints, and nothing here names a device: training runs on the engine that it is
//! given.

mod compare;
mod comparison;
mod data_check;
mod divergence;
mod error;
mod feature_probe;
pub(crate) mod fit;
mod given_teacher;
mod inspect;
pub(crate) mod memory;
mod method;
mod metrics;
mod model;
mod network;
mod prepare;
mod recipe;
mod record;
mod row_counts;
mod run;
mod run_result;
pub(crate) mod samples;
mod selector;
mod setting;
mod student;
mod student_setup;
pub(crate) mod student_state;
mod term;

pub use crate::data::{ScalingRule, TeacherFiles};
pub use crate::feature::{Factor, Split};
pub use crate::nn::Optimiser;
pub(crate) use compare::compare;
pub use comparison::{BudgetPoint, Comparison, MethodResult, TeacherResult};
pub(crate) use divergence::listed as listed_seeds;
pub use error::{Finished, Progress, TrainError};
pub use inspect::{Picture, ReliabilityBin, RevisedSample};
pub use method::Method;
pub use metrics::{Paired, Spread};
pub(crate) use model::predict;
pub use model::{About, Columns, Model, ModelError, Predictions};
pub use recipe::{Learner, Schedule};
pub use record::{Curve, Selected, Similarity, TermDistance};
pub use row_counts::RowCounts;
pub use run::Run;
pub(crate) use run::run;
pub use run_result::{BestEpoch, RunResult, StudentScores, TeacherScores};
pub use setting::{
    Budget, Data, Features, Loss, Overlay, Scenario, Setting, SettingError, TrainSize,
};
pub use term::Term;
