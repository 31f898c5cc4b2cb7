//! `fused-kd devices`: the engines of this build, and whether they can run here.

use super::arguments::Format;
use super::failure::Failure;
use super::layout;
use super::terminal;
use crate::auto::{self, EngineName, EngineStatus};
use serde::Serialize;

/// List the engines and whether they can run here.
#[derive(clap::Args)]
#[command(after_help = "\
`--engine auto` chooses the engine marked with *.

Examples:
  fused-kd devices
  fused-kd devices --format json       a list of {name, available, chosen,
                                       description}")]
pub(super) struct Arguments {
    /// Print the list in this format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// One engine, for programs.
#[derive(Serialize)]
struct Device<'a> {
    name: &'static str,
    available: bool,
    chosen: bool,
    description: &'a str,
}

impl Device<'_> {
    fn row(&self) -> [String; 3] {
        let mark = if self.chosen { " *" } else { "" };
        let runs = if self.available { "yes" } else { "no" };
        [
            format!("{}{mark}", self.name),
            runs.to_owned(),
            self.description.to_owned(),
        ]
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let engines = auto::engines();
    let auto = EngineName::Auto.resolve();
    let chosen = auto.map_or(EngineName::Cpu, |choice| choice.engine);
    let devices: Vec<Device> = engines.iter().map(|e| device(e, chosen)).collect();
    match arguments.format {
        Format::Json => terminal::print_json(&devices),
        Format::Table => {
            let rows: Vec<_> = devices.iter().map(Device::row).collect();
            terminal::print(layout::table(
                ["engine", "runs", "device, or reason"],
                &rows,
            ))
        }
    }
}

fn device(status: &EngineStatus, chosen: EngineName) -> Device<'_> {
    let (Ok(description) | Err(description)) = &status.available;
    Device {
        name: status.name.name(),
        available: status.available.is_ok(),
        chosen: status.name == chosen,
        description,
    }
}
