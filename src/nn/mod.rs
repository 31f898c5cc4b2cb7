//! The small native network: a multilayer perceptron with rectified linear units, on engine
//! operations alone.

mod mlp;
mod optimiser;

pub(crate) use mlp::Mlp;
pub use optimiser::Optimiser;
pub(crate) use optimiser::Updater;

/// The index of the largest logit, the lowest winning ties; 0 for a row without order.
pub(crate) fn top(logits: &[f32]) -> usize {
    let mut top = 0;
    for (c, &z) in logits.iter().enumerate() {
        if z > logits[top] {
            top = c;
        }
    }
    top
}
