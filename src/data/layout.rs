//! What the columns of a table have to be.

/// The features that another table has, or that a student takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Whose they are, for errors.
    pub(crate) origin: String,
    pub(crate) features: usize,
    /// Their names, if they have some that tell them apart.
    pub(crate) names: Option<Vec<String>>,
    /// The label's name.
    pub(crate) label: Option<String>,
    /// Where the label is, for tables without names.
    pub(crate) label_at: Option<usize>,
    /// Whether there has to be a label.
    pub(crate) needs_label: bool,
}
