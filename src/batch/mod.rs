//! A batch in the host's memory, and what an engine refuses of it before anything is written.

pub(crate) mod check;
mod element;
mod feature;
mod rows;
mod student;

pub use element::Element;
pub use feature::FeatureRows;
pub use rows::{Counts, Rows};
pub(crate) use student::RowLogits;
pub use student::Student;
