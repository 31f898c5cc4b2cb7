//! Distances of feature vectors: the row program's lanes and spans, with a kernel of their own.

mod plan;
mod pointers;
mod run;
mod views;

pub use plan::FeaturePlan;
pub use pointers::FeaturePointers;
pub use views::FeatureViews;
