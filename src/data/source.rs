//! Where data comes from, and how a person writes that.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{DataError, Dataset, Synthetic, csv, digits, idx};

/// Where a data set comes from.
///
/// As a string: `digits`, `csv:TRAIN[,TEST][?label=first|last&header=yes|no|auto]`,
/// `idx:DIRECTORY` or `synthetic:rows=4000,classes=20,dim=32,groups=5,spread=1,seed=0`, of which
/// each key may be left out, and so `synthetic` alone. A path of a table that contains a comma or a question mark cannot be written
/// that way; build the variant instead.
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
    /// dot, `train-images.idx3-ubyte`). One pair alone is a data set without a test set of its own.
    Idx {
        /// The directory.
        directory: PathBuf,
    },
    /// Rows drawn from a mixture of Gaussians, so that the truth is known.
    Synthetic(Synthetic),
}

/// How a table is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// The column of the label.
    pub label: LabelColumn,
    /// Whether the first row is a heading.
    pub header: Header,
}

/// The column of a table that holds the label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The first column.
    First,
    /// The last column.
    #[default]
    Last,
}

/// Whether the first row of a table is a heading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It is, and is not read.
    Yes,
    /// It is a row like the others.
    No,
    /// It is a heading when one of its cells is not a number.
    #[default]
    Auto,
}

impl Source {
    /// Reads, or draws, the data set.
    ///
    /// A file may hold at most 4 GiB; a gzip file may unpack to 64 MiB and 128 times its own size,
    /// up to the same 4 GiB. The columns of a table whose number of features is a square of 16 or
    /// more (8×8, 28×28) are *guessed* to be square pictures; nothing but augmentation by shifts
    /// uses that.
    ///
    /// # Errors
    ///
    /// A [`DataError`] that names the file, the place and the value when a file is missing,
    /// unreadable, too large or malformed; [`DataError::Source`] when no [`Synthetic`] data can be
    /// drawn as asked.
    pub fn load(&self) -> Result<Dataset, DataError> {
        match self {
            Self::Digits => digits::load(),
            Self::Csv {
                train,
                test,
                options,
            } => csv::load(train, test.as_deref(), *options),
            Self::Idx { directory } => idx::load(directory),
            Self::Synthetic(synthetic) => synthetic.load(),
        }
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
        _ => Err("there is no such kind of source".to_owned()),
    }
}

fn parse_csv(text: &str) -> Result<Source, String> {
    let (paths, options) = match text.split_once('?') {
        Some((paths, options)) => (paths, parse_options(options)?),
        None => (text, CsvOptions::default()),
    };
    let paths: Vec<&str> = paths.split(',').collect();
    if paths.contains(&"") {
        return Err("a path is missing".to_owned());
    }
    let (train, test) = match paths[..] {
        [train] => (train, None),
        [train, test] => (train, Some(test)),
        _ => return Err(format!("{} paths, at most 2", paths.len())),
    };
    Ok(Source::Csv {
        train: train.into(),
        test: test.map(PathBuf::from),
        options,
    })
}

fn parse_options(text: &str) -> Result<CsvOptions, String> {
    let mut options = CsvOptions::default();
    for option in text.split('&') {
        match option {
            "label=first" => options.label = LabelColumn::First,
            "label=last" => options.label = LabelColumn::Last,
            "header=yes" => options.header = Header::Yes,
            "header=no" => options.header = Header::No,
            "header=auto" => options.header = Header::Auto,
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    Ok(options)
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
                write!(formatter, "csv:{}", train.display())?;
                if let Some(test) = test {
                    write!(formatter, ",{}", test.display())?;
                }
                write!(formatter, "{options}")
            }
        }
    }
}

/// `?label=…&header=…`, without what is at its default.
impl fmt::Display for CsvOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = (self.label == LabelColumn::First).then_some("label=first");
        let header = match self.header {
            Header::Yes => Some("header=yes"),
            Header::No => Some("header=no"),
            Header::Auto => None,
        };
        match (label, header) {
            (None, None) => Ok(()),
            (Some(option), None) | (None, Some(option)) => write!(formatter, "?{option}"),
            (Some(label), Some(header)) => write!(formatter, "?{label}&{header}"),
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
            "idx:some/mnist?",
            "synthetic",
            "synthetic:classes=50,seed=7",
        ] {
            assert_eq!(text.parse::<Source>().unwrap().to_string(), text);
        }
        let spelled_out = "csv:a?header=auto&label=last".parse::<Source>().unwrap();
        assert_eq!(spelled_out.to_string(), "csv:a");
    }

    #[test]
    fn a_bad_source_is_told_what_would_be_right() {
        for (text, problem) in [
            ("", "no such kind"),
            ("mnist", "no such kind"),
            ("digits:", "no such kind"),
            ("Digits", "no such kind"),
            ("csv", "no such kind"),
            ("csv:", "a path is missing"),
            ("csv:a,", "a path is missing"),
            ("csv:a,b,c", "3 paths, at most 2"),
            ("csv:a?", "unknown option ``"),
            ("csv:a?label=middle", "unknown option `label=middle`"),
            ("idx:", "the directory is missing"),
            ("Synthetic", "no such kind"),
            ("synthetic:classes", "`classes` is not"),
        ] {
            let message = text.parse::<Source>().unwrap_err().to_string();
            assert!(message.contains(problem), "{message}");
            assert!(message.contains("write `digits`, `csv:TRAIN"), "{message}");
        }
    }
}
