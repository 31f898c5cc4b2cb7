//! Where an array is.

use super::error::{ArrayError, Problem};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A file, or an array in it by its key: `FILE` or `FILE:KEY`.
///
/// A file that exists under the whole text is that file, so that names may hold colons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArrayPath(String);

impl ArrayPath {
    /// The file alone.
    pub(crate) fn file(&self) -> PathBuf {
        self.parts().0
    }

    /// The file and the key: the text is divided at the last colon behind which a key can stand,
    /// because the file is there.
    pub(super) fn parts(&self) -> (PathBuf, Option<&str>) {
        let text = &self.0;
        let whole = (PathBuf::from(text), None);
        if whole.0.exists() {
            return whole;
        }
        let mut colons = text.rmatch_indices(':').map(|(at, _)| at);
        match colons.find(|&at| Path::new(&text[..at]).is_file()) {
            Some(at) => (PathBuf::from(&text[..at]), Some(&text[at + 1..])),
            None => whole,
        }
    }
}

impl FromStr for ArrayPath {
    type Err = ArrayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = Self(text.to_owned());
        match text.is_empty() {
            true => Err(Problem::new("it is empty", "name a file, as FILE or FILE:KEY").at(&path)),
            false => Ok(path),
        }
    }
}

impl fmt::Display for ArrayPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_divides_where_there_is_a_file_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().to_str().unwrap();
        let files: &[&str] = match cfg!(windows) {
            true => &["a.npz"],
            false => &["a.npz", "b:c.npz"],
        };
        for name in files {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        let mut cases = vec![
            ("a.npz", "a.npz", None),
            ("a.npz:logits", "a.npz", Some("logits")),
            ("a.npz:a:b", "a.npz", Some("a:b")),
            ("a.npz:", "a.npz", Some("")),
            ("none.npz:logits", "none.npz:logits", None),
        ];
        if cfg!(not(windows)) {
            cases.push(("b:c.npz", "b:c.npz", None));
            cases.push(("b:c.npz:k", "b:c.npz", Some("k")));
        }
        for (given, file, key) in cases {
            let path: ArrayPath = format!("{at}/{given}").parse().unwrap();
            assert_eq!(path.parts(), (PathBuf::from(format!("{at}/{file}")), key));
            assert_eq!(path.to_string(), format!("{at}/{given}"));
        }
        assert!("".parse::<ArrayPath>().is_err());
    }
}
