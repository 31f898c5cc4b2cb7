//! Where data comes from, and how a person writes that.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::csv::options::{self, CsvOptions};
use super::dataset::Dataset;
use super::error::DataError;
use super::layout::Layout;
use super::synthetic::Synthetic;
use super::{csv, digits, idx};

/// Where a data set comes from.
///
/// As a string: `digits`, `csv:TRAIN[,TEST][?OPTION&…]`, `idx:DIRECTORY` or
/// `synthetic:rows=4000,classes=20,dim=32,groups=5,spread=1,seed=0`, of which each key may be left
/// out, and so `synthetic` alone. A path of a table that contains a comma or a question mark stands
/// between double quotes, `-` is standard input, and these are the options, of which what is left out
/// is found from the first rows:
///
/// | option | |
/// |-|-|
/// | `label=NAME` | the label's heading, or `first`, `last` or `none` |
/// | `header=yes` | or `no`: whether the first row is a heading |
/// | `separator=semicolon` | or `comma`, `tab`, `bar`, `blank` |
/// | `decimal=comma` | or `point` |
/// | `missing=mean` | features that are missing become the mean of their column; they are an error otherwise |
/// | `id=NAME` | the column of rows' ids, which is no feature; `none` |
/// | `classes=N` | labels are the numbers 0 to N − 1, whether or not each occurs; otherwise they are numbered by those that do |
///
/// ```
/// use fused_kd::data::Source;
///
/// let digits = "digits".parse::<Source>()?.load()?;
/// assert_eq!((digits.len(), digits.dim(), digits.classes()), (1_797, 64, 10));
/// # Ok::<(), fused_kd::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Source {
    /// The 1,797 handwritten digits of 8×8 pixels, values 0 to 16, that are part of this crate
    /// (UCI Machine Learning Repository, E. Alpaydin and C. Kaynak, "Optical Recognition of
    /// Handwritten Digits", CC BY 4.0).
    Digits,
    /// Tables of numbers separated by commas, plain or gzip.
    Csv {
        /// The rows to train on.
        train: PathBuf,
        /// A test set with the same columns.
        test: Option<PathBuf>,
        /// How the tables are laid out.
        options: CsvOptions,
    },
    /// A directory with files in MNIST's format, plain or gzip: `train-images-idx3-ubyte`,
    /// `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` (or with a
    /// dot, `train-images.idx3-ubyte`; `test` for `t10k`; with any beginning, such as
    /// `emnist-letters-`). One pair alone is a data set without a test set of its own.
    Idx {
        /// The directory; with how the files' names begin where it holds several data sets.
        directory: PathBuf,
    },
    /// Rows drawn from a mixture of Gaussians, so that the truth is known.
    Synthetic(Synthetic),
}

impl Source {
    /// Reads, or draws, the data set.
    ///
    /// A file may hold at most 4 GiB; a gzip file may unpack to 64 MiB and 128 times its own size,
    /// up to the same 4 GiB. The columns of a table whose number of features is a square of 16 or
    /// more (8×8, 28×28) and whose values could be those of pixels (see
    /// [`ScalingRule::Auto`](super::ScalingRule::Auto)) are *guessed* to be square pictures; only
    /// augmentation by shifts uses that.
    ///
    /// # Errors
    ///
    /// A [`DataError`] that names the file, the place and the value when a file is missing,
    /// unreadable, too large or malformed; [`DataError::Source`] when no [`Synthetic`] data can be
    /// drawn as asked.
    pub fn load(&self) -> Result<Dataset, DataError> {
        self.read(None, &|_| {})
    }

    /// Likewise, with features as `layout` has them, if it is given; calls `on_bytes` with the number
    /// of bytes of a file that were read so far.
    pub(crate) fn read(
        &self,
        layout: Option<&Layout>,
        on_bytes: &dyn Fn(u64),
    ) -> Result<Dataset, DataError> {
        match self {
            Self::Digits => digits::load(),
            Self::Csv {
                train,
                test,
                options,
            } => csv::load(train, test.as_deref(), options, layout, on_bytes),
            Self::Idx { directory } => idx::load(directory, on_bytes),
            Self::Synthetic(synthetic) => synthetic.load(),
        }
    }

    /// The files, or directories, that are read.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        match self {
            Self::Csv { train, test, .. } => std::iter::once(train).chain(test).cloned().collect(),
            Self::Idx { directory } => vec![directory.clone()],
            Self::Digits | Self::Synthetic(_) => Vec::new(),
        }
    }

    /// Whether the rows come from files of the user's.
    pub(crate) fn is_files(&self) -> bool {
        matches!(self, Self::Csv { .. } | Self::Idx { .. })
    }
}

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        parse(text).map_err(|problem| DataError::Source {
            given: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Source, String> {
    match text.split_once(':') {
        None if text == "digits" => Ok(Source::Digits),
        Some(("csv", rest)) => parse_csv(rest),
        Some(("idx", "")) => Err("the directory is missing".to_owned()),
        Some(("idx", directory)) => Ok(Source::Idx {
            directory: directory.into(),
        }),
        None if text == "synthetic" => Ok(Source::Synthetic(Synthetic::default())),
        Some(("synthetic", keys)) => Synthetic::parse(keys).map(Source::Synthetic),
        _ => Err(format!("no source has this name{}", suggestion(text))),
    }
}

fn parse_csv(text: &str) -> Result<Source, String> {
    let (paths, rest) = options::paths(text)?;
    let (train, test) = match &paths[..] {
        [train] => (train.clone(), None),
        [train, test] => (train.clone(), Some(test.clone())),
        _ => {
            return Err(format!(
                "{} paths, at most 2 (a path with a comma stands between quotes)",
                paths.len()
            ));
        }
    };
    let options = match rest.strip_prefix('?') {
        Some(text) => options::parse(text)?,
        None => CsvOptions::default(),
    };
    Ok(Source::Csv {
        train,
        test,
        options,
    })
}

/// What was probably meant by a path without a kind.
fn suggestion(text: &str) -> String {
    let path = Path::new(text.split(['?', ',']).next().unwrap_or(text));
    let unpacked = match path.extension() {
        Some(end) if end.eq_ignore_ascii_case("gz") => {
            Path::new(path.file_stem().unwrap_or_default())
        }
        _ => path,
    };
    let ends = ["csv", "tsv", "txt", "data", "dat", "tab"];
    let is_table = unpacked
        .extension()
        .is_some_and(|end| ends.iter().any(|one| end.eq_ignore_ascii_case(one)));
    match path.is_dir() {
        true => format!("; did you mean `idx:{text}`?"),
        false if is_table || path.is_file() => format!("; did you mean `csv:{text}`?"),
        false => String::new(),
    }
}

impl TryFrom<String> for Source {
    type Error = DataError;

    fn try_from(text: String) -> Result<Self, DataError> {
        text.parse()
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

/// The string that parses into the same source; options and keys at their defaults are left out.
impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits => write!(formatter, "digits"),
            Self::Idx { directory } => write!(formatter, "idx:{}", directory.display()),
            Self::Synthetic(synthetic) => write!(formatter, "{synthetic}"),
            Self::Csv {
                train,
                test,
                options,
            } => {
                write!(formatter, "csv:{}", options::quoted(train))?;
                if let Some(test) = test {
                    write!(formatter, ",{}", options::quoted(test))?;
                }
                write!(formatter, "{options}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "digits",
            "csv:a.csv",
            "csv:a.csv,b c.csv.gz",
            "csv:a.csv?label=first",
            "csv:a.csv?header=no",
            "csv:C:/a.csv,b.csv?label=first&header=yes",
            "csv:\"a,b?.csv\",\"\"\"c\"\".csv\"?label=kind of tree&separator=semicolon&decimal=comma",
            "csv:a.csv?label=none&missing=mean&id=none&classes=12",
            "csv:-",
            "idx:some/mnist?",
            "synthetic",
            "synthetic:classes=50,seed=7",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        let spelled_out = "csv:a?header=auto&label=auto&missing=refuse"
            .parse::<Source>()
            .unwrap();
        assert_eq!(spelled_out.to_string(), "csv:a");
    }

    #[test]
    fn a_bad_source_is_told_what_would_be_right() {
        for (text, problem) in [
            ("", "no source has this name"),
            ("mnist", "no source has this name"),
            ("digits:", "no source has this name"),
            ("Digits", "no source has this name"),
            ("csv", "no source has this name"),
            ("csv:", "a path is missing"),
            ("csv:a,", "a path is missing"),
            ("csv:a,b,c", "3 paths, at most 2"),
            ("csv:a?", "unknown option ``"),
            ("csv:a?colour=red", "unknown option `colour=red`"),
            ("csv:a?label=", "`label` has no value"),
            ("csv:a?separator=,", "unknown option `separator=,`"),
            ("csv:a?classes=1", "classes=1: a number from 2"),
            ("csv:\"a", "a quote is not closed"),
            ("csv:\"a\"b", "something follows a closing quote"),
            ("some/a.tsv.gz", "did you mean `csv:some/a.tsv.gz`?"),
            ("src", "did you mean `idx:src`?"),
            ("idx:", "the directory is missing"),
            ("Synthetic", "no source has this name"),
            ("synthetic:classes", "`classes` is not"),
        ] {
            let message = text.parse::<Source>().unwrap_err().to_string();
            assert!(message.contains(problem), "{message}");
            assert!(message.contains("write `digits`, `csv:TRAIN"), "{message}");
        }
    }
}
