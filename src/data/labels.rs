//! Classes as files call them: whole numbers or names, numbered by those that occur.

use crate::data::error::DataError;
use crate::spec::IGNORE;
use std::collections::{BTreeMap, HashMap};

/// More classes are taken for a mistake: the wrong column, most likely.
const MAX_CLASSES: usize = 100_000;
/// No class has a longer name, in bytes, and all together are not longer.
const LONGEST_NAME: usize = 200;
const LONGEST_NAMES: usize = 1 << 22;

/// A class as it is written. In order: numbers by size, then names by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Number(i64),
    Name(String),
}

impl Class {
    /// 7, 7.0 or a name; none where there is no label.
    fn parse(cell: &[u8]) -> Result<Option<Self>, String> {
        if is_missing(cell) {
            return Ok(None);
        }
        let text = std::str::from_utf8(cell)
            .map_err(|_| "is not a label: it is not UTF-8 text".to_owned())?;
        match text.parse::<f64>() {
            Ok(value) if value.fract() == 0.0 && value.abs() < 2f64.powi(53) => {
                let number = value as i64;
                Ok((number != i64::from(IGNORE)).then_some(Self::Number(number)))
            }
            Ok(_) => Err(
                "is not a label: labels are whole numbers or names (label=NAME, label=first or \
                 label=last says where they are)"
                    .to_owned(),
            ),
            Err(_) if text.len() > LONGEST_NAME || text.contains(char::is_control) => Err(format!(
                "is not a label: a name has at most {LONGEST_NAME} bytes, in one line (is a quote \
                 not closed?)"
            )),
            Err(_) => Ok(Some(Self::Name(text.to_owned()))),
        }
    }

    fn into_name(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => name,
        }
    }
}

/// A cell that says that there is no value.
pub(super) fn is_missing(cell: &[u8]) -> bool {
    const WORDS: [&str; 5] = ["na", "n/a", "nan", "null", "?"];
    let is_word = |word: &&str| cell.eq_ignore_ascii_case(word.as_bytes());
    cell.is_empty() || cell.len() <= 4 && WORDS.iter().any(is_word)
}

/// The labels of rows, as they are read.
#[derive(Default)]
pub(super) struct Labels {
    /// By row: an index into `classes`, or [`IGNORE`].
    rows: Vec<i32>,
    /// In the order in which they were met.
    classes: Vec<Class>,
    index: BTreeMap<Class, i32>,
    /// Bytes of all names.
    length: usize,
    /// What cells were found to be, so that each is parsed once.
    known: HashMap<Vec<u8>, i32>,
}

impl Labels {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A row whose label is written so.
    pub(super) fn push(&mut self, cell: &[u8]) -> Result<(), String> {
        let label = match self.known.get(cell) {
            Some(&label) => label,
            None => {
                let label = match Class::parse(cell)? {
                    None => IGNORE,
                    Some(class) => self.index_of(class)?,
                };
                if self.known.len() < MAX_CLASSES {
                    self.known.insert(cell.to_vec(), label);
                }
                label
            }
        };
        self.rows.push(label);
        Ok(())
    }

    /// A row of this class.
    pub(super) fn push_number(&mut self, number: u8) {
        // There are 256 classes of a byte at most.
        let label = self.index_of(Class::Number(number.into()));
        self.rows.push(label.unwrap_or(IGNORE));
    }

    /// A row without a label.
    pub(super) fn push_none(&mut self) {
        self.rows.push(IGNORE);
    }

    fn index_of(&mut self, class: Class) -> Result<i32, String> {
        if let Some(&index) = self.index.get(&class) {
            return Ok(index);
        }
        if let Class::Name(name) = &class {
            self.length += name.len();
        }
        if self.classes.len() == MAX_CLASSES || self.length > LONGEST_NAMES {
            return Err(format!(
                "is class {}: at most {MAX_CLASSES} are accepted, with {LONGEST_NAMES} bytes of names; \
                 is this the column of the label?",
                self.classes.len() + 1
            ));
        }
        let index = self.classes.len() as i32;
        self.classes.push(class.clone());
        self.index.insert(class, index);
        Ok(index)
    }

    /// Labels by row, and the classes' names by label: those that occur, in order.
    pub(super) fn numbered(mut self) -> (Vec<i32>, Vec<String>) {
        let mut place = vec![0; self.classes.len()];
        let in_order = self.index.into_iter().enumerate();
        let names = in_order.map(|(label, (class, index))| {
            place[index as usize] = label as i32;
            class.into_name()
        });
        let names = names.collect();
        let labelled = self.rows.iter_mut().filter(|label| **label != IGNORE);
        labelled.for_each(|label| *label = place[*label as usize]);
        (self.rows, names)
    }

    /// Labels as they stand, where all classes from 0 on are known to be `classes`.
    pub(super) fn of_classes(self, classes: usize, name: &str) -> Result<Vec<i32>, DataError> {
        let number = |class: &Class| match class {
            Class::Number(number) if (0..classes as i64).contains(number) => Ok(*number as i32),
            other => Err(DataError::Dataset {
                name: name.to_owned(),
                problem: format!(
                    "class `{}` with classes={classes}: labels then run from 0 to {}",
                    other.clone().into_name(),
                    classes - 1
                ),
            }),
        };
        let numbers = self
            .classes
            .iter()
            .map(number)
            .collect::<Result<Vec<_>, _>>()?;
        let label = |&label: &i32| numbers.get(label as usize).copied().unwrap_or(IGNORE);
        Ok(self.rows.iter().map(label).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(cells: &[&str]) -> (Vec<i32>, Vec<String>) {
        let mut labels = Labels::default();
        for cell in cells {
            labels.push(cell.as_bytes()).unwrap();
        }
        labels.numbered()
    }

    #[test]
    fn classes_are_those_that_occur_in_order() {
        for (cells, labels, names) in [
            (vec!["2", "0", "1"], vec![2, 0, 1], vec!["0", "1", "2"]),
            (vec!["10", "9", "10.0"], vec![1, 0, 1], vec!["9", "10"]),
            (vec!["1", "-1"], vec![1, 0], vec!["-1", "1"]),
            (vec!["oak", "ash", "oak"], vec![1, 0, 1], vec!["ash", "oak"]),
            (vec!["True", "False"], vec![1, 0], vec!["False", "True"]),
            (
                vec!["other", "10", "9"],
                vec![2, 1, 0],
                vec!["9", "10", "other"],
            ),
            (
                vec!["", "-100", "NaN", "na", "?", "5"],
                [vec![-100; 5], vec![0]].concat(),
                vec!["5"],
            ),
        ] {
            assert_eq!(
                numbered(&cells),
                (labels, names.into_iter().map(String::from).collect())
            );
        }
    }

    #[test]
    fn what_is_no_label_is_said() {
        for (cell, expected) in [
            (&b"0.5"[..], "whole numbers or names"),
            (b"1e300", "whole numbers or names"),
            (b"inf", "whole numbers or names"),
            (b"\xff", "not UTF-8"),
            (b"a\nb", "is a quote not closed?"),
            (&[b'a'; 201], "at most 200 bytes"),
        ] {
            let error = Labels::default().push(cell).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let mut labels = Labels::default();
        for class in 0..MAX_CLASSES {
            labels.push(class.to_string().as_bytes()).unwrap();
        }
        let error = labels.push(b"another").unwrap_err();
        assert!(error.contains("at most 100000 are accepted"), "{error}");
    }

    #[test]
    fn a_stated_number_of_classes_keeps_the_numbers() {
        let labels = |cells: &[&str], classes| {
            let mut labels = Labels::default();
            cells
                .iter()
                .for_each(|cell| labels.push(cell.as_bytes()).unwrap());
            labels.of_classes(classes, "some")
        };
        assert_eq!(labels(&["3", "", "1"], 4).unwrap(), [3, -100, 1]);
        for (cell, name) in [("4", "`4`"), ("-1", "`-1`"), ("oak", "`oak`")] {
            let error = labels(&["0", cell], 4).unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains("from 0 to 3"),
                "{error}"
            );
        }
    }
}
