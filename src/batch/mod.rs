//! What a call is given, in one vocabulary for every engine and every kind of memory, and what is
//! refused before anything is written.

mod builder;
pub(crate) mod check;
mod counts;
mod element;
mod host;
mod logits;
mod raw;

pub(crate) use builder::{Place, Upstream, shared_methods};
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) use builder::{feature_batch, row_batch};
pub use counts::Counts;
pub(crate) use counts::weighted;
pub use element::Element;
pub(crate) use host::written;
pub use host::{Batch, FeatureBatch};
pub(crate) use logits::RowLogits;
pub use raw::{Address, RawBatch, RawFeatureBatch, TypedAddress};
