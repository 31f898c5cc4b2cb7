//! Arguments that several commands take.

use crate::auto::EngineName;
use crate::spec::Preset;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text for people.
    Table,
    /// JSON for programs.
    Json,
}

/// Reads a preset by its name; a wrong name is answered with the right ones.
pub(super) fn preset() -> impl TypedValueParser<Value = Preset> {
    PossibleValuesParser::new(Preset::ALL.map(Preset::name))
        .try_map(|name| Preset::from_name(&name))
}

/// Reads an engine by its name; a wrong name is answered with the right ones.
pub(super) fn engine() -> impl TypedValueParser<Value = EngineName> {
    PossibleValuesParser::new(EngineName::ALL.map(EngineName::name))
        .try_map(|name| name.parse::<EngineName>())
}
