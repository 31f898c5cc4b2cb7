//! A teacher that was trained elsewhere, and what seems odd about it.

use super::error::TrainError;
use super::setting::{Data, SettingError};
use crate::data::{Agreement, Dataset, PerRow};
use crate::engine::top;

/// What another program's teacher makes of the rows of a data set.
pub(super) struct GivenTeacher {
    pub(super) logits: PerRow,
    /// What feature terms hold the student against.
    pub(super) features: Option<PerRow>,
    /// What is legal and yet probably not meant.
    pub(super) warnings: Vec<String>,
}

impl GivenTeacher {
    /// The teacher that the keys name, if they name one; `features` says whether there are feature
    /// terms, which need its features too.
    pub(super) fn read(
        data: &Data,
        dataset: &Dataset,
        features: bool,
    ) -> Result<Option<Self>, TrainError> {
        let ids = data.teacher_ids.as_ref();
        let (name, logits) = match (&data.teacher_logits, &data.teacher_probabilities) {
            (None, None) => return Ok(None),
            (Some(files), _) => (files, files.logits(dataset, ids)?),
            (None, Some(files)) => {
                let floor = data.probability_floor;
                (files, files.probabilities(dataset, ids, floor)?)
            }
        };
        let of_terms = match (&data.teacher_features, features) {
            (Some(files), true) => Some(files.features(dataset, ids)?),
            (None, true) => {
                return Err(TrainError::Setting(SettingError::new(
                    "data.teacher-features",
                    "missing: feature terms need the given teacher's features; add teacher-features, \
                     or leave out the methods with feature terms",
                )));
            }
            (_, false) => None,
        };
        let mut warnings = Vec::new();
        if data.teacher_logits.is_some() && logits.look_like_probabilities() {
            warnings.push(format!(
                "`{name}` looks like probabilities, not logits: use --teacher-probabilities"
            ));
        }
        let rows = logits.by_row().zip(dataset.labels());
        let pairs =
            rows.filter_map(|(row, &label)| Some([usize::try_from(label).ok()?, top(row?)]));
        let agreement = Agreement::of(pairs, dataset.classes());
        warnings.extend(agreement.warning(&format!("`{name}`")));
        Ok(Some(Self {
            logits,
            features: of_terms,
            warnings,
        }))
    }
}
