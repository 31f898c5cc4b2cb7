//! The small native network: a multilayer perceptron with rectified linear units, on engine
//! operations alone.

mod mlp;
mod optimiser;

pub(crate) use mlp::{Mlp, Parameters};
pub use optimiser::Optimiser;
pub(crate) use optimiser::Updater;
