//! Errors of building a specification and of calling an engine with it.

/// A specification that cannot be built.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A parameter outside its range.
    #[error("{key} = {given}: must be {expected}")]
    OutOfRange {
        /// The parameter's key, as in a configuration file.
        key: &'static str,
        /// What was given.
        given: f32,
        /// The range in words.
        expected: &'static str,
    },
    /// A name that stands for nothing.
    #[error("unknown {key} \"{given}\": choose one of {expected}")]
    UnknownName {
        /// The parameter's key.
        key: &'static str,
        /// What was given.
        given: String,
        /// The names that would be right.
        expected: String,
    },
    /// A parameter that belongs to another kind.
    #[error("{key} does not apply to \"{kind}\": it belongs to {belongs_to}")]
    DoesNotApply {
        /// The parameter's key.
        key: &'static str,
        /// The kind for which it was given.
        kind: &'static str,
        /// The kinds that have this parameter.
        belongs_to: &'static str,
    },
    /// Two parts that have no meaning together.
    #[error("{what}")]
    Conflict {
        /// What stands against what, and what would be right.
        what: &'static str,
    },
    /// A number of classes that no kernel can index.
    #[error("{given} classes: must be between 1 and 2^31 − 1")]
    Classes {
        /// The number of classes that was given.
        given: usize,
    },
    /// Instructions that the processor lacks.
    #[error("this processor has no {isa} instructions: use a set that it has, such as portable")]
    Instructions {
        /// The name of the set.
        isa: &'static str,
    },
    /// Keys or values that do not read as a specification.
    #[error("{message}")]
    Syntax {
        /// What does not read, and what would.
        message: String,
    },
}

/// A specification that is legal and yet probably not meant.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecWarning {
    /// Label smoothing that puts no more on the ground truth than on any other class.
    #[error(
        "revision.epsilon = {epsilon} is too strong for {classes} classes: from {classes_less}/{classes} \
         on, the ground truth gets no more than any other class", classes_less = .classes - 1
    )]
    SmoothingTooStrong {
        /// ε of the specification.
        epsilon: f32,
        /// V of the rows.
        classes: usize,
    },
}

/// An argument that a hot call refuses, before it has written anything.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// A slice that does not have the length that the other arguments ask for.
    #[error("{argument} has {given} elements, but {needed} are needed for {rows} rows")]
    Length {
        /// The argument's name.
        argument: &'static str,
        /// Its length in elements.
        given: usize,
        /// The length that would be right (the least one for matrices).
        needed: usize,
        /// The number of rows, which is the number of labels.
        rows: usize,
    },
    /// A row stride smaller than the row.
    #[error("{argument} = {given} is smaller than a row of {classes} classes")]
    Stride {
        /// The argument's name.
        argument: &'static str,
        /// The stride in elements.
        given: usize,
        /// V of the plan.
        classes: usize,
    },
    /// Sizes whose product no address can hold.
    #[error("{rows} rows with a stride of {stride} elements exceed the address space")]
    TooLarge {
        /// The number of rows.
        rows: usize,
        /// The row stride in elements.
        stride: usize,
    },
    /// A null address where there must be memory, or one that is no multiple of its elements' size.
    #[error(
        "{argument} is at address {given:#x}, which must be a multiple of {alignment}, and not 0"
    )]
    Address {
        /// The argument's name.
        argument: &'static str,
        /// The address that was given.
        given: u64,
        /// What it must be a multiple of.
        alignment: u64,
    },
    /// Logits or features of another type than what they belong to.
    #[error("{argument} is {given}, but {planned} is expected")]
    Format {
        /// The argument's name.
        argument: &'static str,
        /// What was given.
        given: &'static str,
        /// What would be right.
        planned: &'static str,
    },
    /// A label that is neither a class nor [`IGNORE`](super::IGNORE).
    #[error(
        "labels[{row}] = {given} is no class: it must be in 0..{classes}, or −100 for no label"
    )]
    Label {
        /// The row.
        row: usize,
        /// The label that was given.
        given: i32,
        /// V of the plan.
        classes: usize,
    },
    /// A per-row parameter outside its range.
    #[error("{argument}[{row}] = {given} is out of range: it must be {expected}")]
    RowParameter {
        /// The argument's name.
        argument: &'static str,
        /// The row.
        row: usize,
        /// The value that was given.
        given: f32,
        /// The range in words.
        expected: &'static str,
    },
    /// A scalar outside its range.
    #[error("{argument} = {given} is out of range: it must be {expected}")]
    Scalar {
        /// The argument's name.
        argument: &'static str,
        /// The value that was given.
        given: f32,
        /// The range in words.
        expected: &'static str,
    },
    /// An argument that this plan cannot do without.
    #[error("{argument} is missing: {why}")]
    Missing {
        /// The argument's name.
        argument: &'static str,
        /// Why it is needed and where it comes from.
        why: &'static str,
    },
    /// An argument that this plan would ignore.
    #[error("{argument} has no use here: {why}")]
    Unused {
        /// The argument's name.
        argument: &'static str,
        /// Why nothing would read it.
        why: &'static str,
    },
}

/// `Ok` when `holds`, else the error that names key, value and range.
pub(crate) fn in_range(
    key: &'static str,
    given: f32,
    holds: bool,
    expected: &'static str,
) -> Result<(), SpecError> {
    if holds {
        Ok(())
    } else {
        Err(SpecError::OutOfRange {
            key,
            given,
            expected,
        })
    }
}

/// The entry of `table` with this name, or the error that lists the names there are.
pub(crate) fn by_name<T: Copy>(
    key: &'static str,
    given: &str,
    table: &[(&'static str, T)],
) -> Result<T, SpecError> {
    let known = |&&(name, _): &&(&'static str, T)| name == given;
    match table.iter().find(known) {
        Some(&(_, value)) => Ok(value),
        None => Err(SpecError::UnknownName {
            key,
            given: given.to_owned(),
            expected: table
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}

/// An error where a parameter is given for a kind that does not have it.
#[cfg(feature = "serde")]
pub(crate) fn refuse(
    key: &'static str,
    given: Option<f64>,
    kind: &'static str,
    belongs_to: &'static str,
) -> Result<(), SpecError> {
    match given {
        None => Ok(()),
        Some(_) => Err(SpecError::DoesNotApply {
            key,
            kind,
            belongs_to,
        }),
    }
}
