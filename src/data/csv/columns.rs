//! Which column of a table is what.

use super::number::is_number;
use super::options::{CsvOptions, Header, LabelColumn};
use super::text::excerpt;
use crate::data::labels::is_missing;
use crate::data::layout::Layout;
use csv::ByteRecord;
use std::collections::{HashMap, HashSet};

/// What the columns of one file are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    /// All.
    pub(super) count: usize,
    /// Whether the first row is a heading.
    pub(super) has_heading: bool,
    pub(super) label: Option<usize>,
    /// Rows' ids, and whether they were asked for.
    pub(super) id: Option<(usize, bool)>,
    /// Where the features are, in their order.
    pub(super) features: Vec<usize>,
    /// The features' names, if there is a heading that tells them apart.
    pub(super) names: Option<Vec<String>>,
    /// The label's name.
    pub(super) label_name: Option<String>,
}

/// Headings that name the label, in any case; `y` does where it is at an end.
const LABELS: [&str; 7] = [
    "label", "labels", "class", "classes", "target", "category", "species",
];
/// A heading is no name if it is longer, in bytes, or all of them together are.
const LONGEST_NAME: usize = 200;
const LONGEST_HEADING: usize = 1 << 22;

impl Columns {
    /// Of a file that begins with these rows; `layout` is what its features have to be.
    pub(super) fn find(
        rows: &[ByteRecord],
        options: &CsvOptions,
        layout: Option<&Layout>,
    ) -> Result<Self, String> {
        let first = &rows[0];
        let has_heading = match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => is_heading(rows),
        };
        let name = |cell: &[u8]| String::from_utf8_lossy(cell).into_owned();
        let heading: Option<Vec<String>> = has_heading.then(|| first.iter().map(name).collect());
        let heading = heading.as_deref();
        let id = find_id(heading, options)?;
        let label = find_label(heading, first.len(), id.map(|(at, _)| at), options, layout)?;
        let features: Vec<usize> = (0..first.len())
            .filter(|&at| Some(at) != label && id.is_none_or(|(id, _)| id != at))
            .collect();
        let names = heading.and_then(|heading| names(heading, &features));
        let mut columns = Self {
            count: first.len(),
            has_heading,
            label,
            id,
            names,
            label_name: heading.zip(label).map(|(heading, at)| heading[at].clone()),
            features,
        };
        if let Some(layout) = layout {
            columns.arrange(layout)?;
        }
        if columns.features.is_empty() {
            return Err(format!(
                "{} column{}: a row is features and a label, separated by commas, semicolons, tabs, \
                 bars or blanks",
                columns.count,
                if columns.count == 1 { "" } else { "s" }
            ));
        }
        Ok(columns)
    }

    /// Puts the features in the order of the layout, where both have names.
    fn arrange(&mut self, layout: &Layout) -> Result<(), String> {
        if let (Some(names), Some(wanted)) = (&self.names, &layout.names) {
            let whose = &layout.origin;
            let places: HashMap<&String, usize> = names.iter().zip(0..).collect();
            let mut order = Vec::with_capacity(wanted.len());
            for name in wanted {
                match places.get(name) {
                    Some(&place) => order.push(self.features[place]),
                    None => return Err(format!("column `{name}` is missing: {whose} has it")),
                }
            }
            let wanted: HashSet<&String> = wanted.iter().collect();
            if let Some(name) = names.iter().find(|name| !wanted.contains(name)) {
                return Err(format!("{whose} has no column `{name}`"));
            }
            self.features = order;
            self.names = layout.names.clone();
        }
        if self.features.len() != layout.features {
            return Err(format!(
                "{} columns of features, but {} has {}",
                self.features.len(),
                layout.origin,
                layout.features
            ));
        }
        Ok(())
    }

    /// How the label and ids were found, for people.
    pub(super) fn described(&self) -> String {
        let mut text = match (self.label, &self.label_name) {
            (None, _) => "no labels".to_owned(),
            (Some(at), None) => format!("label: column {} of {}", at + 1, self.count),
            (Some(at), Some(name)) => {
                format!("label: `{name}`, column {} of {}", at + 1, self.count)
            }
        };
        if let Some((at, _)) = self.id {
            text += &format!("; column {} holds ids, and is no feature", at + 1);
        }
        text
    }
}

/// Whether a cell of the first row is no number and stands over one; of a single row, whether no cell
/// is a number.
fn is_heading(rows: &[ByteRecord]) -> bool {
    let is_name = |cell: &[u8]| !is_number(cell) && !is_missing(cell);
    let first = &rows[0];
    match &rows[1..] {
        [] => first.iter().all(is_name),
        more => first.iter().enumerate().any(|(at, cell)| {
            is_name(cell) && more.iter().any(|row| row.get(at).is_some_and(is_number))
        }),
    }
}

/// Names of these columns, if they are fit to be matched.
fn names(heading: &[String], features: &[usize]) -> Option<Vec<String>> {
    let names: Vec<String> = features.iter().map(|&at| heading[at].clone()).collect();
    let is_fit = |name: &String| name.len() <= LONGEST_NAME && !name.contains(char::is_control);
    let length: usize = names.iter().map(String::len).sum();
    let distinct: HashSet<&String> = names.iter().collect();
    let all =
        names.iter().all(is_fit) && length <= LONGEST_HEADING && distinct.len() == names.len();
    all.then_some(names)
}

fn named(heading: &[String], name: &str) -> Option<usize> {
    let exactly = heading.iter().position(|cell| cell == name);
    exactly.or_else(|| heading.iter().position(|c| c.eq_ignore_ascii_case(name)))
}

/// The column of ids that was asked for, or what is one by its heading: `id`, and a first column
/// without a name, as data frames write their index.
fn find_id(
    heading: Option<&[String]>,
    options: &CsvOptions,
) -> Result<Option<(usize, bool)>, String> {
    match (&options.id, heading) {
        (Some(name), _) if name == "none" => Ok(None),
        (Some(name), None) => Err(format!("id={name}, but there is no heading")),
        (Some(name), Some(heading)) => match named(heading, name) {
            Some(at) => Ok(Some((at, true))),
            None => Err(format!("id={name}, but {}", has(heading))),
        },
        (None, None) => Ok(None),
        (None, Some(heading)) => {
            let is_index = heading[0].is_empty() || heading[0] == "Unnamed: 0";
            let at = match is_index {
                true => Some(0),
                false => named(heading, "id"),
            };
            Ok(at.filter(|_| heading.len() > 2).map(|at| (at, false)))
        }
    }
}

/// What a heading says, for errors.
fn has(heading: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = heading
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{}`", excerpt(name.as_bytes())))
        .collect();
    let more = if heading.len() > SHOWN { ", …" } else { "" };
    format!("the heading says {}{more}", shown.join(", "))
}

fn find_label(
    heading: Option<&[String]>,
    count: usize,
    id: Option<usize>,
    options: &CsvOptions,
    layout: Option<&Layout>,
) -> Result<Option<usize>, String> {
    let rest: Vec<usize> = (0..count).filter(|&at| Some(at) != id).collect();
    let last = rest.last().copied();
    match &options.label {
        LabelColumn::None => Ok(None),
        LabelColumn::First => Ok(rest.first().copied()),
        LabelColumn::Last => Ok(last),
        LabelColumn::Named(name) => {
            let heading =
                heading.ok_or_else(|| format!("label={name}, but there is no heading"))?;
            let at = named(heading, name);
            match at {
                Some(at) if Some(at) == id => Err(format!("`{name}` is both id and label")),
                Some(at) => Ok(Some(at)),
                None => Err(format!("label={name}, but {}", has(heading))),
            }
        }
        LabelColumn::Auto => {
            let by_heading = match heading {
                Some(heading) => by_heading(heading, layout)?,
                None => None,
            };
            let is_optional = layout.is_some_and(|l| !l.needs_label && l.features == rest.len());
            let by_place = match layout {
                _ if is_optional => None,
                Some(Layout {
                    label: Some(name),
                    origin,
                    needs_label,
                    ..
                }) if heading.is_some() => match by_heading.is_none() && *needs_label {
                    true => return Err(format!("column `{name}` is missing: {origin} has it")),
                    false => None,
                },
                Some(layout) if heading.is_none() => match layout.label_at {
                    Some(at) if at >= count && layout.needs_label => {
                        let (whose, at) = (&layout.origin, at + 1);
                        return Err(format!(
                            "{count} columns, but {whose} has the label in column {at}"
                        ));
                    }
                    at => at.filter(|&at| at < count).or(last),
                },
                _ => last,
            };
            Ok(by_heading.or(by_place))
        }
    }
}

/// The column whose heading is the layout's label's, or names a label.
fn by_heading(heading: &[String], layout: Option<&Layout>) -> Result<Option<usize>, String> {
    let of_layout = layout.and_then(|layout| layout.label.as_deref());
    if let Some(at) = of_layout.and_then(|name| named(heading, name)) {
        return Ok(Some(at));
    }
    // A feature of the layout is not its label.
    let is_feature = |name: &String| {
        let names = layout.and_then(|layout| layout.names.as_ref());
        names.is_some_and(|names| names.contains(name))
    };
    let is_label = |name: &String| LABELS.iter().any(|label| name.eq_ignore_ascii_case(label));
    let all = heading.iter().enumerate();
    let found: Vec<usize> = all
        .filter(|(_, name)| is_label(name) && !is_feature(name))
        .map(|(at, _)| at)
        .collect();
    match found[..] {
        [at] => Ok(Some(at)),
        [one, other, ..] => Err(format!(
            "`{}` and `{}` could both be the label: label=NAME says which",
            heading[one], heading[other]
        )),
        [] => {
            let ends = [heading.len() - 1, 0];
            let is_y = |at: &usize| heading[*at].eq_ignore_ascii_case("y");
            Ok(ends
                .into_iter()
                .find(|at| is_y(at) && !is_feature(&heading[*at])))
        }
    }
}
