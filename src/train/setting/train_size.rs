//! A number of rows, or a word that stands for one.

use super::error::SettingError;
use serde::{Deserialize, Serialize};

/// How many of the rows that there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "RowsOrWord", into = "RowsOrWord")]
#[non_exhaustive]
pub enum TrainSize {
    /// 200, or half of them where that is fewer, so that student and teacher learn from different
    /// rows.
    #[default]
    Few,
    /// All.
    All,
    /// This many.
    Rows(usize),
}

impl TrainSize {
    /// The number of rows, of those that are available.
    pub(in crate::train) fn of(self, available: usize, key: &str) -> Result<usize, SettingError> {
        match self {
            Self::Few => Ok((available / 2).clamp(1, 200)),
            Self::All => Ok(available),
            Self::Rows(rows) if (1..=available).contains(&rows) => Ok(rows),
            Self::Rows(rows) => Err(SettingError::refused(
                key,
                rows,
                format!("from 1 to the {available} rows that can be trained on, or \"all\""),
            )),
        }
    }
}

/// A number of rows, or one of the words that stand for one.
#[derive(Deserialize, Serialize)]
#[serde(
    untagged,
    expecting = "must be a number of rows from 1 on, \"few\" or \"all\""
)]
enum RowsOrWord {
    Rows(usize),
    Word(String),
}

impl TryFrom<RowsOrWord> for TrainSize {
    type Error = &'static str;

    fn try_from(written: RowsOrWord) -> Result<Self, Self::Error> {
        match written {
            RowsOrWord::Rows(rows) if rows > 0 => Ok(Self::Rows(rows)),
            RowsOrWord::Word(word) if word == "few" => Ok(Self::Few),
            RowsOrWord::Word(word) if word == "all" => Ok(Self::All),
            _ => Err("must be a number of rows from 1 on, \"few\" or \"all\""),
        }
    }
}

impl From<TrainSize> for RowsOrWord {
    fn from(size: TrainSize) -> Self {
        match size {
            TrainSize::Few => Self::Word("few".to_owned()),
            TrainSize::All => Self::Word("all".to_owned()),
            TrainSize::Rows(rows) => Self::Rows(rows),
        }
    }
}
