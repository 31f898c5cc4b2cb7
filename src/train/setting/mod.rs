//! One setting for everything that is trained: data, teacher, student, loss, and what is compared.
//!
//! The same keys are TOML files, `--set KEY=VALUE`, the fields of the structs here and the JSON of
//! results. A default stands in one place, `Default` in `keys`, and a range in one, `check`.

mod check;
mod error;
mod keys;
mod overlay;
mod scenario;
mod train_size;

pub(super) use check::{
    LARGEST_BATCH, LARGEST_LAYER, MOST_LAYERS, MOST_PARAMETERS, parameter_count,
};
pub use error::SettingError;
pub use keys::{Budget, Data, Features, Loss, Setting};
pub use overlay::Overlay;
pub use scenario::Scenario;
pub use train_size::TrainSize;
