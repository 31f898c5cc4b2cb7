//! `fused-kd devices`: the engines of this build, and whether they can run here.

use super::arguments::Format;
use super::failure::Failure;
use super::terminal;
use crate::auto::{self, EngineName, EngineStatus};
use serde::Serialize;

/// List the engines and whether they can run here.
#[derive(clap::Args)]
#[command(after_help = "\
The engine `auto` is the one marked with *.

Examples:
  fused-kd devices
  fused-kd devices --format json   a list of {name, available, chosen, description}")]
pub(super) struct Arguments {
    /// How the list is printed.
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

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let engines = auto::engines();
    let auto = EngineName::Auto.resolve();
    let chosen = auto.map_or(EngineName::Cpu, |choice| choice.engine);
    let devices: Vec<Device> = engines.iter().map(|e| device(e, chosen)).collect();
    match arguments.format {
        Format::Json => terminal::print_json(&devices),
        Format::Table => {
            let mut table = terminal::table(["engine", "available", "what it is, or why not"]);
            for device in devices {
                let mark = if device.chosen { " *" } else { "" };
                let available = if device.available { "yes" } else { "no" };
                let name = format!("{}{mark}", device.name);
                table.add_row([&name, available, device.description]);
            }
            terminal::print(table.trim_fmt())
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
