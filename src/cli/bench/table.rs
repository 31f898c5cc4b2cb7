//! `benches/cases.json`, which the criterion benches and `benches/peers` read too.

use super::shape::Shape;
use super::step::Network;
use crate::auto::EngineName;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The tests below read all of it: what is wrong in it fails there.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../benches/cases.json")).expect("a table of cases")
});

#[derive(Deserialize)]
pub(super) struct Table {
    /// Lists by name.
    pub(super) shapes: BTreeMap<String, Vec<Shape>>,
    usual: BTreeMap<String, Vec<String>>,
    pub(super) types: Vec<String>,
    pub(super) presets: Vec<BTreeMap<String, String>>,
    pub(super) networks: Vec<Network>,
    pub(super) batch: u32,
}

impl Table {
    /// The shapes that are measured unless others are asked for.
    pub(super) fn usual(&self, engine: EngineName) -> Vec<Shape> {
        let on_gpu = matches!(engine, EngineName::Cuda | EngineName::Wgpu);
        let lists = &self.usual[if on_gpu { "gpu" } else { "cpu" }];
        let shapes = lists.iter().flat_map(|name| &self.shapes[name]);
        shapes.copied().collect()
    }
}

/// Shapes that are asked for by one name.
pub(super) type Shapes = Vec<Shape>;

/// Reads a shape, or the name of a list of the table.
pub(super) fn shapes(given: &str) -> Result<Shapes, String> {
    match TABLE.shapes.get(given) {
        Some(shapes) => Ok(shapes.clone()),
        None => Ok(vec![given.parse()?]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arguments, Case, cases};
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Parser)]
    struct Bench {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[track_caller]
    fn measured(options: &str, engine: EngineName) -> Vec<String> {
        let words = std::iter::once("bench").chain(options.split_whitespace());
        let arguments = Bench::try_parse_from(words).unwrap().arguments;
        let cases = cases(&arguments, engine).unwrap();
        cases.iter().map(Case::to_string).collect()
    }

    #[test]
    fn all_of_the_table_can_be_measured() {
        for preset in &TABLE.presets {
            measured(&preset["options"], EngineName::Cpu);
        }
        for &shape in TABLE.shapes.values().flatten() {
            assert_eq!(shape.to_string().parse(), Ok(shape));
        }
        for network in &TABLE.networks {
            assert_eq!(network.to_string().parse().as_ref(), Ok(network));
        }
        for &Shape { rows, classes } in &TABLE.shapes["bandwidth"] {
            assert_eq!(rows, (1 << 26) / classes);
        }
    }

    #[test]
    fn the_usual_cases_are_those_of_the_help() {
        let help = Bench::command().render_long_help().to_string();
        let types = format!("{} unless given", TABLE.types.join(" and "));
        let batch = format!("{} unless given", TABLE.batch);
        for words in TABLE.shapes.keys().chain([&types, &batch]) {
            assert!(help.contains(words), "{words}");
        }
        for (engine, lists) in [
            (EngineName::Cpu, "cpu"),
            (EngineName::WgpuSoftware, "cpu"),
            (EngineName::Cuda, "latency,bandwidth"),
            (EngineName::Wgpu, "latency,bandwidth"),
        ] {
            let asked = format!("--shape {lists} --dtype f32,bf16 --preset lr");
            assert_eq!(measured("", engine), measured(&asked, engine));
        }
    }
}
