//! Feature distillation: inheritance and exploration (Huang et al., arXiv 2107.00181), for networks
//! whose features are vectors: what the last layer sees.
//!
//! 1. An auto-encoder of linear maps learns to reconstruct the frozen teacher's features; what its
//!    encoder makes of them is the factor `F_T` ([`Factor`]).
//! 2. The student's features are split into two halves ([`Split`]): one inherits, the other explores.
//!    An encoder of each half, trained with the student, brings it to the shape of the factor.
//! 3. `L = CE + λ_inh · dist(F_inh, F_T) − λ_exp · dist(F_exp, F_T)` with the normalised distances of
//!    [`spec::Distance`](crate::spec::Distance), and any other loss of the logits in place of CE.
//!
//! Encoders are part of the training alone: what is kept is the student as it is without them. Their
//! λ and schedules are [`train::Term`](crate::train::Term)s. Everything stands on engine operations;
//! the distance and its gradient are one fused call.

mod encoders;
mod factor;
mod similarity;
mod split;

pub(crate) use encoders::{Encoders, Target};
pub use factor::Factor;
pub(crate) use factor::encode;
pub(crate) use similarity::Centred;
pub use split::Split;
