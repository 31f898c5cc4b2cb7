//! How a table is laid out, and how a person writes that.

use std::fmt;
use std::path::PathBuf;

/// How a table is laid out. What is not given is found from its first rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CsvOptions {
    /// The column of the label.
    pub label: LabelColumn,
    /// Whether the first row is a heading.
    pub header: Header,
    /// What stands between cells: a comma, semicolon, tab, bar or blanks.
    pub separator: Option<Separator>,
    /// What stands before the fraction of a number, `.` or `,`.
    pub decimal: Option<Decimal>,
    /// What becomes of features that are missing.
    pub missing: Missing,
    /// The column whose whole numbers are the rows' ids, by its heading; it is no feature.
    pub id: Option<String>,
    /// The number of classes, whose labels then are 0 to this less 1, whether or not each occurs.
    pub classes: Option<usize>,
}

/// The column of a table that holds the label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LabelColumn {
    /// The one that the heading calls `label`, `labels`, `class`, `classes`, `target`, `category`,
    /// `species` or, where it is the first or the last, `y`; without such a heading the last.
    #[default]
    Auto,
    /// The first column.
    First,
    /// The last column.
    Last,
    /// The one with this heading.
    Named(String),
    /// None: no row has a label.
    None,
}

/// Whether the first row of a table is a heading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It is.
    Yes,
    /// It is a row like the others.
    No,
    /// It is a heading when one of its cells is no number and stands over numbers, or when its cells
    /// are names and it is the only row.
    #[default]
    Auto,
}

/// What stands between the cells of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Bar,
    /// One blank or more.
    Blank,
}

/// What stands before the fraction of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// 1.5
    Point,
    /// 1,5
    Comma,
}

/// What becomes of features that are missing: empty cells, `NA`, `N/A`, `NaN`, `null` and `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missing {
    /// An error.
    #[default]
    Refuse,
    /// The mean of the column's values in the training rows takes their place.
    Mean,
}

const HEADERS: [(&str, Header); 3] = [
    ("yes", Header::Yes),
    ("no", Header::No),
    ("auto", Header::Auto),
];
const MISSING: [(&str, Missing); 2] = [("refuse", Missing::Refuse), ("mean", Missing::Mean)];
const DECIMALS: [(&str, Decimal); 2] = [("point", Decimal::Point), ("comma", Decimal::Comma)];

impl Separator {
    /// All, in the order in which they are looked for: a comma may stand in numbers, a blank beside
    /// any other.
    pub(super) const ALL: [Self; 5] = [
        Self::Tab,
        Self::Semicolon,
        Self::Bar,
        Self::Comma,
        Self::Blank,
    ];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Bar => b'|',
            Self::Blank => b' ',
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Bar => "bar",
            Self::Blank => "blank",
        }
    }
}

/// The options after the question mark of a source.
pub(in crate::data) fn parse(text: &str) -> Result<CsvOptions, String> {
    let mut options = CsvOptions::default();
    for option in text.split('&') {
        let unknown = || format!("unknown option `{option}`");
        let (key, value) = option.split_once('=').ok_or_else(unknown)?;
        if value.is_empty() {
            return Err(format!("`{key}` has no value"));
        }
        match key {
            "label" => options.label = label(value),
            "header" => options.header = named(value, &HEADERS).ok_or_else(unknown)?,
            "separator" => {
                let names = Separator::ALL.map(|one| (one.name(), one));
                options.separator = Some(named(value, &names).ok_or_else(unknown)?);
            }
            "decimal" => options.decimal = Some(named(value, &DECIMALS).ok_or_else(unknown)?),
            "missing" => options.missing = named(value, &MISSING).ok_or_else(unknown)?,
            "id" => options.id = Some(value.to_owned()),
            "classes" => {
                let count = value.parse().ok().filter(|n| (2..=MAX_CLASSES).contains(n));
                let wrong = || format!("classes={value}: a number from 2 to {MAX_CLASSES}");
                options.classes = Some(count.ok_or_else(wrong)?);
            }
            _ => return Err(unknown()),
        }
    }
    Ok(options)
}

/// More classes are taken for a mistake: the wrong column, most likely.
pub(super) const MAX_CLASSES: usize = 100_000;

fn label(value: &str) -> LabelColumn {
    match value {
        "first" => LabelColumn::First,
        "last" => LabelColumn::Last,
        "none" => LabelColumn::None,
        "auto" => LabelColumn::Auto,
        name => LabelColumn::Named(name.to_owned()),
    }
}

fn named<T: Copy>(value: &str, names: &[(&str, T)]) -> Option<T> {
    let of_value = names.iter().find(|(name, _)| *name == value);
    of_value.map(|&(_, one)| one)
}

fn name_of<T: PartialEq>(value: &T, names: &[(&'static str, T)]) -> &'static str {
    let of_value = names.iter().find(|(_, one)| one == value);
    of_value.map_or("", |&(name, _)| name)
}

/// `?label=…&header=…`, without what is at its default.
impl fmt::Display for CsvOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match &self.label {
            LabelColumn::Auto => None,
            LabelColumn::First => Some("first"),
            LabelColumn::Last => Some("last"),
            LabelColumn::None => Some("none"),
            LabelColumn::Named(name) => Some(&name[..]),
        };
        let header = (self.header != Header::Auto).then(|| name_of(&self.header, &HEADERS));
        let classes = self.classes.map(|classes| classes.to_string());
        let options = [
            ("label", label),
            ("header", header),
            ("separator", self.separator.map(Separator::name)),
            ("decimal", self.decimal.map(|d| name_of(&d, &DECIMALS))),
            ("missing", (self.missing == Missing::Mean).then_some("mean")),
            ("id", self.id.as_deref()),
            ("classes", classes.as_deref()),
        ];
        let given = options
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        for (i, (key, value)) in given.enumerate() {
            write!(formatter, "{}{key}={value}", if i == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

/// The paths before the options, and what is left of the text. A path with a comma or a question mark
/// stands between double quotes, of which one within it is written twice.
pub(in crate::data) fn paths(text: &str) -> Result<(Vec<PathBuf>, &str), String> {
    let mut paths = Vec::new();
    let mut rest = text;
    loop {
        let (path, after) = first_path(rest)?;
        if path.is_empty() {
            return Err("a path is missing".to_owned());
        }
        paths.push(path.into());
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok((paths, after)),
        }
    }
}

fn first_path(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '?']).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut path = String::new();
    let mut rest = quoted;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err("a quote is not closed".to_owned());
        };
        path += before;
        match after.strip_prefix('"') {
            Some(after) => {
                path.push('"');
                rest = after;
            }
            None if after.is_empty() || after.starts_with([',', '?']) => return Ok((path, after)),
            None => return Err("something follows a closing quote".to_owned()),
        }
    }
}

/// A path as [`paths`] reads it.
pub(in crate::data) fn quoted(path: &std::path::Path) -> String {
    let path = path.display().to_string();
    match path.contains([',', '?']) || path.starts_with('"') {
        true => format!("\"{}\"", path.replace('"', "\"\"")),
        false => path,
    }
}
