//! Data selection: which samples the teacher supervises.
//!
//! Lan et al. (arXiv 2404.03693) let the teacher supervise a chosen part of the training set and
//! the ground truth all of it. Their score is an influence; how exactly could not be read, so a
//! [`Policy`] names its parts, and its default is ours. Scores come from the records that the row
//! program writes anyway ([`RowStats`](crate::spec::RowStats)), from influence on a validation
//! set, or from a sample's history; [`select`] turns them into a choice, the same one every time.

mod history;
mod policy;
mod score;

pub use history::History;
pub use policy::{Keep, Policy, select};
pub use score::Score;
